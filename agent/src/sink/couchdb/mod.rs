//! `CouchDB`: each record is one document, or the newest of each key is, and what can never be one is a document of a database beside.

mod answer;
mod asked;
mod client;
mod letters;
mod replaced;
mod settings;
mod store;

use std::collections::HashSet;

use futures_util::future::BoxFuture;

use super::document::{Document, document, is_same};
use super::{Later, Letter, Outcome, Record, Sink};
use crate::config::topic::Topic;
pub use answer::Answer;
pub use client::{Couchdb, OpenError, Server, path_of};
pub use settings::Settings;
pub use store::{Row, Store, Trouble};

/// Writes documents to a store.
#[derive(Debug)]
pub struct Documents<S> {
    store: S,
}

/// A record's document, and the place of its outcome.
struct Entry {
    index: usize,
    document: Document,
}

impl<S: Store> Documents<S> {
    /// Writes to this store.
    pub fn new(store: S) -> Self {
        Self { store }
    }

    async fn write_all(&self, topic: &Topic, records: &[&Record]) -> Vec<Outcome> {
        let mut outcomes = vec![None; records.len()];
        let mut entries = Vec::with_capacity(records.len());
        for (index, record) in records.iter().enumerate() {
            match document(&topic.name, &topic.epoch, record) {
                Ok(document) => entries.push(Entry { index, document }),
                Err(reason) => outcomes[index] = Some(Outcome::Never(reason)),
            }
        }
        for round in rounds(entries) {
            // A later round has the same ids: none of its documents may be there before.
            if !self
                .write_round(&topic.database, round, &mut outcomes)
                .await
            {
                break;
            }
        }
        let not_tried = || {
            let reason = "another record with the same id is not settled";
            Outcome::Later(Later::Away(reason.to_owned()))
        };
        let outcomes = outcomes.into_iter();
        outcomes.map(|one| one.unwrap_or_else(not_tried)).collect()
    }

    /// Writes entries whose ids differ. Returns whether all are settled.
    async fn write_round(
        &self,
        database: &str,
        round: Vec<Entry>,
        outcomes: &mut [Option<Outcome>],
    ) -> bool {
        let mut work = vec![round];
        let mut is_settled = true;
        while let Some(mut batch) = work.pop() {
            match self.try_batch(database, &batch, outcomes).await {
                Tried::Settled => {}
                Tried::Some => is_settled = false,
                Tried::Split => {
                    let right = batch.split_off(batch.len() / 2);
                    work.push(right);
                    work.push(batch);
                }
                Tried::None(later) => {
                    for entry in work.iter().flatten().chain(&batch) {
                        outcomes[entry.index] = Some(Outcome::Later(later.clone()));
                    }
                    return false;
                }
            }
        }
        is_settled
    }

    async fn try_batch(
        &self,
        database: &str,
        batch: &[Entry],
        outcomes: &mut [Option<Outcome>],
    ) -> Tried {
        let documents: Vec<&Document> = batch.iter().map(|entry| &entry.document).collect();
        let mut rows = match self.store.put(database, &documents).await {
            Ok(rows) => rows,
            Err(Trouble::Rejected(reason)) => {
                let [entry] = batch else { return Tried::Split };
                let reason = format!("CouchDB refuses the document: {reason}");
                outcomes[entry.index] = Some(Outcome::Never(reason));
                return Tried::Settled;
            }
            Err(Trouble::Away(reason)) => return Tried::None(Later::Away(reason)),
            Err(Trouble::Denied(reason)) => return Tried::None(Later::Denied(reason)),
        };
        let mut conflicts = Vec::new();
        let mut tried = Tried::Settled;
        for entry in batch {
            let outcome = match rows.remove(&entry.document.id) {
                Some(Row::Stored) => Outcome::Done,
                Some(Row::Refused(reason)) => Outcome::Never(reason),
                Some(Row::Conflict) => {
                    conflicts.push(entry);
                    continue;
                }
                Some(Row::Failed(reason)) => Outcome::Later(Later::Away(reason)),
                None => Outcome::Later(Later::Away(
                    "a document is missing from the answer".to_owned(),
                )),
            };
            if matches!(outcome, Outcome::Later(_)) {
                tried = Tried::Some;
            }
            outcomes[entry.index] = Some(outcome);
        }
        if !conflicts.is_empty() && !self.compare(database, &conflicts, outcomes).await {
            tried = Tried::Some;
        }
        tried
    }

    /// Reads back what was there already: the same is done, another can never be there, none is tried again. Returns
    /// whether all are settled.
    async fn compare(
        &self,
        database: &str,
        conflicts: &[&Entry],
        outcomes: &mut [Option<Outcome>],
    ) -> bool {
        let ids: Vec<&str> = conflicts
            .iter()
            .map(|entry| entry.document.id.as_str())
            .collect();
        let stored = match self.store.get(database, &ids).await {
            Ok(stored) => stored,
            Err(trouble) => {
                let later = Later::from(trouble);
                for entry in conflicts {
                    outcomes[entry.index] = Some(Outcome::Later(later.clone()));
                }
                return false;
            }
        };
        let mut is_settled = true;
        for entry in conflicts {
            let outcome = match stored.get(&entry.document.id) {
                Some(stored) if is_same(stored, &entry.document.json) => Outcome::Already,
                Some(_) => Outcome::Never(format!(
                    "conflict: another document has the id {}",
                    entry.document.id
                )),
                None => {
                    is_settled = false;
                    Outcome::Later(Later::Away(
                        "a document that was in conflict is gone".to_owned(),
                    ))
                }
            };
            outcomes[entry.index] = Some(outcome);
        }
        is_settled
    }
}

impl<S: Store> Sink for Documents<S> {
    fn place(&self, topic: &Topic) -> String {
        topic.database.clone()
    }

    fn write<'a>(
        &'a self,
        topic: &'a Topic,
        records: &'a [&'a Record],
    ) -> BoxFuture<'a, Vec<Outcome>> {
        if topic.replace {
            return Box::pin(replaced::write(&self.store, topic, records));
        }
        Box::pin(self.write_all(topic, records))
    }

    fn keep<'a>(
        &'a self,
        topic: &'a Topic,
        letters: &'a [Letter<'a>],
    ) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(letters::keep(&self.store, topic, letters))
    }
}

impl From<Trouble> for Later {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Away(reason) => Self::Away(reason),
            Trouble::Denied(reason) | Trouble::Rejected(reason) => Self::Denied(reason),
        }
    }
}

/// What became of one request.
enum Tried {
    /// Every document is settled.
    Settled,
    /// Some are not.
    Some,
    /// The request was refused as it is; a part of it may not be.
    Split,
    /// None is, and others would fare no better.
    None(Later),
}

/// Splits entries so that no id is twice in one request: the second of two would be in conflict with the first, under
/// the same id, and the answer could not tell them apart.
fn rounds(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
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
