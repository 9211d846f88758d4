//! The topology: the inventory after defaults, names and ids are filled in. Pure.
//!
//! [`Topology::new`] is in [`crate::layout`], with the checks of what must fit together.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use self::ids::Ids;
pub use self::options::Options;
pub use crate::inventory::{
    Architecture, AwsCloud, CANONICAL, ChameleonCloud, CloudKind, CloudName, Clouds, Distribution,
    End, FileFormat, Image, LeaseTime, LocalCloud, Machines, OnTtl, SHORTEST_TTL, Sections, Seller,
    Site, Ttl,
};
use crate::machine::Access;

mod ids;
mod options;

/// A deployment as it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Topology {
    /// The deployment's name.
    pub name: String,
    /// The cloud of nodes that name no other.
    pub cloud: CloudName,
    /// Nodes by name.
    pub nodes: BTreeMap<String, Node>,
    /// Kafka's settings.
    pub kafka: Kafka,
    /// CouchDB's settings.
    pub couchdb: Couchdb,
    /// The consumer's settings.
    pub consumer: Consumer,
    /// Topics, the canaries' included, by name.
    pub topics: BTreeMap<String, Topic>,
    /// Files to which events go, beside or instead of CouchDB, by the names of their sinks.
    pub sinks: BTreeMap<String, FilesSink>,
    /// What earlier inventories had and this one has no more.
    pub former: Former,
    /// What the sections of components say.
    pub sections: Sections,
    /// What each cloud needs.
    pub clouds: Clouds,
}

/// A node as it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// Its name: a host label.
    pub name: String,
    /// What it does.
    pub roles: BTreeSet<String>,
    /// Where it lives.
    pub cloud: CloudName,
    /// Memory in MiB that the machine has (or gets, where the cloud asks). 0: a host of the user's, of which the
    /// inventory does not say.
    pub memory_mib: u64,
    /// Broker id, for a Kafka node.
    pub broker_id: Option<u32>,
    /// What it produces, for a producer.
    pub producer: Option<Producer>,
    /// How it is reached, for a host the user has.
    pub access: Option<Access>,
    /// The addresses by which a user's host is seen: by other such hosts, and from elsewhere.
    pub private_address: Option<std::net::IpAddr>,
    /// See `private_address`.
    pub public_address: Option<std::net::IpAddr>,
}

impl Node {
    /// Whether the node has a role.
    pub fn has(&self, role: &str) -> bool {
        self.roles.contains(role)
    }
}

/// Kafka's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kafka {
    /// Version, such as `3.9.1`.
    pub version: String,
    /// Broker port.
    pub port: u16,
    /// Java heap in MiB.
    pub heap_mib: u64,
    /// Copies of each partition.
    pub replication: u32,
    /// Copies that must be in sync for an acknowledged write.
    pub min_insync_replicas: u32,
    /// Base address of another place to fetch Kafka from.
    pub mirror: Option<String>,
    /// More settings of the brokers, by their Kafka names.
    pub settings: BTreeMap<String, String>,
}

/// CouchDB's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Couchdb {
    /// HTTP port.
    pub port: u16,
    /// Which CouchDB.
    pub distribution: Distribution,
    /// A relocatable release as tar.gz on the operator's box, for `archive`.
    pub archive: Option<String>,
    /// Base address of another package repository, for `apache`.
    pub repository: Option<String>,
    /// The file on the operator's box with the key that signs it; `None`: Apache's key.
    pub repository_key: Option<String>,
    /// More settings: section → key → value.
    pub settings: BTreeMap<String, BTreeMap<String, String>>,
}

/// The key, in CouchDB's section `couchdb`, that says which engine views have.
pub const JS_ENGINE: &str = "js_engine";

impl Couchdb {
    /// Takes this engine for views unless the inventory says one.
    pub fn prefer_engine(&mut self, engine: Option<&str>) {
        if let Some(engine) = engine {
            let settings = self.settings.entry("couchdb".into()).or_default();
            let said = settings.entry(JS_ENGINE.into());
            said.or_insert_with(|| engine.into());
        }
    }
}

/// The consumer's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Consumer {
    /// Documents in one request at most.
    pub batch_documents: u32,
    /// Bytes in one request at most.
    pub batch_bytes: u64,
    /// How long the first event of a batch waits for others, in milliseconds.
    pub batch_age_ms: u64,
    /// The port at which it tells its own node about itself.
    pub metrics_port: u16,
}

/// What a producer does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Producer {
    /// The client's number, from 1.
    pub number: u32,
    /// Its topic.
    pub topic: String,
    /// `top`, `stdin` or `file`.
    pub source: String,
    /// The file it reads; `None`: it reads none.
    pub file: Option<SourceFile>,
    /// Events to send; 0: for ever.
    pub count: u64,
    /// Milliseconds between events.
    pub interval_ms: u64,
    /// Whether the text of `top` goes along.
    pub raw: bool,
    /// The port at which it tells its own node about itself.
    pub metrics_port: u16,
}

/// A file whose lines are events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceFile {
    /// Where it is.
    pub path: String,
    /// The group by which the producer may read it.
    pub group: String,
}

/// Files on the consumer's node to which a topic's events go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FilesSink {
    /// The topic.
    pub from: String,
    /// `json` or `csv`.
    pub format: FileFormat,
    /// The columns of CSV.
    pub columns: Vec<String>,
    /// The size at which a file is followed by the next.
    pub roll_bytes: u64,
}

/// A topic and its database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// The database its events go to.
    pub database: String,
    /// Whether they go there.
    pub documented: bool,
    /// Partitions.
    pub partitions: u32,
    /// Copies.
    pub replication: u32,
    /// Settings by their Kafka names.
    pub config: BTreeMap<String, String>,
    /// The canaries' own.
    pub canary: bool,
}

/// What stays of earlier inventories until the user says `--prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Former {
    /// Brokers by id: the nodes they were on.
    pub brokers: BTreeMap<u32, String>,
    /// Topics that are read still, and their databases: whoever sends to them was not stopped.
    pub topics: BTreeMap<String, String>,
}

/// The canaries' topic.
pub const CANARY_TOPIC: &str = "deployer-canaries";

impl Topology {
    /// The nodes that have a role, in order of their names.
    pub fn nodes_with<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a Node> + Clone {
        self.nodes.values().filter(move |node| node.has(role))
    }

    /// The name by which members know a node: `vm2.utilization.internal`.
    pub fn host_name(&self, node: &str) -> String {
        format!("{node}.{}.internal", self.name)
    }
}
