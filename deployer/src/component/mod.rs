//! Components: each knows one piece of software and says what it needs, what may be asked of its nodes, and, as actions, what
//! should be on them. They can do nothing themselves. A new one is a file or a folder, its templates, and a row in [`ALL`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::authority::{self, Service, Services};
use crate::facts::{Facts, System};
use crate::inspect::Log;
use crate::inventory::{Findings, Inventory, Member, Problem, Section, Sections};
use crate::machine::Profile;
use crate::receipt::{Choices, Secrets};
use crate::rights::Right;
use crate::step::{ARCHIVE_MARKER, Action, Tool, archive_mark, sha256};
use crate::template::TemplateError;
use crate::topology::{Node, Topology};
use distributions::Distributions;
use own_tool::OwnTool;
use place::Place;
use repository_key::RepositoryKey;

pub use artifact::{Artifact, Artifacts, Origin, Parcel};
pub use context::Context;
pub use kinds::{
    Behind, Contrary, Count, Difference, Disk, Does, Flow, Form, Health, KnownAs, Memory,
    NewSecret, Numbers, Port, Reach, Renewal, Restart, Stop, StreamReport, Unfit,
};
pub use tunnel::{Tunnel, TunnelEnd};

pub mod artifact;
pub mod base;
pub mod consumer;
mod context;
pub mod couchdb;
pub mod distributions;
pub mod java;
pub mod kafka;
mod kinds;
pub mod mariadb;
pub mod node_exporter;
pub mod order;
pub mod own_tool;
pub mod phpmyadmin;
pub mod pipeline;
pub mod place;
pub mod producer;
pub mod program;
pub mod refusal;
pub mod repository_key;
pub mod secrets;
mod service;
pub mod spark;
mod tunnel;
pub mod users;
pub mod zookeeper;

/// One piece of software. All that other modules have to know of it, they ask here; it does nothing itself.
pub trait Component: Sync {
    /// Its name: that of its role, its unit, its user and its directories.
    fn name(&self) -> &'static str;

    /// The software's own name, as its makers write it.
    fn title(&self) -> &'static str;

    /// What a node of its role does, in one sentence.
    fn about(&self) -> &'static str;

    /// Whether its name is a role that an inventory gives to nodes.
    fn is_role(&self) -> bool {
        true
    }

    /// Its sections of the inventory, or its parts of them.
    fn sections(&self) -> Vec<Section> {
        Vec::new()
    }

    /// Its sections of a node's entry.
    fn node_sections(&self) -> Vec<Section> {
        Vec::new()
    }

    /// Adds what it does on a node of its role, or on any where it has none, if that is not the same on each. `number` is the node's.
    fn on_node(&self, _: &Inventory, _: &Member<'_>, _: Option<u32>, _: &mut Sections) {}

    /// Whether it belongs on a node.
    fn is_on(&self, node: &Node, _: &Topology) -> bool {
        node.has(self.name())
    }

    /// The components it cannot do without: it starts after them and stops before them, and opens connections to them.
    fn needs(&self) -> &'static [&'static str] {
        &[]
    }

    /// The components that an inventory must have for it.
    fn requires(&self, _: &Inventory) -> Vec<&'static str> {
        self.needs().to_vec()
    }

    /// Looks at what concerns it alone in an inventory, and how that fits together.
    fn check(&self, _: &Inventory, _: &[Member<'_>], _: &mut Findings<'_>) {}

    /// What of an inventory will have no effect on it, once it is chosen which distribution it is.
    fn without_effect(&self, _: &Inventory, _: &Topology, _: &Choices) -> Vec<Problem> {
        Vec::new()
    }

    /// The components that start before it where there are any, though it can do without them.
    fn follows(&self) -> &'static [&'static str] {
        &[]
    }

    /// The components it opens connections to.
    fn calls(&self) -> &'static [&'static str] {
        self.needs()
    }

    /// How many nodes it may be on.
    fn count(&self) -> Count {
        Count::Any
    }

    /// Whether its node holds data that is lost with it.
    fn holds_data(&self) -> bool {
        false
    }

    /// Whether its nodes have numbers, given once and never changed.
    fn numbers(&self) -> Option<Numbers> {
        None
    }

    /// Whether it shows its clients a certificate, where security is on.
    fn shows_certificate(&self) -> bool {
        false
    }

    /// What it may do at brokers, and so as whom it logs in there, where security is on.
    fn rights(&self, _: &Node, _: &Topology) -> Vec<Right> {
        Vec::new()
    }

    /// The users of the inventory who log in to it, whatever they may do.
    fn users(&self, _: &Topology) -> Vec<String> {
        Vec::new()
    }

    /// The secrets that are generated for it, those that others are made from first.
    fn secrets(&self) -> &'static [NewSecret] {
        &[]
    }

    /// What its users call one of it.
    fn one(&self) -> &'static str {
        self.name()
    }

    /// The component without whose data its own mean nothing: where those are new, its own are removed.
    fn data_rest_on(&self) -> Option<&'static dyn Component> {
        None
    }

    /// The components of whose data it remembers how much it has read: it must not run while these are emptied.
    fn reads_data_of(&self) -> &'static [&'static str] {
        &[]
    }

    /// The user's files that it reads on a node → the groups by which it may.
    fn user_files(&self, _: &Node) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// What a node's machine must be to its cloud for it; `None`: nothing.
    fn profile<'a>(&self, _: &'a Node) -> Option<&'a Profile> {
        None
    }

    /// How a tunnel to it is used; `None`: `open` does not offer it.
    fn tunnel(&self) -> Option<&'static dyn Tunnel> {
        None
    }

    /// A tool that it brings along, by its name, with the user's arguments; `None`: it brings none of that name. `directory` is
    /// where the tool's files will be on the node, as whom it asks among them.
    fn own_tool(
        &self,
        _name: &str,
        _arguments: &[String],
        _directory: &str,
        _: &Topology,
        _: &Secrets,
    ) -> Option<OwnTool> {
        None
    }

    /// The port at which clients that are no members may be let in to it.
    fn outside_port(&self, _: &Topology) -> Option<u16> {
        None
    }

    /// The user that its package brings and keeps.
    fn package_user(&self) -> Option<&'static str> {
        None
    }

    /// How it is restarted.
    fn restart(&self) -> Restart {
        Restart::Together
    }

    /// The files, in its directory, on which all its nodes must agree to know each other: where one changes, none of them is left that
    /// another could be restarted beside.
    fn agreed_files(&self) -> &'static [&'static str] {
        &[]
    }

    /// The memory it takes.
    fn memory(&self, _: &Node, topology: &Topology) -> Memory;

    /// The disk space it needs.
    fn disk(&self) -> Disk;

    /// TCP ports it opens on a node.
    fn ports(&self, _: &Node, _: &Topology) -> Vec<Port> {
        Vec::new()
    }

    /// Why a system cannot carry it.
    fn unfit(&self, _: &System, _: &Context<'_>) -> Vec<Unfit> {
        Vec::new()
    }

    /// Why a machine that a cloud will make cannot carry it, as far as its image's name tells its system.
    fn unfit_image(&self, _: &System, _: &Topology) -> Option<Unfit> {
        None
    }

    /// Its distributions, where there are several.
    fn distributions(&self) -> Option<&'static dyn Distributions> {
        None
    }

    /// The key of the package repository it is installed from; `None`: of none but the system's own.
    fn repository_key<'a>(&self, _: &'a Topology) -> Option<RepositoryKey<'a>> {
        None
    }

    /// The name of what stands in for it; `None`: it is there itself.
    fn stand_in(&self, _: &Topology, _: &Choices) -> Option<&'static str> {
        None
    }

    /// Whether this box sends one of our own binaries for it, which has its name.
    fn is_agent(&self) -> bool {
        false
    }

    /// What else this box sends for it in a deployment; `None`: nothing.
    fn artifact(&self, _: &Topology, _: &Choices) -> Option<Origin> {
        None
    }

    /// Files of the user's that this box sends for it, beside that.
    fn parcels(&self, _: &Topology) -> Vec<Parcel> {
        Vec::new()
    }

    /// Debian packages it needs on a node.
    fn packages(&self, _: &Node, _: &Context<'_>) -> Vec<String> {
        Vec::new()
    }

    /// Users, directories, files: all that can be done on all nodes at the same time, before anything runs. What it
    /// writes, uploads or unpacks is what its process reads, and nothing else.
    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError>;

    /// Whether the deployer uses it as a tool on a node that it is not on.
    fn is_tool_on(&self, _: &Node, _: &Topology) -> bool {
        false
    }

    /// What of it lies on a node where it is a tool.
    fn tool_files(&self, _: &Node, _: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        Ok(Vec::new())
    }

    /// Whether it is a service on a node that it is on.
    fn has_unit(&self, _: &Node) -> bool {
        true
    }

    /// The name of its unit.
    fn unit(&self, topology: &Topology, _: &Choices) -> String {
        Place::new(topology, self.name()).unit()
    }

    /// The names of its units on a node: its own, or one for each thing that it runs there.
    fn units(&self, _: &Node, topology: &Topology, choices: &Choices) -> Vec<String> {
        vec![self.unit(topology, choices)]
    }

    /// How the report of its tool differs from what an [`Action::CallTool`] wants; `None`: it does not.
    fn differs(&self, _: &Value, _: Option<&Value>) -> Option<Difference> {
        None
    }

    /// What of an [`Action::CallTool`]'s wishes can never be, by the report of its tool.
    fn contraries(&self, _: &Value, _: &Value) -> Vec<Contrary> {
        Vec::new()
    }

    /// Whether it does its work on a host, by a tool's report; `None`: the report does not tell.
    fn serves(&self, _: &str, _: &Value) -> Option<bool> {
        None
    }

    /// The file in which it says how far it is.
    fn state_file(&self, _: &Node, _: &Topology) -> Option<String> {
        None
    }

    /// The files on a node by which it is seen what of it is behind.
    fn said_in(&self, node: &Node, topology: &Topology) -> Vec<String> {
        self.state_file(node, topology).into_iter().collect()
    }

    /// How it does its work on a node that has answered, as far as it says that itself.
    fn health(&self, _: &Node, _: &Topology, _: &Facts) -> Health {
        Health::default()
    }

    /// What its user should know of what the inventory asks of it, though nothing is wrong.
    fn remarks(&self, _: &Topology) -> Vec<String> {
        Vec::new()
    }

    /// Which way it moves events of the inventory's.
    fn flows(&self, _: &Topology) -> Vec<Flow> {
        Vec::new()
    }

    /// How far the streams are that it runs on a node, by name: by what the node says at a moment, and by where topics end.
    fn streams(
        &self,
        _: &Node,
        _: &Topology,
        _: &Facts,
        _: &Log,
        _: Timestamp,
    ) -> BTreeMap<String, StreamReport> {
        BTreeMap::new()
    }

    /// The parts of it that have not passed a canary yet, or are not proven otherwise, by what those files say, one after the other;
    /// `None`: nothing of it is.
    fn behind(&self, _: &Topology, _state: &str, _canary: i64) -> Option<BTreeMap<String, Behind>> {
        None
    }

    /// The keys of the inventory that are meant where a step on a node failed with these words.
    fn meant(&self, _said: &str) -> Vec<String> {
        Vec::new()
    }

    /// What it still does on a node that the inventory does not name any more, in words; `None`: nothing that concerns others.
    fn when_left(&self) -> Option<&'static str> {
        None
    }

    /// Waiting, between restarts one by one, until it does its work on so many nodes, by a tool that can tell.
    fn in_sync(&self, _: Tool, _: usize) -> Option<Action> {
        None
    }

    /// Starting its unit, where it has one, and waiting for its ports; with a state file it may end by itself. `reads` are the [`checksums`] of all that [`Component::install`] put there.
    fn start(
        &self,
        node: &Node,
        context: &Context<'_>,
        reads: &BTreeMap<String, String>,
    ) -> Vec<Action> {
        if !self.has_unit(node) {
            return Vec::new();
        }
        let ports = self.ports(node, context.topology);
        let waited = ports.iter().filter(|port| port.reach == Reach::Members);
        let numbers: Vec<u16> = waited.map(|port| port.number).collect();
        service::start(
            &self.unit(context.topology, context.choices),
            reads,
            self.state_file(node, context.topology),
            &numbers,
        )
    }
}

/// All components, in the order their units start on a node: a row for each.
pub static ALL: &[&dyn Component] = &[
    &zookeeper::Zookeeper,
    &kafka::Kafka,
    &couchdb::Couchdb,
    &mariadb::Mariadb,
    &phpmyadmin::Phpmyadmin,
    &consumer::Consumer,
    &spark::Spark,
    &producer::Producer,
    &program::Program,
    &node_exporter::NodeExporter,
];

/// The component of a name.
pub fn named(name: &str) -> Option<&'static dyn Component> {
    let mut all = ALL.iter().copied();
    all.find(|component| component.name() == name)
}

/// The components of a node, in the order they start.
pub fn of_node<'a>(
    node: &'a Node,
    topology: &'a Topology,
) -> impl Iterator<Item = &'static dyn Component> + 'a {
    let all = ALL.iter().copied();
    all.filter(move |component| component.is_on(node, topology))
}

/// The services of a deployment that show certificates, with all names of their nodes: those by which members know them, and those
/// by which they are reached from their own node or through a tunnel.
pub fn services(topology: &Topology) -> Services {
    let of_node = |node| of_node(node, topology).map(move |component| (node, component));
    let all = topology.nodes.values().flat_map(of_node);
    let showing = all.filter(|(_, component)| component.shows_certificate());
    let service = |(node, component): (&Node, &'static dyn Component)| {
        let own = [topology.host_name(&node.name), node.name.clone()];
        let here = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let service = Service {
            component: component.name(),
            names: own.into_iter().chain(here).collect(),
        };
        (authority::place(&node.name, component.name()), service)
    };
    showing.map(service).collect()
}

/// The Debian packages of a node.
pub fn packages(node: &Node, context: &Context<'_>) -> BTreeSet<String> {
    of_node(node, context.topology)
        .flat_map(|component| component.packages(node, context))
        .chain(base::packages(node))
        .collect()
}

/// Whether any of our own binaries is put on a node.
pub fn has_agents(node: &Node, topology: &Topology) -> bool {
    let mut agents = ALL.iter().filter(|component| component.is_agent());
    agents.any(|agent| agent.is_on(node, topology) || agent.is_tool_on(node, topology))
}

/// The ports at which the agents of a node tell it about themselves. Nobody else reaches them.
pub fn metrics_ports(node: &Node, topology: &Topology) -> BTreeMap<&'static str, u16> {
    let of = |component: &'static dyn Component| {
        let ports = component.ports(node, topology).into_iter();
        let own = ports.filter(|port| port.reach == Reach::Node);
        own.map(move |port| (component.name(), port.number))
    };
    let agents = of_node(node, topology).filter(|component| component.is_agent());
    agents.flat_map(of).collect()
}

/// The port of a component at which tunnels to a node end: one that the node alone reaches, where there is one.
pub fn tunnel_port(component: &dyn Component, node: &Node, topology: &Topology) -> Option<Port> {
    let ports = component.ports(node, topology);
    let open_to = |reach: Reach| ports.iter().find(move |port| port.reach == reach).copied();
    open_to(Reach::Node).or_else(|| open_to(Reach::Members))
}

/// The ports of a node at which clients that are no members may be let in.
pub fn outside_ports(node: &Node, topology: &Topology) -> BTreeSet<u16> {
    let there = of_node(node, topology);
    there
        .filter_map(|component| component.outside_port(topology))
        .collect()
}

/// What a node's machine must be to its cloud.
pub fn profile<'a>(node: &'a Node, topology: &Topology) -> Option<&'a Profile> {
    of_node(node, topology).find_map(|component| component.profile(node))
}

/// The files that actions put on a node → their SHA-256. Of an unpacked archive it is the file [`ARCHIVE_MARKER`], which
/// holds the identity and nothing else. A seeded file belongs to its reader and is left out.
pub fn checksums(actions: &[Action]) -> BTreeMap<String, String> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::WriteFile { path, content, .. } => Some((path.clone(), content.sha256())),
            Action::UploadFile { path, sha256, .. } => Some((path.clone(), sha256.clone())),
            Action::UnpackArchive { path, identity, .. } => Some((
                format!("{path}/{ARCHIVE_MARKER}"),
                sha256(archive_mark(identity).as_bytes()),
            )),
            _ => None,
        })
        .collect()
}
