//! Components: each knows one piece of software and says, as actions, what should be on a node. They can do nothing
//! themselves.

use std::collections::BTreeMap;

use crate::receipt::{Choices, Receipt, Secrets};
use crate::step::Action;
use crate::template::TemplateError;
use crate::topology::{Node, Role, Topology};

pub mod base;
pub mod consumer;
pub mod couchdb;
pub mod java;
pub mod kafka;
pub mod producer;
pub mod zookeeper;

/// All that a component may look at.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The deployment as it should be.
    pub topology: &'a Topology,
    /// What is remembered: id, epochs.
    pub receipt: &'a Receipt,
    /// Generated secrets.
    pub secrets: &'a Secrets,
    /// What `auto` became.
    pub choices: &'a Choices,
    /// Artifact → identity and checksum: what the operator's box would send.
    pub artifacts: &'a BTreeMap<String, Artifact>,
}

/// What is known of an artifact before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Name, version, source and pinned checksum in one line: another identity is another content.
    pub identity: String,
    /// SHA-256 of a single file (an agent binary); for archives the identity is enough.
    pub sha256: Option<String>,
}

/// The artifacts' keys.
pub mod artifact_key {
    /// Kafka's (and so ZooKeeper's) jars as one tar.
    pub const KAFKA: &str = "kafka";
    /// The producer binary.
    pub const PRODUCER: &str = "producer";
    /// The consumer binary.
    pub const CONSUMER: &str = "consumer";
    /// A CouchDB release folder as tar.gz, or the stand-in's folder as tar.
    pub const COUCHDB: &str = "couchdb";
}

/// One piece of software.
pub trait Component {
    /// The role it fulfils.
    fn role(&self) -> Role;

    /// Debian packages it needs on a node.
    fn packages(&self, context: &Context<'_>) -> Vec<String>;

    /// TCP ports it opens to other members.
    fn ports(&self, node: &Node, context: &Context<'_>) -> Vec<u16>;

    /// Users, directories, files: all that can be done on all nodes at the same time, before anything runs.
    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError>;

    /// Starting it and waiting for it. `reads` are the checksums of all that [`Component::install`] put there.
    fn start(
        &self,
        node: &Node,
        context: &Context<'_>,
        reads: &BTreeMap<String, String>,
    ) -> Vec<Action>;
}

/// The component of a role.
pub fn of(role: Role) -> &'static dyn Component {
    match role {
        Role::Zookeeper => &zookeeper::Zookeeper,
        Role::Kafka => &kafka::Kafka,
        Role::Couchdb => &couchdb::Couchdb,
        Role::Consumer => &consumer::Consumer,
        Role::Producer => &producer::Producer,
    }
}
