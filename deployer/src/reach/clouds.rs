//! The clouds of a deployment, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::cli::{Environment, Target};
use crate::cloud::provider::Opening;
use crate::cloud::{Cloud, CloudError, Notes, Progress, Wanted, WantedMachine, registry};
use crate::component;
use crate::error::CommandError;
use crate::prepare::{outside, target};
use crate::receipt::Receipt;
use crate::report::{Event, Reporter};
use crate::run::journal::Journal;
use crate::run::keys::{self, Keys};
use crate::secret::Secret;
use crate::topology::{self, CloudName, Node, Topology};

/// The clouds of a deployment, each opened once in a run.
pub struct Clouds(BTreeMap<CloudName, Arc<dyn Cloud>>);

impl Clouds {
    /// Opens those that a topology and a receipt name. `directory` is the deployment's, where its keys are or will be.
    pub async fn open(
        topology: &Topology,
        receipt: &Receipt,
        directory: &Path,
        environment: &Environment,
    ) -> Result<Self, CommandError> {
        let mut clouds = BTreeMap::new();
        for name in names(topology, receipt) {
            let cloud = open(name, topology, directory, environment).await?;
            clouds.insert(name, Arc::from(cloud));
        }
        Ok(Self(clouds))
    }

    /// One of them.
    pub fn get(&self, name: CloudName) -> Result<Arc<dyn Cloud>, CommandError> {
        self.0.get(&name).cloned().ok_or_else(|| {
            CommandError::failed(format!(
                "the receipt has machines on {name} since a moment ago"
            ))
            .hint("run the same command again")
        })
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (CloudName, &dyn Cloud)> {
        self.0.iter().map(|(name, cloud)| (*name, cloud.as_ref()))
    }
}

/// A cloud of a deployment. `directory` is the deployment's, where its keys are or will be.
pub async fn open(
    name: CloudName,
    topology: &Topology,
    directory: &Path,
    environment: &Environment,
) -> Result<Box<dyn Cloud>, CommandError> {
    let key = keys::user_path(directory).display().to_string();
    let opening = Opening {
        clouds: &topology.clouds,
        nodes: &topology.nodes,
        user_key: &key,
        home: &environment.home,
        variables: &environment.openstack,
    };
    Ok(registry::provider(name)?.open(&opening).await?)
}

/// A cloud as far as it can do without a topology: what is there is listed and taken away by its id alone. How clouds that sell
/// machines are reached is in the inventory that the options mean.
pub async fn without_topology(
    name: CloudName,
    target: &Target,
    environment: &Environment,
) -> Result<Box<dyn Cloud>, CommandError> {
    if name.is_of_the_user() {
        return Err(CommandError::usage(
            "hosts of your own do not know of deployments without their inventory",
        )
        .hint("name it with --inventory"));
    }
    let clouds = if name.is_sold() {
        target::read_inventory(target)?.inventory.clouds
    } else {
        topology::Clouds::default()
    };
    let opening = Opening {
        clouds: &clouds,
        nodes: &BTreeMap::new(),
        user_key: "",
        home: &environment.home,
        variables: &environment.openstack,
    };
    Ok(registry::provider(name)?.open(&opening).await?)
}

/// The clouds that the nodes of a topology and the machines of its receipt name.
pub fn names(topology: &Topology, receipt: &Receipt) -> BTreeSet<CloudName> {
    let recorded = receipt
        .machines
        .values()
        .map(|record| record.cloud.as_str());
    let recorded = recorded.filter_map(CloudName::find);
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
    topology: &Topology,
    receipt: &Receipt,
    keys: Option<&Keys>,
    environment: &Environment,
) -> Result<Wanted, CommandError> {
    let mut wanted = nothing(name, receipt);
    wanted.user_key = keys.map(Keys::user_public).unwrap_or_default();
    wanted.owner = environment.who();
    for node in topology.nodes.values() {
        if node.cloud != name {
            let address = outside::address(node, &receipt.cloud_notes);
            wanted
                .outside
                .extend(address.map(|address| (node.name.clone(), address)));
            continue;
        }
        let mut machine = bare_machine(node, topology);
        if let Some(keys) = keys {
            let host_key = keys.host(&node.name)?;
            (machine.host_key, machine.host_key_public) = (host_key.private, host_key.public);
        }
        wanted
            .outside_ports
            .extend(component::outside_ports(node, topology));
        wanted.machines.insert(node.name.clone(), machine);
    }
    Ok(wanted)
}

/// Machines as wanted by a topology, without keys.
pub fn bare_machines(topology: &Topology, name: CloudName) -> BTreeMap<String, WantedMachine> {
    let nodes = topology.nodes.values().filter(|node| node.cloud == name);
    nodes
        .map(|node| (node.name.clone(), bare_machine(node, topology)))
        .collect()
}

fn bare_machine(node: &Node, topology: &Topology) -> WantedMachine {
    WantedMachine {
        node: node.name.clone(),
        memory_mib: node.memory_mib,
        profile: component::profile(node, topology).cloned(),
        open: !component::outside_ports(node, topology).is_empty(),
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
        notes: receipt.cloud_notes.clone(),
        made: made.map(|(node, _)| node.clone()).collect(),
        ..Wanted::default()
    }
}

/// A cloud's notes in the receipt: on disk before the cloud goes on.
pub struct Noted<'a>(pub &'a Journal);

impl Notes for Noted<'_> {
    fn get(&self, key: &str) -> Option<String> {
        self.0.receipt().cloud_notes.get(key).cloned()
    }

    fn record(&self, key: &str, value: &str) -> Result<(), CloudError> {
        let change = self.0.change(|receipt| {
            receipt.cloud_notes.insert(key.into(), value.into());
        });
        change.map_err(|error| CloudError::File {
            what: format!("cannot note the cloud's {key}"),
            path: self.0.directory().display().to_string(),
            source: std::io::Error::other(error),
        })
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
