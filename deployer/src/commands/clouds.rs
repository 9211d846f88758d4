//! The clouds of a deployment, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::cloud::existing::Existing;
use crate::cloud::local::Local;
use crate::cloud::{Cloud, Progress, Wanted, WantedMachine};
use crate::error::CommandError;
use crate::inventory;
use crate::receipt::Receipt;
use crate::report::{Event, Reporter};
use crate::run::keys::{self, Keys};
use crate::secret::Secret;
use crate::topology::{self, CloudName, Node, Topology};

use super::draft::Draft;

/// A cloud's implementation. `directory` is the deployment's, where its keys are or will be; `home` is the calling user's.
pub fn open(name: CloudName, topology: &Topology, directory: &Path, home: &Path) -> Box<dyn Cloud> {
    match name {
        CloudName::Local => {
            let key = keys::user_path(directory).display().to_string();
            Box::new(Local::new(&topology.local, &key))
        }
        CloudName::Existing => Box::new(Existing::new(topology, home)),
    }
}

/// The local cloud as far as it can do without an inventory: what is there is listed and taken away by its id alone.
pub fn local_without_inventory() -> Box<dyn Cloud> {
    let settings = topology::Local {
        network: inventory::LOCAL_NETWORK.into(),
        mirror: None,
        release: None,
        quick_start: false,
    };
    Box::new(Local::new(&settings, ""))
}

/// The clouds that the nodes of a topology and the machines of its receipt name.
pub fn names(topology: &Topology, receipt: &Receipt) -> BTreeSet<CloudName> {
    let recorded = receipt
        .machines
        .values()
        .map(|record| record.cloud.as_str());
    let recorded = CloudName::ALL
        .into_iter()
        .filter(|cloud| recorded.clone().any(|name| name == cloud.name()));
    topology
        .nodes
        .values()
        .map(|node| node.cloud)
        .chain(recorded)
        .collect()
}

/// What a deployment wants of one cloud. Without keys (there are none before the first `up`) the plan is the same, but it cannot
/// be carried out.
pub fn wanted(
    name: CloudName,
    draft: &Draft,
    keys: Option<&Keys>,
    packages: BTreeSet<String>,
    prune: bool,
) -> Result<Wanted, CommandError> {
    let mut wanted = nothing(name, &draft.receipt);
    wanted.packages = packages;
    wanted.user_key = keys.map(Keys::user_public).unwrap_or_default();
    for node in draft
        .topology
        .nodes
        .values()
        .filter(|node| node.cloud == name)
    {
        let mut machine = bare_machine(node);
        if let Some(keys) = keys {
            let host_key = keys.host(&node.name)?;
            (machine.host_key, machine.host_key_public) = (host_key.private, host_key.public);
        }
        wanted.machines.insert(node.name.clone(), machine);
    }
    if prune {
        wanted.remove = wanted
            .made
            .iter()
            .filter(|node| !wanted.machines.contains_key(*node))
            .cloned()
            .collect();
    }
    Ok(wanted)
}

/// Machines as wanted by a topology, without keys.
pub fn bare_machines(topology: &Topology, name: CloudName) -> BTreeMap<String, WantedMachine> {
    let nodes = topology.nodes.values().filter(|node| node.cloud == name);
    nodes
        .map(|node| (node.name.clone(), bare_machine(node)))
        .collect()
}

fn bare_machine(node: &Node) -> WantedMachine {
    WantedMachine {
        node: node.name.clone(),
        memory_mib: node.memory_mib,
        host_key: Secret::new(""),
        host_key_public: String::new(),
    }
}

/// Wanting no machines: what a teardown wants.
pub fn nothing(name: CloudName, receipt: &Receipt) -> Wanted {
    let made = receipt
        .machines
        .iter()
        .filter(|(_, record)| record.cloud == name.name() && record.machine.is_some());
    Wanted {
        id: receipt.id.clone(),
        deployment: receipt.name.clone(),
        machines: BTreeMap::new(),
        packages: BTreeSet::new(),
        user_key: String::new(),
        notes: receipt.cloud_notes.clone(),
        made: made.map(|(node, _)| node.clone()).collect(),
        remove: BTreeSet::new(),
    }
}

/// Shows a cloud's progress through the reporter.
pub struct Shown<'a>(pub &'a dyn Reporter);

impl Progress for Shown<'_> {
    fn line(&self, node: Option<&str>, line: &str) {
        self.0.event(&Event::StepOutput {
            node: node.map(String::from),
            line: line.into(),
        });
    }
}
