//! The cloud `existing` on real hosts: machines of this box that the deployer finds as it would find any host of a user, with a
//! login that is not root's.

#![expect(
    clippy::disallowed_methods,
    reason = "tests run the box's own programs"
)]

mod access;
mod adopt;
mod conflicts;
mod drift;
mod fresh;
mod hosts;
mod life;
mod neighbours;
mod oddities;
mod product;
mod questions;
mod real_couchdb;
mod refusals;

use hosts::Hosts;

/// Where events go without a CouchDB, and who makes them: on hosts its stand-in is refused, and a release lies in one place for all
/// deployments of a host.
const FILES: &str = "sinks: { seen: { from: utilizations1, files: {} } }\n";

/// What is said of canaries where no documents are made.
const PROOF: &str = "acknowledged by all in-sync brokers; no documents are made here";

/// The section of an inventory that says where hosts are: node → host.
fn section(hosts: &Hosts, nodes: &[(&str, &str)]) -> String {
    let entries = nodes
        .iter()
        .map(|(node, host)| format!("      {node}: {}\n", hosts.entry(host)));
    format!(
        "clouds:\n  existing:\n    hosts:\n{}",
        entries.collect::<String>()
    )
}

/// An inventory with one node `all` that does everything but keep documents, by these ports: ZooKeeper, Kafka, its brokers' own.
fn all_in_one(name: &str, ports: [u16; 3], clouds: &str) -> String {
    let [zookeeper, kafka, brokers] = ports;
    // The agents' own ports must differ, too, where deployments share a host.
    let (produced, consumed) = (zookeeper + 7000, kafka + 1000);
    format!(
        "name: {name}\ncloud: existing\nnodes:\n  all: {{ roles: [zookeeper, kafka, consumer, producer] }}\n\
         zookeeper: {{ port: {zookeeper}, heap_mib: 64 }}\n\
         kafka: {{ port: {kafka}, brokers_port: {brokers}, heap_mib: 256, replication: 1 }}\n\
         producer: {{ count: 10, interval: 100ms, metrics_port: {produced} }}\n\
         consumer: {{ metrics_port: {consumed} }}\n{FILES}{clouds}"
    )
}
