//! The pipeline as the core sees it: its parts, and which component plays each. Said here and nowhere else: whoever asks of a part
//! names no product.

use std::collections::{BTreeMap, BTreeSet};

use super::{Component, consumer, couchdb, kafka, producer, spark};
use crate::inventory::{Findings, Inventory, Member};
use crate::topology::{Node, Topic, Topology};

pub use super::consumer::alerts::{MailSection, PASSWORD_PLACE as MAIL_PASSWORD};
pub use super::consumer::sinks::{KINDS as SINKS, sinks, take_canaries};
pub use super::consumer::{
    credentials, operator_tool, pipeline as preparation, pipeline_node as node, tool,
};
pub use super::couchdb::{ADMIN, password_changed, url as store_address};
pub use super::kafka::client::{files as client_files, users};
pub use super::kafka::topics::{database_name, topics};
pub use super::producer::{
    BUCKET_KEYS, Bucket, bucket_keys_files, buckets, sends_for_ever, state as sender_state,
    state_file, tools as senders_tools,
};
pub use super::spark::{
    Attempt, Fault as ProgramFault, attempt, is_program, look as look_at_program, names as streams,
    programs_of as stream_programs,
};

/// What holds the topics.
pub static LOG: &dyn Component = &kafka::Kafka;
/// What holds the documents.
pub static STORE: &dyn Component = &couchdb::Couchdb;
/// What sends events to topics.
pub static SENDER: &dyn Component = &producer::Producer;
/// What makes documents of the events of topics.
pub static MOVER: &dyn Component = &consumer::Consumer;

/// What runs the streams.
pub static STREAMER: &dyn Component = &spark::Spark;

/// The users of the inventory who read the documents of a database.
pub fn readers(topology: &Topology, database: &str) -> BTreeSet<String> {
    let readers = kafka::users::readers(topology).into_iter();
    let reading = readers.filter(|(_, databases)| databases.contains(database));
    reading.map(|(user, _)| user.to_owned()).collect()
}

/// Looks at whose documents users of the inventory read.
pub fn check_readers(
    inventory: &Inventory,
    members: &[Member<'_>],
    topics: &BTreeMap<String, Topic>,
    findings: &mut Findings<'_>,
) {
    let has_store = members.iter().any(|member| member.has(STORE.name()));
    kafka::users::check_documents(inventory, topics, has_store, findings);
}

/// Whether there is a store.
pub fn has_store(topology: &Topology) -> bool {
    topology.nodes_with(STORE.name()).next().is_some()
}

/// The nodes whose sender is a service; lines on its standard input come from whoever runs the binary.
pub fn senders(topology: &Topology) -> impl Iterator<Item = &Node> {
    let nodes = topology.nodes_with(SENDER.name());
    nodes.filter(|node| SENDER.has_unit(node))
}
