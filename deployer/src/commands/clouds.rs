//! The clouds of a deployment, by name.

use std::collections::{BTreeMap, BTreeSet};

use crate::cloud::existing::Existing;
use crate::cloud::local::Local;
use crate::cloud::{Cloud, Progress, Wanted, WantedMachine};
use crate::error::CommandError;
use crate::report::{Event, Reporter};
use crate::run::keys::Keys;
use crate::topology::{CloudName, Topology};

/// A cloud's implementation.
pub fn open(name: CloudName, topology: &Topology) -> Result<Box<dyn Cloud>, CommandError> {
    Ok(match name {
        CloudName::Local => Box::new(Local::new(&topology.local)?),
        CloudName::Existing => Box::new(Existing::new(topology)),
    })
}

/// The clouds that a topology's nodes name, and its default one.
pub fn names(topology: &Topology) -> BTreeSet<CloudName> {
    topology.nodes.values().map(|node| node.cloud).chain([topology.cloud]).collect()
}

/// What a deployment wants of one cloud.
pub fn wanted(
    name: CloudName,
    topology: &Topology,
    id: &str,
    keys: &Keys,
    packages: BTreeSet<String>,
    notes: &BTreeMap<String, String>,
) -> Result<Wanted, CommandError> {
    let nodes = topology.nodes.values().filter(|node| node.cloud == name);
    let mut machines = BTreeMap::new();
    for node in nodes {
        let host = keys.host(&node.name)?;
        let machine = WantedMachine {
            node: node.name.clone(),
            memory_mib: node.memory_mib,
            host_key: host.private,
            host_key_public: host.public,
        };
        machines.insert(node.name.clone(), machine);
    }
    Ok(Wanted { machines, packages, ..nothing(topology.name.clone(), id, keys.user_public(), notes) })
}

/// Wanting no machines: what a teardown wants.
pub fn nothing(deployment: String, id: &str, user_key: String, notes: &BTreeMap<String, String>) -> Wanted {
    Wanted {
        id: id.into(),
        deployment,
        machines: BTreeMap::new(),
        packages: BTreeSet::new(),
        user_key,
        notes: notes.clone(),
    }
}

/// Shows a cloud's progress through the reporter.
pub struct Shown<'a>(pub &'a dyn Reporter);

impl Progress for Shown<'_> {
    fn line(&self, node: Option<&str>, line: &str) {
        self.0.event(&Event::StepOutput { node: node.map(String::from), line: line.into() });
    }
}
