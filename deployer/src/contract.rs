//! What the agents print and keep, as the deployer reads it: its half of the agents' contract. Plain data. The state of the
//! pipeline as a whole is in [`crate::inspect`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A sender's state file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderState {
    /// The run's id.
    pub run: String,
    /// Events made in this run.
    pub produced: u64,
    /// Events acknowledged in this run.
    pub acked: u64,
    /// Events wanted; 0: no end.
    pub count: u64,
    /// The run has come to its end.
    pub finished: bool,
    /// Events that are set aside because the brokers refused them for good.
    #[serde(default)]
    pub refused: u64,
}

/// Answer of `canaries`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanariesSent {
    /// The client.
    pub client: String,
    /// The run's id.
    pub run: String,
    /// How many were sent.
    pub sent: u64,
    /// How many were acknowledged by all in-sync replicas.
    pub acked: u64,
    /// The offset of the last one that was; `None`: none was, or an agent of before says nothing of it.
    #[serde(default)]
    pub newest: Option<i64>,
}

/// Answer of `send`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sent {
    /// How many lines were sent.
    pub sent: u64,
    /// How many were acknowledged by all in-sync replicas.
    pub acked: u64,
    /// The first one that was not.
    pub failed: Option<FailedLine>,
}

/// A line that was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FailedLine {
    /// Its number.
    pub line: u64,
    /// Why not.
    pub reason: String,
}

/// A line of `dead-letters`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DeadLetter {
    /// The sink it is kept beside, where that is not the store of documents.
    pub sink: Option<String>,
    /// The topic its record came from.
    pub topic: String,
    /// The record's partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// Bytes of the record's value; `None`: it has none.
    pub value_bytes: Option<u64>,
    /// Why it can never be a document.
    pub reason: String,
    /// It does not hold all of the record's value, so it cannot be tried again.
    #[serde(default)]
    pub incomplete: bool,
    /// When it was put away; `None`: it was not.
    pub put_away: Option<String>,
    /// What became of it where it was tried again.
    pub outcome: Option<DeadLetterOutcome>,
}

/// What became of a dead letter that was tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterOutcome {
    /// It is a document now.
    Document,
    /// It is dead still.
    Dead,
    /// The letter does not hold all of the record's value.
    Incomplete,
    /// It counts no more.
    PutAway,
}

/// A line of `databases`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DatabaseFound {
    /// Its name.
    pub name: String,
    /// Documents in it.
    pub documents: u64,
    /// Its documents' ids begin with the name of a partition.
    #[serde(default)]
    pub partitioned: bool,
}

/// Answer of `import`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Imported {
    /// New documents.
    pub written: u64,
    /// Those that were there already.
    pub present: u64,
    /// Those whose id is there with another body.
    pub different: u64,
    /// Those that the store refuses.
    pub refused: u64,
    /// Some of the last two kinds, with the reason.
    pub named: Vec<String>,
    /// Database → why it takes no documents, and how many of them.
    #[serde(default)]
    pub failed: BTreeMap<String, (String, u64)>,
}

/// Answer of `await-canaries`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CanariesFound {
    /// How many were expected.
    pub expected: u64,
    /// How many are documents.
    pub found: u64,
    /// Those that are not.
    pub missing: Vec<String>,
    /// Canaries that are there more than once.
    pub duplicates: u64,
    /// Half of them were documents within this time of being made.
    pub p50_ms: Option<f64>,
    /// 99 of 100 were.
    pub p99_ms: Option<f64>,
    /// What became of them in sinks that have a place for them, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sinks: BTreeMap<String, CanariesKept>,
}

/// What became of canaries in a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanariesKept {
    /// How many were expected.
    pub expected: u64,
    /// How many are there.
    pub found: u64,
    /// Those that are not.
    pub missing: Vec<String>,
    /// Canaries that are there more than once.
    pub duplicates: u64,
}

/// What a topic holds against its database, id by id; answer of `compare`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The topic.
    pub topic: String,
    /// Its database.
    pub database: String,
    /// From where to where it was read.
    pub partitions: Vec<Span>,
    /// Events, those that came again not counted.
    pub events: u64,
    /// Events that are in the topic more than once: one document each.
    pub again: u64,
    /// Events that are documents.
    pub documents: u64,
    /// Events that are dead letters.
    pub dead_letters: u64,
    /// Events that are neither, by their places in the topic.
    pub missing: Named,
    /// Documents of no event that the topic holds, by their ids.
    pub foreign: Named,
}

/// A partition, from the first offset that it holds to before the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its number.
    pub partition: i32,
    /// The first offset that it holds.
    pub begin: i64,
    /// The offset of the next event.
    pub end: i64,
    /// The brokers that should have it.
    pub replicas: Vec<i32>,
    /// The brokers that have all of it.
    pub isr: Vec<i32>,
}

/// How many there are, and the names of the first ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// How many.
    pub count: u64,
    /// The first ones.
    pub first: Vec<String>,
}
