//! What the agents say of the pipeline: the deployer's half of the agents' contract. Plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Answer of `consumer inspect`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// The brokers' side.
    pub kafka: KafkaState,
    /// CouchDB's side.
    pub couchdb: CouchdbState,
}

/// The brokers and their topics.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KafkaState {
    /// A broker answered.
    pub reachable: bool,
    /// Why not.
    pub error: Option<String>,
    /// The brokers in the metadata.
    #[serde(default)]
    pub brokers: Vec<Broker>,
    /// The inventory's topics.
    #[serde(default)]
    pub topics: Vec<TopicState>,
}

/// A broker in the metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// The name it advertises.
    pub host: String,
    /// The port it advertises.
    pub port: u16,
}

/// A topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicState {
    /// Its name.
    pub name: String,
    /// Its partitions; none: it does not exist.
    pub partitions: Vec<PartitionState>,
    /// Events in it; `None`: not known.
    pub messages: Option<i64>,
    /// Events that the consumer has not yet acknowledged; `None`: not known.
    pub lag: Option<i64>,
}

/// A partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionState {
    /// Its number.
    pub id: i32,
    /// The leading broker; -1: none.
    pub leader: i32,
    /// The brokers that should have a copy.
    pub replicas: Vec<i32>,
    /// Those that have all of it.
    pub isr: Vec<i32>,
}

/// CouchDB and its databases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CouchdbState {
    /// It answered.
    pub reachable: bool,
    /// Why not.
    pub error: Option<String>,
    /// Product and version; the stand-in is called by its name.
    pub vendor: Option<String>,
    /// The inventory's databases.
    #[serde(default)]
    pub databases: Vec<DatabaseState>,
}

/// A database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseState {
    /// Its name.
    pub name: String,
    /// The topic whose events it holds.
    pub topic: String,
    /// Documents in it, design documents not counted; `None`: it does not exist or was not readable.
    pub documents: Option<u64>,
    /// Timestamp of the newest event in it.
    pub newest: Option<String>,
    /// Documents in its dead-letter database.
    pub dead_letters: Option<u64>,
}

/// A producer's state file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerState {
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
}

/// Answer of `producer canaries`.
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
}

/// Answer of `consumer await-canaries`.
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
}

/// Documents by topic.
pub fn documents_by_topic(inspection: &Inspection) -> BTreeMap<&str, &DatabaseState> {
    inspection.couchdb.databases.iter().map(|database| (database.topic.as_str(), database)).collect()
}
