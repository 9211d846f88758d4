//! Components: each knows one piece of software and says, as actions, what should be on a node. They can do nothing
//! themselves.

use std::collections::{BTreeMap, BTreeSet};

use crate::receipt::{Choices, Receipt, Secrets};
use crate::signing_key::SigningKey;
use crate::step::{ARCHIVE_MARKER, Action, Download, archive_mark, sha256};
use crate::template::TemplateError;
use crate::topology::{Node, Role, Topology};
use place::Place;

pub mod base;
pub mod consumer;
pub mod couchdb;
pub mod java;
pub mod kafka;
pub mod place;
pub mod producer;
mod service;
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
    /// The key of CouchDB's package repository.
    pub couchdb_key: &'a SigningKey,
    /// Artifact → identity and checksum: what the operator's box would send.
    pub artifacts: &'a BTreeMap<String, Artifact>,
    /// Some member is reached by IPv6.
    pub ipv6: bool,
}

impl<'a> Context<'a> {
    /// The address on which a service listens for all members. That of IPv6 takes in IPv4, too; but not every host has it.
    fn everywhere(&self) -> &'static str {
        if self.ipv6 { "::" } else { "0.0.0.0" }
    }

    /// What is known of an artifact. `template` is the one that cannot be rendered without it.
    fn artifact(&self, key: &str, template: &str) -> Result<&'a Artifact, TemplateError> {
        self.artifacts.get(key).ok_or_else(|| TemplateError {
            name: template.to_owned(),
            source: tera::Error::message(format!("the artifact `{key}` is not known")),
        })
    }
}

/// What is known of an artifact before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Name, version, source and pinned checksum in one line: another identity is another content.
    pub identity: String,
    /// SHA-256 of a single file (an agent binary); for archives the identity is enough.
    pub sha256: Option<String>,
    /// Where nodes get an archive by themselves, if from anywhere.
    pub download: Option<Download>,
}

/// The artifacts' keys.
pub mod artifact_key {
    /// Kafka's (and so ZooKeeper's) jars as one tar: a folder `libs` of jars.
    pub const KAFKA: &str = "kafka";
    /// The producer binary.
    pub const PRODUCER: &str = "producer";
    /// The consumer binary.
    pub const CONSUMER: &str = "consumer";
    /// A CouchDB release folder as tar.gz, or the stand-in's folder (with `node_modules` in it) as tar.
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

    /// Users, directories, files: all that can be done on all nodes at the same time, before anything runs. What it
    /// writes, uploads or unpacks is what its process reads, and nothing else.
    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError>;

    /// The name of its unit.
    fn unit(&self, context: &Context<'_>) -> String {
        Place::new(context.topology, self.role()).unit()
    }

    /// Starting its unit and waiting for its ports. `reads` are the [`checksums`] of all that [`Component::install`] put there.
    fn start(
        &self,
        node: &Node,
        context: &Context<'_>,
        reads: &BTreeMap<String, String>,
    ) -> Vec<Action> {
        service::start(&self.unit(context), reads, &self.ports(node, context))
    }
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

/// The components of a node, in the order they start.
pub fn of_node(node: &Node) -> impl Iterator<Item = &'static dyn Component> {
    Role::ALL.into_iter().filter(|role| node.has(*role)).map(of)
}

/// The Debian packages of a node.
pub fn packages(node: &Node, context: &Context<'_>) -> BTreeSet<String> {
    of_node(node)
        .flat_map(|component| component.packages(context))
        .chain(base::packages(node))
        .collect()
}

/// The TCP ports that a node opens to other members.
pub fn ports(node: &Node, context: &Context<'_>) -> BTreeSet<u16> {
    of_node(node)
        .flat_map(|component| component.ports(node, context))
        .collect()
}

/// The nodes whose producer is a service; lines on its standard input come from whoever runs the binary.
pub fn producers(topology: &Topology) -> impl Iterator<Item = &Node> {
    let nodes = topology.nodes_with(Role::Producer);
    nodes.filter(|node| has_unit(node, Role::Producer))
}

/// Whether any of our own binaries is put on a node.
pub fn has_agents(node: &Node, topology: &Topology) -> bool {
    let role = node.has(Role::Consumer) || node.has(Role::Producer);
    let tool = topology.pipeline_node() == Some(node) && consumer::tool(topology).is_some();
    role || tool || producer::tools(topology).contains_key(&node.name)
}

/// Whether a role of a node is a service.
pub fn has_unit(node: &Node, role: Role) -> bool {
    role != Role::Producer || producer::as_service(node).is_some()
}

/// The ports at which the agents of a node tell it about themselves. Nobody else reaches them.
pub fn metrics_ports(node: &Node, topology: &Topology) -> BTreeMap<Role, u16> {
    let consumer = node
        .has(Role::Consumer)
        .then_some((Role::Consumer, topology.consumer.metrics_port));
    let producer = producer::as_service(node).map(|own| (Role::Producer, own.metrics_port));
    consumer.into_iter().chain(producer).collect()
}

/// All that lies on a node because of us, before anything runs: what every node gets, and what its components install,
/// each action once.
pub fn install(node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
    let mut actions = base::install(node, context)?;
    for component in of_node(node) {
        for action in component.install(node, context)? {
            // ZooKeeper and Kafka are one archive.
            if !actions.contains(&action) {
                actions.push(action);
            }
        }
    }
    Ok(actions)
}

/// Starting one component of a node and waiting for it, with the files as [`Component::install`] makes them.
pub fn start(role: Role, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
    let component = of(role);
    let reads = checksums(&component.install(node, context)?);
    Ok(component.start(node, context, &reads))
}

/// The files that actions put on a node → their SHA-256. Of an unpacked archive it is the file [`ARCHIVE_MARKER`], which
/// holds the identity and nothing else. A seeded file belongs to its reader and is left out.
pub fn checksums(actions: &[Action]) -> BTreeMap<String, String> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::WriteFile { path, content, .. } => Some((path.clone(), content.sha256())),
            Action::UploadFile { path, sha256, .. } => Some((path.clone(), sha256.clone())),
            Action::UnpackArchive { path, identity, .. } => Some((
                format!("{path}/{ARCHIVE_MARKER}"),
                sha256(archive_mark(identity).as_bytes()),
            )),
            _ => None,
        })
        .collect()
}
