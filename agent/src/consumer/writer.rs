//! Writes a batch of records until each of them is a document, was one already, or is a dead letter.

use std::collections::HashSet;
use std::sync::Arc;

use super::dead_letters::{Dead, bury};
use super::document::{Record, document, is_same, lost_letter};
use super::losses::Loss;
use super::metrics::Metrics;
use super::retry::Retry;
use super::written::Written;
use crate::config::Topic;
use crate::store::{Document, Row, Store, Trouble};

/// Writes the batches of one consumer.
#[derive(Debug)]
pub struct Writer<S> {
    store: Arc<S>,
    metrics: Metrics,
}

impl<S> Clone for Writer<S> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            metrics: self.metrics.clone(),
        }
    }
}

/// A record and its document.
struct Entry<'a> {
    record: &'a Record,
    document: Document,
}

impl<S: Store> Writer<S> {
    /// Writes to this store and counts here.
    pub fn new(store: S, metrics: Metrics) -> Self {
        Self {
            store: Arc::new(store),
            metrics,
        }
    }

    /// Writes records of a topic. Returns only when every record is settled: while the store is away, or somebody must
    /// act first, this waits. Dropping the future at any moment is safe; the records are then read again.
    pub async fn write(&self, topic: &Topic, records: &[Record]) -> Written {
        let mut written = Written::default();
        let mut dead = Vec::new();
        let mut entries = Vec::with_capacity(records.len());
        for record in records {
            match document(&topic.name, &topic.epoch, record) {
                Ok(document) => entries.push(Entry { record, document }),
                Err(reason) => dead.push(Dead { record, reason }),
            }
        }
        for round in rounds(entries) {
            self.store_round(&topic.database, round, &mut written, &mut dead)
                .await;
        }
        written.dead = dead.len();
        bury(&*self.store, topic, &dead, &self.metrics).await;
        self.metrics.settled(records, written);
        written
    }

    /// Writes that events are lost, once: among the dead letters, where somebody looks and can put it away.
    pub(super) async fn write_loss(&self, topic: &Topic, loss: &Loss) {
        let (database, letter) = (
            topic.dead_letters(),
            lost_letter(&topic.name, &topic.epoch, loss),
        );
        let mut retry = Retry::new(&database, &self.metrics);
        loop {
            let trouble = match self.store.put(&database, &[&letter]).await {
                Ok(mut rows) => match rows.remove(&letter.id) {
                    Some(Row::Stored) => break,
                    Some(Row::Conflict) => return,
                    Some(Row::Refused(reason)) => Trouble::Denied(reason),
                    Some(Row::Failed(reason)) => Trouble::Away(reason),
                    None => Trouble::Away("a dead letter was not taken".to_owned()),
                },
                Err(trouble) => trouble,
            };
            retry.wait(&trouble).await;
        }
        self.metrics.lost(loss);
        tracing::error!(
            topic = topic.name,
            partition = loss.partition.number,
            from = loss.from,
            events = loss.count,
            "{}",
            loss.reason()
        );
    }

    async fn store_round<'a>(
        &self,
        database: &str,
        round: Vec<Entry<'a>>,
        written: &mut Written,
        dead: &mut Vec<Dead<'a>>,
    ) {
        let mut retry = Retry::new(database, &self.metrics);
        let mut work = vec![round];
        while let Some(batch) = work.pop() {
            if batch.is_empty() {
                continue;
            }
            match self.try_batch(database, batch, written, dead).await {
                Tried::Settled => retry.reset(),
                Tried::Split(mut left) => {
                    let right = left.split_off(left.len() / 2);
                    work.push(right);
                    work.push(left);
                }
                Tried::Again(rest, trouble) => {
                    retry.wait(&trouble).await;
                    work.push(rest);
                }
            }
        }
    }

    async fn try_batch<'a>(
        &self,
        database: &str,
        batch: Vec<Entry<'a>>,
        written: &mut Written,
        dead: &mut Vec<Dead<'a>>,
    ) -> Tried<'a> {
        let documents: Vec<&Document> = batch.iter().map(|entry| &entry.document).collect();
        let mut rows = match self.store.put(database, &documents).await {
            Ok(rows) => rows,
            Err(Trouble::Rejected(reason)) => match <[Entry<'a>; 1]>::try_from(batch) {
                Ok([entry]) => {
                    dead.push(Dead {
                        record: entry.record,
                        reason: format!("CouchDB refuses the document: {reason}"),
                    });
                    return Tried::Settled;
                }
                Err(batch) => return Tried::Split(batch),
            },
            Err(trouble) => return Tried::Again(batch, trouble),
        };
        let (mut conflicts, mut again, mut trouble) = (Vec::new(), Vec::new(), None);
        for entry in batch {
            match rows.remove(&entry.document.id) {
                Some(Row::Stored) => written.stored += 1,
                Some(Row::Conflict) => conflicts.push(entry),
                Some(Row::Refused(reason)) => dead.push(Dead {
                    record: entry.record,
                    reason,
                }),
                Some(Row::Failed(reason)) => {
                    trouble = Some(Trouble::Away(reason));
                    again.push(entry);
                }
                None => {
                    trouble = Some(Trouble::Away(
                        "a document is missing from the answer".to_owned(),
                    ));
                    again.push(entry);
                }
            }
        }
        if let Err(failed) = self
            .compare(database, conflicts, &mut again, written, dead)
            .await
        {
            trouble = Some(failed);
        } else if !again.is_empty() && trouble.is_none() {
            trouble = Some(Trouble::Away(
                "a document that was in conflict is gone".to_owned(),
            ));
        }
        match trouble {
            Some(trouble) => Tried::Again(again, trouble),
            None => Tried::Settled,
        }
    }

    /// Reads back what was there already: the same is done, another is a dead letter, none is tried again.
    async fn compare<'a>(
        &self,
        database: &str,
        conflicts: Vec<Entry<'a>>,
        again: &mut Vec<Entry<'a>>,
        written: &mut Written,
        dead: &mut Vec<Dead<'a>>,
    ) -> Result<(), Trouble> {
        if conflicts.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = conflicts
            .iter()
            .map(|entry| entry.document.id.as_str())
            .collect();
        let stored = match self.store.get(database, &ids).await {
            Ok(stored) => stored,
            Err(trouble) => {
                again.extend(conflicts);
                return Err(trouble);
            }
        };
        for entry in conflicts {
            match stored.get(&entry.document.id) {
                Some(stored) if is_same(stored, &entry.document.json) => written.repeated += 1,
                Some(_) => {
                    let reason = format!(
                        "conflict: another document has the id {}",
                        entry.document.id
                    );
                    dead.push(Dead {
                        record: entry.record,
                        reason,
                    });
                }
                None => again.push(entry),
            }
        }
        Ok(())
    }
}

/// What became of one request.
enum Tried<'a> {
    /// Nothing is left.
    Settled,
    /// The request was refused as it is; a part of it may not be.
    Split(Vec<Entry<'a>>),
    /// These must be sent again.
    Again(Vec<Entry<'a>>, Trouble),
}

/// Splits entries so that no id is twice in one request: the second of two would be in conflict with the first, under
/// the same id, and the answer could not tell them apart.
fn rounds(entries: Vec<Entry<'_>>) -> Vec<Vec<Entry<'_>>> {
    let mut rounds = Vec::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let mut ids = HashSet::new();
        let (round, repeated) = rest
            .into_iter()
            .partition(|entry| ids.insert(entry.document.id.clone()));
        rounds.push(round);
        rest = repeated;
    }
    rounds
}
