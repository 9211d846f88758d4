//! What should be on the nodes of a deployment by its receipt alone: for commands that bring nothing and only look, or take away.

use std::collections::BTreeMap;

use crate::component::pipeline::LOG;
use crate::component::repository_key::of_makers;
use crate::component::{ALL, Artifact, Context};
use crate::error::CommandError;
use crate::inventory::{Inventory, Problems, Security};
use crate::layout;
use crate::machine::Machine;
use crate::plan::{self, Desired};
use crate::prepare::ends::{Ends, end_file};
use crate::receipt::{Receipt, Secrets};
use crate::topology::{Ids, Options, Topology};

use super::target;

/// What should be on the nodes, by all that is decided.
pub fn desired(
    context: Context<'_>,
    machines: &BTreeMap<String, Machine>,
    ends: &Ends,
) -> Result<Desired, CommandError> {
    let addresses = |machine: &Machine| {
        let own = machine.networks.values().chain(&machine.public);
        own.copied().any(|address| address.is_ipv6())
    };
    let context = &Context {
        ipv6: machines.values().any(addresses),
        ..context
    };
    let beside = ends
        .iter()
        .map(|(node, end)| (node.clone(), vec![end_file(*end)]));
    Ok(plan::desired(context, machines, &beside.collect())?)
}

/// The inventory of the last `up`, as it was understood then.
pub fn inventory(receipt: &Receipt) -> Result<Inventory, Problems> {
    let mut inventory = layout::parse(receipt.inventory.as_bytes(), "the receipt's inventory")?;
    if !inventory.says("security") && !receipt.secure_by_default {
        inventory.security = Security::Off;
    }
    Ok(inventory)
}

/// The ids that a receipt keeps.
pub fn ids(receipt: &Receipt) -> Ids {
    Ids {
        numbers: receipt.numbers.clone(),
        topics: receipt.read_topics(LOG.name()),
        replaced: receipt
            .replaced
            .get(LOG.name())
            .cloned()
            .unwrap_or_default(),
    }
}

/// The topology of the last `up`.
pub fn topology(receipt: &Receipt) -> Result<Topology, CommandError> {
    let inventory = inventory(receipt).map_err(CommandError::failed)?;
    topology_of(&inventory, receipt)
}

/// The topology of the last `up` by its inventory.
pub fn topology_of(inventory: &Inventory, receipt: &Receipt) -> Result<Topology, CommandError> {
    let options = Options {
        cloud: Some(target::cloud_name(&receipt.cloud)?),
        name: Some(receipt.name.clone()),
    };
    let topology = Topology::new(inventory, &options, &ids(receipt));
    Ok(topology.map_err(CommandError::failed)?.0)
}

/// The machines that a receipt knows, by node.
pub fn machines(receipt: &Receipt) -> BTreeMap<String, Machine> {
    let known = receipt.machines.iter();
    known
        .filter_map(|(node, record)| {
            let machine = receipt.trusting(record.machine.clone()?);
            Some((node.clone(), machine))
        })
        .collect()
}

/// What the last `up` was to put on the nodes. Which archives and binaries it sent is not known here: what should be in them is
/// not to be asked of this.
pub fn of_receipt(
    receipt: &Receipt,
    topology: &Topology,
    secrets: &Secrets,
    machines: &BTreeMap<String, Machine>,
) -> Result<Desired, CommandError> {
    let unknown = Artifact {
        identity: String::new(),
        sha256: Some(String::new()),
        download: None,
    };
    let names = ALL.iter().map(|component| component.name().to_owned());
    let parcels = ALL.iter().flat_map(|component| component.parcels(topology));
    let keys = names.chain(parcels.map(|parcel| parcel.key));
    let artifacts = keys.map(|key| (key, unknown.clone()));
    let context = Context {
        topology,
        receipt,
        secrets,
        choices: &receipt.choices,
        // Only their presence is looked at.
        keys: &of_makers(topology)?,
        artifacts: &artifacts.collect(),
        ipv6: false,
    };
    desired(context, machines, &Ends::new())
}
