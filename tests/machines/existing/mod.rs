//! The cloud `existing` on real hosts: machines of this box that the deployer finds as it would find any host of a user, with a
//! login that is not root's.

#![expect(
    clippy::disallowed_methods,
    reason = "tests run the box's own programs, and are told of files by the environment"
)]

mod access;
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

use crate::support;
use hosts::Hosts;

/// Where `CouchDB` comes from in these tests: a real release where one is named, else the stand-in.
fn couchdb() -> String {
    let wanted = std::env::var_os("DEPLOYER_TEST_COUCHDB");
    match wanted.and_then(|_| support::real_couchdb(".tar.gz", "a real release on hosts")) {
        Some(archive) => format!("distribution: archive, archive: {}", archive.display()),
        None => "distribution: pouchdb".into(),
    }
}

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

/// An inventory with one node `all` that does everything, by these ports: ZooKeeper, Kafka, `CouchDB`. Several such share a host,
/// where a release of `CouchDB` could be only one's (it lies in /opt/couchdb), so it is always the stand-in.
fn all_in_one(name: &str, ports: [u16; 3], clouds: &str) -> String {
    let [zookeeper, kafka, couch] = ports;
    // The agents' own ports must differ, too, where deployments share a host.
    let (produced, consumed) = (zookeeper + 7000, kafka + 1000);
    format!(
        "name: {name}\ncloud: existing\nnodes:\n  all: {{ roles: [zookeeper, kafka, couchdb, consumer, producer] }}\n\
         zookeeper: {{ port: {zookeeper}, heap_mib: 64 }}\nkafka: {{ port: {kafka}, heap_mib: 256, replication: 1 }}\n\
         couchdb: {{ port: {couch}, distribution: pouchdb }}\nproducer: {{ count: 10, interval: 100ms, metrics_port: {produced} }}\n\
         consumer: {{ metrics_port: {consumed} }}\n{clouds}"
    )
}
