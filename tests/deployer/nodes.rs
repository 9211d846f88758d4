//! Nodes of a topology, for tests that make one themselves.

use std::collections::BTreeMap;

use deployer::component::producer::{self, Client, Source};
use deployer::inventory::Sections;
use deployer::topology::{CloudName, Node};

/// A node on this box.
pub(crate) fn node(name: &str, roles: &[&str]) -> Node {
    Node {
        name: name.into(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        cloud: CloudName::LOCAL,
        memory_mib: 2048,
        numbers: BTreeMap::new(),
        sections: Sections::default(),
        access: None,
        private_address: None,
        public_address: None,
    }
}

/// A client of the default pipeline: `vm1-1`, `vm1-2` …
pub(crate) fn client(number: u32) -> Node {
    let mut node = node(&format!("vm1-{number}"), &[producer::NAME]);
    let client = Client {
        topic: format!("utilizations{number}"),
        source: Source::Top,
        file: None,
        bucket: None,
        count: 100,
        interval_ms: Some(1000),
        seed: None,
        schedule: None,
        raw: false,
        metrics_port: 9441,
    };
    node.sections.add(producer::NAME, client);
    node
}
