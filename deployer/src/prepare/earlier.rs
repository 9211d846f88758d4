//! What earlier runs made: what the last `up` was to bring, the machines it was made with, other deployments of the same nodes.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::CommandError;
use crate::inventory::{Inventory, Problems};
use crate::layout::{self, Made};
use crate::prepare::recorded;
use crate::prepare::target::{self, Source};
use crate::receipt::Receipt;
use crate::report::Event;
use crate::run::journal::{self, Entry};
use crate::topology::{CloudName, Topology};

/// The inventory of the last `up` and its topology, as far as they can be read.
pub(super) fn of_last_up(receipt: &Receipt) -> (Option<Inventory>, Option<Topology>) {
    let inventory = recorded::inventory(receipt).ok();
    let topology = inventory
        .as_ref()
        .and_then(|inventory| recorded::topology_of(inventory, receipt).ok());
    (inventory, topology)
}

/// Asks something of what the machines of the receipt were made with, by its inventory, but for those that are gone.
pub(super) fn with_made(
    recorded: Option<&Inventory>,
    topology: &Topology,
    receipt: &Receipt,
    gone: &BTreeSet<String>,
    check: impl FnOnce(&Made<'_>) -> Result<(), Problems>,
) -> Result<(), CommandError> {
    // One that an older deployer took is not held against its words of today.
    let Some(inventory) = recorded else {
        return Ok(());
    };
    let machines: Vec<(String, CloudName)> = receipt
        .machines
        .iter()
        .filter(|(node, record)| record.machine.is_some() && !gone.contains(*node))
        .filter_map(|(node, record)| Some((node.clone(), target::cloud_name(&record.cloud).ok()?)))
        .collect();
    let made = Made {
        inventory,
        cloud: topology.cloud,
        machines: &machines,
    };
    check(&made).map_err(CommandError::usage)
}

/// Other deployments of the same nodes on the same cloud: a new name in the inventory makes a second one.
pub(super) fn beside(
    source: &Source,
    topology: &Topology,
    state_dir: &Path,
) -> Result<Vec<Event>, CommandError> {
    let same = |entry: &Entry| {
        let receipt = journal::read_receipt(&entry.directory).ok()?;
        let other = layout::parse(receipt.inventory.as_bytes(), "").ok()?;
        let nodes = other.nodes.keys().eq(source.inventory.nodes.keys());
        nodes.then(|| entry.name.clone())
    };
    let others = journal::list(state_dir)?;
    let others = others
        .iter()
        .filter(|entry| entry.cloud == topology.cloud.name())
        .filter_map(same);
    Ok(others
        .map(|name| {
            Event::Warning(format!(
                "`{}` will be a second deployment of these nodes: `{name}` is there and goes on beside it; `deployer teardown --name {name}` takes it away",
                topology.name
            ))
        })
        .collect())
}
