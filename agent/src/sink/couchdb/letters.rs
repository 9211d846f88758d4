//! Letters: each is a document of the database beside.

use super::{Row, Store, Trouble};
use crate::config::topic::Topic;
use crate::sink::document::{Document, KEPT_BYTES};
use crate::sink::{Later, Letter, Outcome};

/// Writes letters; a database that finds them too large gets less of their values.
pub(super) async fn keep<S: Store>(
    store: &S,
    topic: &Topic,
    letters: &[Letter<'_>],
) -> Vec<Outcome> {
    let database = topic.dead_letters();
    let mut kept = KEPT_BYTES;
    loop {
        let documents: Vec<Document> = letters
            .iter()
            .map(|letter| letter.document(topic, kept))
            .collect();
        let rows = store
            .put(&database, &documents.iter().collect::<Vec<_>>())
            .await;
        let mut rows = match rows {
            Ok(rows) => rows,
            Err(Trouble::Rejected(_)) if kept > 0 => {
                kept = if kept > 1024 { kept / 4 } else { 0 };
                continue;
            }
            Err(trouble) => return vec![Outcome::Later(trouble.into()); letters.len()],
        };
        let outcome = |document: &Document| match rows.remove(&document.id) {
            Some(Row::Stored) => Outcome::Done,
            // The letter of an earlier try.
            Some(Row::Conflict) => Outcome::Already,
            Some(Row::Refused(reason)) => Outcome::Later(Later::Denied(reason)),
            Some(Row::Failed(reason)) => Outcome::Later(Later::Away(reason)),
            None => Outcome::Later(Later::Away("a letter was not taken".to_owned())),
        };
        return documents.iter().map(outcome).collect();
    }
}
