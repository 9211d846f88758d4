//! Machines on this box: systemd-nspawn, each with a systemd and an sshd of its own.
//!
//! * A *base image* is made once and kept in `/var/cache/deployer` (`recipe`, `sources`, `image`).
//! * A *machine* is an overlay over it in `/var/lib/deployer/local/<id>/machines/<node>` (`disk`, `boot`, `machine`), with a
//!   cgroup of its own (`cgroup`), on a bridge of its deployment (`network`, `admit`).
//! * `observe` looks, `plan` (pure) decides, this file does. `elevate` is the one way to root.
//!
//! The deployer may end while machines run. After a reboot of the box their disks are there and nothing else is; the plan
//! then says so.

use async_trait::async_trait;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use super::elevate::Elevate;
use super::program::Program;
use super::{
    Applied, Cloud, CloudError, CloudPlan, CloudStep, Found, Need, Notes, Progress, Wanted,
};
use crate::retry::Retry;
use crate::topology::{self, CloudName};

use cgroup::Cgroups;
use names::{DEPLOYMENTS, Names, check_node};
use observe::DeploymentRecord;
use observed::ObservedMachine;

mod admit;
mod boot;
mod cgroup;
mod cgroup_hierarchies;
mod disk;
mod image;
mod machine;
mod names;
mod needs;
mod network;
pub mod observe;
pub mod observed;
pub mod plan;
pub mod provider;
mod reading;
mod recipe;
mod routes;
mod sources;
mod tree;

/// What this cloud can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Operation {
    /// Makes the deployment's directory on the box, and its network.
    MakeNetwork {
        /// Which.
        network: Ipv4Net,
    },
    /// Makes a base image.
    PrepareImage {
        /// Its name.
        image: String,
        /// The Debian packages in it, besides the base system.
        packages: BTreeSet<String>,
    },
    /// Makes a machine and switches it on.
    CreateMachine {
        /// Its node.
        node: String,
        /// Its address.
        address: Ipv4Addr,
        /// The network that is in.
        network: Ipv4Net,
        /// Its base image.
        image: String,
    },
    /// Switches a machine on.
    StartMachine {
        /// Its node.
        node: String,
    },
    /// Cuts a machine's power and deletes it.
    RemoveMachine {
        /// Its node.
        node: String,
    },
    /// Removes bridge and nftables table.
    RemoveNetwork,
    /// Removes the deployment's directory on the box.
    RemoveDeployment,
}

/// The note that holds a deployment's network, in [`Wanted::notes`].
pub const NETWORK_NOTE: &str = "local.network";

/// The box's own place in the network of a deployment's machines: the network's name and the box's address in it, as far as
/// the notes tell. For a node that is the box itself.
pub fn own_membership(wanted: &Wanted) -> Option<(String, IpAddr)> {
    let network: Ipv4Net = wanted.notes.get(NETWORK_NOTE)?.parse().ok()?;
    let names = Names::new(&wanted.id).ok()?;
    Some((names.membership(), network::own_address(network).into()))
}

/// This box as a cloud.
#[derive(Debug)]
pub struct Local {
    settings: topology::LocalCloud,
    key: String,
    elevate: Elevate,
}

/// The release that a deployment's machines have, by its code name: the box's own, unless the settings say another.
pub fn release(settings: &topology::LocalCloud) -> Result<String, CloudError> {
    image::release(settings)
}

impl Local {
    /// This box as a cloud. `key` is the path of the private key that opens the machines, to be given with each of them.
    pub fn new(settings: &topology::LocalCloud, key: &str) -> Self {
        Self {
            settings: settings.clone(),
            key: key.to_owned(),
            elevate: Elevate::new(),
        }
    }

    async fn make_network(
        &self,
        wanted: &Wanted,
        network: Ipv4Net,
        progress: &dyn Progress,
    ) -> Result<(), CloudError> {
        let names = Names::new(&wanted.id)?;
        if observe::record(&names)?.is_none() {
            let record = DeploymentRecord {
                version: DeploymentRecord::VERSION,
                id: wanted.id.clone(),
                deployment: wanted.deployment.clone(),
                owner: rustix::process::getuid().as_raw(),
                network,
            };
            let record = serde_json::to_string_pretty(&record).unwrap_or_default();
            self.elevate.write(&names.record(), &record).await?;
        }
        let observed = observe::observe(&wanted.empty(), &self.settings, &self.elevate).await?;
        // Whoever sees another deployment in the same network gives way. Each writes before it looks, so one does.
        if observed.network != Some(network) || observed.taken.contains(&network) {
            let rm = Program::new("give way", "rm", ["-f", &names.record()]);
            self.elevate.run(rm).await?;
            return Err(CloudError::Refused(format!(
                "another deployment has just taken the network {network}: run the command again"
            )));
        }
        network::make(&names, network, &observed, &self.elevate, progress).await
    }

    async fn start(&self, names: &Names, node: &str) -> Result<Applied, CloudError> {
        let cgroups = Cgroups::of_box()?;
        let record = observe::machine(names, node)?
            .ok_or_else(|| CloudError::Refused(format!("{node} has no disk to start from")))?;
        let deployment = observe::record(names)?
            .ok_or_else(|| CloudError::Refused(format!("{node} has no network to start in")))?;
        machine::power_on(names, node, &record, &cgroups, &self.elevate).await?;
        let observed = ObservedMachine {
            address: record.address,
            host_key: record.host_key,
            image_there: true,
            runs: true,
        };
        Ok(Applied {
            machine: Some(plan::reached(
                names,
                deployment.network,
                node,
                &observed,
                &self.key,
            )),
            ..Applied::default()
        })
    }
}

/// Waits until no process of a deployment's machines is left. Gives those that stay.
async fn gone(cgroups: &Cgroups, names: &Names) -> Result<BTreeSet<u32>, CloudError> {
    let mut retry = Retry::every(Duration::from_millis(20)).within(Duration::from_secs(3));
    loop {
        let witnessed = cgroups.witnessed(names)?;
        if witnessed.is_empty() || retry.is_over() {
            return Ok(witnessed);
        }
        retry.pause().await;
    }
}

#[async_trait]
impl Cloud for Local {
    async fn plan(&self, wanted: &Wanted) -> Result<CloudPlan, CloudError> {
        let observed = observe::observe(wanted, &self.settings, &self.elevate).await?;
        plan::plan(wanted, &observed, &self.settings, &self.key)
    }

    fn needs_root(&self) -> bool {
        true
    }

    async fn apply(
        &self,
        wanted: &Wanted,
        step: &CloudStep,
        _notes: &dyn Notes,
        progress: &dyn Progress,
    ) -> Result<Applied, CloudError> {
        let names = Names::new(&wanted.id)?;
        let operation: Operation = step.operation.read(CloudName::LOCAL)?;
        self.elevate.ready().await?;
        let mut applied = Applied::default();
        match &operation {
            Operation::MakeNetwork { network } => {
                self.make_network(wanted, *network, progress).await?;
                let note = (NETWORK_NOTE.to_owned(), network.to_string());
                applied.notes.extend([note]);
            }
            Operation::PrepareImage { image, packages } => {
                let recipe = image::recipe(&self.settings).await?;
                image::prepare(&self.elevate, &recipe, image, packages, progress).await?;
            }
            Operation::CreateMachine {
                node,
                address,
                network,
                image,
            } => {
                let machine = wanted.machines.get(node).ok_or_else(|| {
                    CloudError::Refused(format!("{node} is to be made, but nobody wants it"))
                })?;
                check_node(node)?;
                // A disk that is there and whole is never made anew: it may hold data.
                if !observe::whole(&names, node)? {
                    Cgroups::of_box()?.end(&names, node, &self.elevate).await?;
                    let new = disk::New {
                        wanted,
                        machine,
                        address: *address,
                        network: *network,
                        image,
                    };
                    disk::make(&names, &new, &self.elevate).await?;
                }
                applied = self.start(&names, node).await?;
            }
            Operation::StartMachine { node } => applied = self.start(&names, node).await?,
            Operation::RemoveMachine { node } => {
                check_node(node)?;
                let cgroups = Cgroups::of_box()?;
                machine::remove(&names, node, &cgroups, &self.elevate).await?;
            }
            Operation::RemoveNetwork => network::remove(&names, &self.elevate).await?,
            Operation::RemoveDeployment => {
                let cgroups = Cgroups::of_box()?;
                cgroups.remove_all(&names, &self.elevate).await?;
                let directory = names.directory();
                let rm = Program::new("remove the deployment", "rm", ["-rf", &directory]);
                self.elevate.run(rm.within(120)).await?;
            }
        }
        Ok(applied)
    }

    async fn leftovers(&self, id: &str) -> Result<Vec<String>, CloudError> {
        let names = Names::new(id)?;
        let cgroups = Cgroups::of_box()?;
        let mut left = Vec::new();
        for node in cgroups.nodes(&names)? {
            let processes = cgroups.processes(&names, &node)?.len();
            left.push(format!("{processes} processes of machine {node}"));
        }
        // What was killed takes a moment to go; the box's packet filter takes one to be listed.
        let (witnessed, filters) = tokio::join!(gone(&cgroups, &names), admit::look(&self.elevate));
        let witnessed = witnessed?;
        if left.is_empty() && !witnessed.is_empty() {
            left.push(format!("{} processes of its machines", witnessed.len()));
        }
        let groups = cgroups.left(&names);
        left.extend(groups.into_iter().map(|path| format!("cgroup {path}")));
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let inside = format!(" {}/", names.directory());
        let ours = mounts.lines().filter(|line| line.contains(&inside));
        left.extend(ours.map(|line| format!("mount {line}")));
        if network::exists(&names.network()) {
            left.push(format!("bridge {}", names.network()));
        }
        if let Some(filters) = filters? {
            if filters.has_table(&names) == Some(true) {
                left.push(format!("nftables table ip {}", names.network()));
            }
            let rules = filters.marked(&names).into_iter();
            left.extend(rules.map(|chain| format!("rules in {chain}")));
        }
        if Path::new(&names.directory()).exists() {
            left.push(format!("directory {}", names.directory()));
        }
        Ok(left)
    }

    async fn deployments(&self) -> Result<Vec<Found>, CloudError> {
        let mut all = Vec::new();
        for id in reading::entries(DEPLOYMENTS)? {
            let Ok(names) = Names::new(&id) else { continue };
            let record = observe::record(&names)?;
            let entries = reading::entries(&names.machines())?;
            let things = entries
                .iter()
                .filter(|entry| !entry.starts_with('.'))
                .map(|entry| format!("machine {entry}"))
                .collect();
            all.push(Found {
                id,
                owner: None,
                created: None,
                things,
                // A run that was killed in its first moment leaves a directory without a record.
                deployment: record.map(|record| record.deployment).unwrap_or_default(),
                nodes: entries
                    .into_iter()
                    .filter(|entry| !entry.starts_with('.'))
                    .collect(),
            });
        }
        Ok(all)
    }

    async fn disks(&self, id: &str) -> Result<BTreeMap<String, String>, CloudError> {
        let names = Names::new(id)?;
        let nodes = reading::entries(&names.machines())?.into_iter();
        let whole = nodes.filter(|node| check_node(node).is_ok());
        Ok(whole
            .map(|node| (node.clone(), names.disk(&node)))
            .collect())
    }

    async fn missing(&self) -> Result<Vec<Need>, CloudError> {
        needs::missing(&self.elevate).await
    }
}
