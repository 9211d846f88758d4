//! What is there of a deployment. Reads only; needs no root but for the nftables table, which it leaves open without.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::super::elevate::Elevate;
use super::cgroup::Cgroups;
use super::names::{DEPLOYMENTS, Names, PART};
use super::observed::{Observed, ObservedImage, ObservedMachine};
use super::reading::{absent, entries, unreadable};
use super::{admit, image, network, routes};
use crate::cloud::{CloudError, Wanted};
use crate::topology;

/// `deployment.json`: whose the directory is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeploymentRecord {
    /// Format of this file.
    pub(super) version: u32,
    /// The deployment's id.
    pub(super) id: String,
    /// The deployment's name.
    pub(super) deployment: String,
    /// The user who made it, by number.
    pub(super) owner: u32,
    /// Its network.
    pub(super) network: Ipv4Net,
}

/// `machine.json`: what cannot be seen from the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MachineRecord {
    /// Its address.
    pub(super) address: Ipv4Addr,
    /// Its public host key.
    pub(super) host_key: String,
    /// The image below its disk.
    pub(super) image: String,
}

/// Looks at the box.
pub(super) async fn observe(
    wanted: &Wanted,
    settings: &topology::LocalCloud,
    elevate: &Elevate,
) -> Result<Observed, CloudError> {
    let names = Names::new(&wanted.id)?;
    let cgroups = Cgroups::of_box()?;
    let (machines, parts) = machines(&names, &cgroups)?;
    let filters = admit::look(elevate).await?;
    let mut observed = Observed {
        directory: Path::new(&names.directory()).exists(),
        network: record(&names)?.map(|record| record.network),
        bridge: network::exists(&names.network()),
        table: filters.as_ref().and_then(|seen| seen.has_table(&names)),
        guarded: filters.as_ref().and_then(|seen| seen.guards(&names)),
        closed: filters.map(|seen| seen.closed(&names)).unwrap_or_default(),
        machines,
        parts,
        ..Observed::default()
    };
    let routes = routes::routes()?;
    observed.network_ready = observed
        .network
        .is_some_and(|own| routes.contains(&(names.network(), own)) && network::forwards())
        && observed.table != Some(false)
        && observed.guarded != Some(false)
        && observed.closed.is_empty();
    let foreign = routes
        .into_iter()
        .filter(|(name, _)| *name != names.network());
    observed.taken = foreign.map(|(_, network)| network).collect();
    for id in entries(DEPLOYMENTS)? {
        match Names::new(&id) {
            Ok(other) if other != names => {
                observed.taken.extend(record(&other)?.map(|r| r.network));
            }
            _ => {}
        }
    }
    let whole = |node: &String| observed.machines.get(node).is_some_and(|m| m.image_there);
    if !wanted.machines.keys().all(whole) {
        let recipe = image::recipe(settings).await?;
        let fitting = recipe.fitting(&image::all()?, &wanted.packages);
        observed.image = Some(ObservedImage {
            there: fitting.is_some(),
            name: fitting.unwrap_or_else(|| recipe.image(&wanted.packages)),
        });
    }
    Ok(observed)
}

/// What the deployment's directory says; `None`: nothing yet.
pub(super) fn record(names: &Names) -> Result<Option<DeploymentRecord>, CloudError> {
    let Some(record) = json::<DeploymentRecord>(&names.record())? else {
        return Ok(None);
    };
    if record.version != DeploymentRecord::VERSION || record.id != names.id() {
        return Err(CloudError::Refused(format!(
            "{} is of another version of deployer (format {}, id {})",
            names.record(),
            record.version,
            record.id
        )));
    }
    Ok(Some(record))
}

impl DeploymentRecord {
    /// The newest format.
    pub(super) const VERSION: u32 = 1;
}

/// What a machine's directory says; `None`: there is no such machine.
pub(super) fn machine(names: &Names, node: &str) -> Result<Option<MachineRecord>, CloudError> {
    json(&format!("{}/machine.json", names.machine(node)))
}

/// Whether a machine has its whole disk, base image included.
pub(super) fn whole(names: &Names, node: &str) -> Result<bool, CloudError> {
    let Some(record) = machine(names, node)? else {
        return Ok(false);
    };
    Ok(image::all()?.contains_key(&record.image))
}

type Machines = (BTreeMap<String, ObservedMachine>, BTreeSet<String>);

fn machines(names: &Names, cgroups: &Cgroups) -> Result<Machines, CloudError> {
    let mut machines = BTreeMap::new();
    let running = cgroups.nodes(names)?;
    let mut parts = running.clone();
    let images = image::all()?;
    for entry in entries(&names.machines())? {
        let Some(record) = machine(names, &entry)? else {
            parts.insert(entry.trim_start_matches(PART).to_owned());
            continue;
        };
        if let Some(node) = entry.strip_prefix(PART) {
            parts.insert(node.to_owned());
            continue;
        }
        let observed = ObservedMachine {
            address: record.address,
            host_key: record.host_key,
            image_there: images.contains_key(&record.image),
            runs: running.contains(&entry),
        };
        machines.insert(entry, observed);
    }
    parts.retain(|node| !machines.contains_key(node));
    Ok((machines, parts))
}

fn json<T: serde::de::DeserializeOwned>(path: &str) -> Result<Option<T>, CloudError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if absent(&error) => return Ok(None),
        Err(error) => return Err(unreadable(path)(error)),
    };
    let value = serde_json::from_slice(&bytes);
    value
        .map(Some)
        .map_err(|error| unreadable(path)(error.into()))
}
