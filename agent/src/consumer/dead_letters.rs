//! Dead letters: what can never be a document is kept in a database of its own, with the reason.

use super::document::{KEPT_BYTES, Record, dead_letter};
use super::metrics::Metrics;
use super::retry::Retry;
use crate::config::Topic;
use crate::store::{Document, Row, Store, Trouble};

/// A record that can never be stored, and why.
pub(super) struct Dead<'a> {
    pub(super) record: &'a Record,
    pub(super) reason: String,
}

/// Writes the dead letters of one batch. There is no other place for them, so a database that is away or closed is waited
/// for; one that finds them too large gets less of their values.
pub(super) async fn bury<S: Store>(store: &S, topic: &Topic, dead: &[Dead<'_>], metrics: &Metrics) {
    let Some(first) = dead.first() else { return };
    tracing::error!(
        topic = topic.name,
        records = dead.len(),
        partition = first.record.partition,
        first_offset = first.record.offset,
        first_reason = first.reason,
        "records can never be stored and become dead letters"
    );
    let database = topic.dead_letters();
    let mut retry = Retry::new(&database, metrics);
    let mut left: Vec<&Dead<'_>> = dead.iter().collect();
    let mut kept = KEPT_BYTES;
    while !left.is_empty() {
        let letters: Vec<Document> = left
            .iter()
            .map(|dead| dead_letter(&topic.name, &topic.epoch, dead.record, &dead.reason, kept))
            .collect();
        let rows = store
            .put(&database, &letters.iter().collect::<Vec<_>>())
            .await;
        let trouble = match rows {
            Err(Trouble::Rejected(_)) if kept > 0 => {
                kept = if kept > 1024 { kept / 4 } else { 0 };
                continue;
            }
            Err(trouble) => trouble,
            Ok(mut rows) => {
                let mut rows = letters.iter().map(|letter| rows.remove(&letter.id));
                let mut refused = None;
                left.retain(|_| match rows.next().flatten() {
                    // A conflict is the same record's letter of an earlier try.
                    Some(Row::Stored | Row::Conflict) => false,
                    Some(Row::Refused(reason)) => {
                        refused = Some(Trouble::Denied(reason));
                        true
                    }
                    Some(Row::Failed(_)) | None => true,
                });
                refused.unwrap_or_else(|| Trouble::Away("a dead letter was not taken".to_owned()))
            }
        };
        if !left.is_empty() {
            retry.wait(&trouble).await;
        }
    }
}
