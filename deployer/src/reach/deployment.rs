//! A deployment that has a receipt, as the commands see it that change nothing about it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::{Environment, Target};
use crate::component::Component;
use crate::error::CommandError;
use crate::host::Connector;
use crate::machine::Machine;
use crate::prepare::recorded::{machines, topology};
use crate::prepare::target;
use crate::reach::connections::Connections;
use crate::receipt::{Receipt, Secrets};
use crate::report::Reporter;
use crate::run::journal::{self, Entry};
use crate::topology::{CloudName, Node, Topology};

/// What is known of a deployment.
pub struct Deployment {
    /// Where its receipt lies.
    pub entry: Entry,
    /// Its receipt.
    pub receipt: Receipt,
    /// Its topology, from the inventory of the last `up`.
    pub topology: Topology,
}

impl Deployment {
    /// The one that the options mean.
    pub fn find(target: &Target, environment: &Environment) -> Result<Self, CommandError> {
        Self::open(target::existing(target, environment)?)
    }

    /// The one with this receipt.
    pub fn open(entry: Entry) -> Result<Self, CommandError> {
        let receipt = journal::read_receipt(&entry.directory)?;
        let topology = topology(&receipt)?;
        Ok(Self {
            entry,
            receipt,
            topology,
        })
    }

    /// The unit of a component.
    pub fn unit(&self, component: &dyn Component) -> String {
        component.unit(&self.topology, &self.receipt.choices)
    }

    /// The units of a component on a node.
    pub fn units(&self, component: &dyn Component, node: &Node) -> Vec<String> {
        component.units(node, &self.topology, &self.receipt.choices)
    }

    /// A node by name.
    pub fn node(&self, name: &str) -> Result<&Node, CommandError> {
        self.topology.nodes.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.topology.nodes.keys().map(String::as_str).collect();
            CommandError::usage(format!(
                "there is no node `{name}`; there are {}",
                known.join(", ")
            ))
        })
    }

    /// Refuses the name of a topic that is not there.
    pub fn require_topic(&self, name: Option<&str>) -> Result<(), CommandError> {
        let topics = self.topology.topics.keys();
        let known: BTreeSet<&str> = topics
            .chain(self.topology.former.topics.keys())
            .map(String::as_str)
            .collect();
        match name.filter(|name| !known.contains(name)) {
            None => Ok(()),
            Some(name) => {
                let known: Vec<&str> = known.into_iter().collect();
                Err(CommandError::usage(format!(
                    "there is no topic `{name}`; there are {}",
                    known.join(", ")
                )))
            }
        }
    }

    /// Machines by node.
    pub fn machines(&self) -> BTreeMap<String, Machine> {
        machines(&self.receipt)
    }

    /// A node's machine.
    pub fn machine(&self, node: &str) -> Result<Machine, CommandError> {
        self.machines().remove(node).ok_or_else(|| {
            CommandError::failed(format!("{node}: there is no machine"))
                .hint("deployer up makes it")
        })
    }

    /// The ways to the machines.
    pub fn connector(&self, environment: &Environment) -> Result<Connector, CommandError> {
        let runtime = environment.runtime_dir.as_deref();
        Ok(Connector::reading(
            &self.machines(),
            &self.entry.directory,
            runtime,
            &environment.home,
        )?)
    }

    /// Connects to some of the nodes.
    pub async fn connect(
        &self,
        nodes: impl Iterator<Item = &str>,
        connect_timeout: Duration,
        environment: &Environment,
        reporter: &dyn Reporter,
    ) -> Result<Connections, CommandError> {
        let nodes: Vec<&str> = nodes.collect();
        let connector = self.connector(environment)?;
        let machines = self
            .machines()
            .into_iter()
            .filter(|(node, _)| nodes.contains(&node.as_str()))
            .collect();
        Ok(Connections::connect(&connector, &machines, connect_timeout, reporter).await)
    }

    /// The clouds of its machines that can something. Refuses one that has no machine on such a cloud.
    pub fn clouds_that(
        &self,
        can: &str,
        which: impl Fn(CloudName) -> bool,
    ) -> Result<BTreeSet<CloudName>, CommandError> {
        let all: BTreeSet<CloudName> = CloudName::all().filter(|cloud| which(*cloud)).collect();
        let used = self.topology.nodes.values().map(|node| node.cloud);
        let used: BTreeSet<CloudName> = used.filter(|cloud| all.contains(cloud)).collect();
        if !used.is_empty() {
            return Ok(used);
        }
        let titles = all.into_iter().map(|cloud| cloud.kind().title);
        Err(CommandError::usage(format!(
            "{} has no machine on {}: only there {can}",
            self.entry.name,
            titles.collect::<Vec<_>>().join(" or "),
        )))
    }

    /// The generated passwords, keys and certificates.
    pub fn secrets(&self) -> Result<Secrets, CommandError> {
        Ok(journal::read_secrets(&self.entry.directory)?)
    }

    /// Where the generated passwords are.
    pub fn secrets_file(&self) -> PathBuf {
        self.entry.directory.join(journal::SECRETS_FILE)
    }
}
