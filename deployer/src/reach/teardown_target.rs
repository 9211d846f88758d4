//! Which deployment a teardown is about: by its receipt, by its id, or, with the receipt lost or damaged, by what clouds and
//! manifests tell.

use std::path::Path;

use crate::cli::{Environment, Teardown};
use crate::cloud::Found;
use crate::error::CommandError;
use crate::prepare::{recorded, target};
use crate::reach::clouds;
use crate::reach::user_hosts::{connect, hosts_of_the_user, manifests};
use crate::receipt::{MachineRecord, Receipt};
use crate::report::{Event, Reporter};
use crate::run::journal::{self, JournalError};
use crate::topology::{CloudName, Topology};

/// Stands for an id that nobody knows any more.
pub const UNKNOWN: &str = "-";

/// A deployment to be taken away.
pub struct TeardownTarget {
    /// What is known of it: its receipt, or what clouds and manifests told.
    pub receipt: Receipt,
    /// Its topology; `None`: its inventory is lost.
    pub topology: Option<Topology>,
}

/// By id, by receipt, or, with the receipt lost or damaged, by what clouds and manifests tell.
pub async fn find(
    options: &Teardown,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<TeardownTarget, CommandError> {
    if let Some(id) = &options.id {
        return by_id(id, options, environment).await;
    }
    let entry = match target::existing(&options.target, environment) {
        Ok(entry) => entry,
        Err(error) if options.target.inventory.is_none() => {
            let found = {
                let cloud = options.target.cloud.unwrap_or(CloudName::DEFAULT);
                found_in(cloud, options, environment).await?
            };
            let list = found
                .iter()
                .map(|found| format!("{} --id {}", found.deployment, found.id));
            return Err(list.fold(error, |error, line| {
                error.hint(format!("without a receipt there is {line}"))
            }));
        }
        Err(_) => return by_manifests(options, environment, reporter).await,
    };
    match journal::read_receipt(&entry.directory) {
        Ok(receipt) => {
            let topology = topology_of(&receipt);
            Ok(TeardownTarget { receipt, topology })
        }
        Err(error @ JournalError::Damaged { .. }) => {
            reporter.event(&Event::Warning(format!("{error}; going by what is there")));
            let cloud = target::cloud_name(&entry.cloud)?;
            let hosts = !cloud.is_sold() && options.target.inventory.is_some();
            if cloud.is_of_the_user() || hosts {
                return by_manifests(options, environment, reporter).await;
            }
            let found = found_in(cloud, options, environment).await?;
            let mut same = found
                .into_iter()
                .filter(|found| found.deployment == entry.name);
            match (same.next(), same.next()) {
                (Some(found), None) => Ok(bare(&found, cloud)),
                // The cloud was asked and has nothing of that name: only the receipt is left.
                (None, _) => Ok(TeardownTarget {
                    receipt: Receipt::bare(UNKNOWN, &entry.name, cloud.name()),
                    topology: None,
                }),
                (Some(one), Some(other)) => Err(CommandError::usage(format!(
                    "several deployments are called {}: {}, {} …",
                    entry.name, one.id, other.id
                ))
                .hint("say which with --id")),
            }
        }
        Err(error) => Err(error.into()),
    }
}

async fn by_id(
    id: &str,
    options: &Teardown,
    environment: &Environment,
) -> Result<TeardownTarget, CommandError> {
    for entry in journal::list(&target::state_dir(&options.target, environment))? {
        if let Ok(receipt) = journal::read_receipt(&entry.directory)
            && receipt.id == id
        {
            let topology = topology_of(&receipt);
            return Ok(TeardownTarget { receipt, topology });
        }
    }
    let cloud = options.target.cloud.unwrap_or(CloudName::DEFAULT);
    let found = found_in(cloud, options, environment).await?;
    match found.iter().find(|found| found.id == id) {
        Some(found) => Ok(bare(found, cloud)),
        None => Err(CommandError::usage(format!(
            "nothing on the cloud `{cloud}` has the id {id}"
        ))
        .hint(format!(
            "`deployer list --cloud {cloud}` shows what is there; `--cloud` names another one"
        ))),
    }
}

async fn found_in(
    cloud: CloudName,
    options: &Teardown,
    environment: &Environment,
) -> Result<Vec<Found>, CommandError> {
    let cloud = clouds::without_topology(cloud, &options.target, environment).await?;
    Ok(cloud.deployments().await?)
}

fn bare(found: &Found, cloud: CloudName) -> TeardownTarget {
    TeardownTarget {
        receipt: Receipt::bare(&found.id, &found.deployment, cloud.name()),
        topology: None,
    }
}

/// The hosts that the inventory names; their manifests tell the id.
async fn by_manifests(
    options: &Teardown,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<TeardownTarget, CommandError> {
    let (source, topology) = target::read_topology(&options.target)?;
    let mut receipt = Receipt::bare(UNKNOWN, &topology.name, topology.cloud.name());
    receipt.inventory.clone_from(&source.text);
    let cloud = clouds::open(CloudName::EXISTING, &topology, Path::new(""), environment).await?;
    let mut wanted = clouds::nothing(CloudName::EXISTING, &receipt);
    wanted.machines = clouds::bare_machines(&topology, CloudName::EXISTING);
    for machine in cloud.plan(&wanted).await?.machines {
        let record = MachineRecord {
            cloud: CloudName::EXISTING.name().into(),
            machine: Some(machine.clone()),
            data: Vec::new(),
        };
        receipt.machines.insert(machine.node, record);
    }
    let hosts = hosts_of_the_user(&receipt);
    let nowhere = tempfile::tempdir()?;
    let connections = connect(&hosts, nowhere.path(), environment, reporter).await?;
    let manifests = manifests(&connections, &receipt.name).await?;
    // Nobody comes back to connections of a directory that goes at once.
    connections.close(false).await?;
    let mut ids: Vec<String> = manifests
        .into_values()
        .map(|manifest| manifest.id)
        .collect();
    ids.sort();
    ids.dedup();
    match ids.as_slice() {
        [id] => {
            receipt.id.clone_from(id);
            Ok(TeardownTarget {
                receipt,
                topology: Some(topology),
            })
        }
        [] => Err(CommandError::failed(format!(
            "none of the hosts has anything of a deployment called {}",
            topology.name
        ))),
        _ => Err(CommandError::failed(format!(
            "the hosts belong to several deployments: {}",
            ids.join(", ")
        ))
        .hint("name an inventory with the hosts of one of them only")),
    }
}

fn topology_of(receipt: &Receipt) -> Option<Topology> {
    recorded::topology(receipt).ok()
}
