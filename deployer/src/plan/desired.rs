//! What should be on every node, in order, whatever is there now.

use std::collections::{BTreeMap, BTreeSet};

use crate::component::pipeline::LOG;
use crate::component::{self, Component, Context, Reach, base, order, pipeline};
use crate::facts::Facts;
use crate::firewall;
use crate::machine::Machine;
use crate::step::{self, Action, Item, Manifest, Tool};
use crate::template::TemplateError;
use crate::topology::{Former, Node, Topic};

/// What should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The deployment's id.
    pub id: String,
    /// The deployment's name.
    pub deployment: String,
    /// The stages, in order.
    pub stages: Vec<DesiredStage>,
    /// The node that answers for the pipeline, and how it is asked there.
    pub pipeline: Option<(String, Tool)>,
    /// Node → component whose data it should hold → the [`Action::CreateDirectory`]s that make its place.
    pub data: BTreeMap<String, BTreeMap<&'static str, Vec<Action>>>,
    /// The brokers: node → the name by which it is found.
    pub brokers: BTreeMap<String, String>,
    /// The topics.
    pub topics: BTreeMap<String, Topic>,
    /// What earlier inventories had.
    pub former: Former,
}

/// A stage of what should be.
#[derive(Debug, Clone, PartialEq)]
pub struct DesiredStage {
    /// Its name.
    pub name: String,
    /// The component that starts in it, where nodes that run already are restarted one by one.
    pub one_by_one: Option<&'static str>,
    /// Node → its actions, in order.
    pub queues: BTreeMap<String, Vec<Action>>,
}

/// What belongs to no role.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Common {
    /// Node → Debian packages it needs whatever its roles.
    pub packages: BTreeMap<String, Vec<String>>,
    /// Node → what lies there whatever its roles, the deployer's own tools included.
    pub install: BTreeMap<String, Vec<Action>>,
    /// The [`Action::CallTool`] that makes topics and databases, and the node that does it and answers for the pipeline.
    pub prepare: Option<(String, Action)>,
}

/// The stage in which everything is put in place, before anything runs.
pub(super) const BASE: &str = "base";
/// What a firewall's members call the operator's box, where it counts as one. No node is called so.
pub const OPERATOR: &str = "the operator's box";
/// The stage in which the state is copied onto the nodes: the last, once all of it is so.
const STATE: &str = "state";
/// The stage in which topics and databases are made.
pub(super) const PIPELINE: &str = "pipeline";

impl Common {
    /// What belongs to no component of a deployment; `beside` is what else lies on nodes.
    pub fn of(
        context: &Context<'_>,
        beside: &BTreeMap<String, Vec<Action>>,
    ) -> Result<Self, TemplateError> {
        let mut common = Self::default();
        for (name, node) in &context.topology.nodes {
            common.packages.insert(name.clone(), base::packages(node));
            let mut install = base::install(node, context)?;
            install.extend(beside.get(name).into_iter().flatten().cloned());
            common.install.insert(name.clone(), install);
        }
        let node = pipeline::node(context.topology);
        let node = node.map(|node| node.name.clone());
        common.prepare = node.zip(pipeline::preparation(context));
        Ok(common)
    }
}

impl Desired {
    /// The same, where what should be in the copy of the state is known.
    #[must_use]
    pub fn with_state(mut self, wanted: &str) -> Self {
        let queues = self
            .stages
            .iter_mut()
            .flat_map(|stage| stage.queues.values_mut());
        for action in queues.flatten() {
            if let Action::WriteStateCopy { digest, .. } = action {
                *digest = Some(wanted.to_owned());
            }
        }
        self
    }

    /// Whether all places for a component's data are on a node that should hold some.
    pub fn has_places(&self, node: &str, component: &str, facts: &Facts) -> bool {
        let places = self.data.get(node).and_then(|data| data.get(component));
        places.is_some_and(|places| {
            places.iter().all(|place| match place {
                Action::CreateDirectory { path, .. } => facts.files.contains_key(path),
                _ => true,
            })
        })
    }

    /// All actions of a node, in order.
    pub fn actions<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a Action> {
        self.stages
            .iter()
            .filter_map(move |stage| stage.queues.get(node))
            .flatten()
    }

    /// The nodes.
    pub fn nodes(&self) -> BTreeSet<&str> {
        self.stages
            .iter()
            .flat_map(|stage| stage.queues.keys())
            .map(String::as_str)
            .collect()
    }

    /// What lies on a node when all is as it should be, in the order it is made.
    pub fn items(&self, node: &str) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        for item in self.actions(node).flat_map(Action::leaves) {
            if !items.contains(&item) {
                items.push(item);
            }
        }
        items
    }

    /// The Debian packages a node needs; alternatives are one entry, as in [`Action::InstallPackages`].
    pub fn packages(&self, node: &str) -> BTreeSet<String> {
        let mut packages = BTreeSet::new();
        for action in self.actions(node) {
            if let Action::InstallPackages { packages: wanted } = action {
                packages.extend(wanted.iter().cloned());
            }
            if let Action::InstallFromRepository(wanted) = action {
                packages.insert(wanted.package.clone());
            }
        }
        packages
    }
}

/// Says what should be, for all nodes. `machines` are those that exist, also of nodes that nobody wants any more: what runs
/// there goes on to talk with the members. `beside` is what lies on nodes and belongs to no component.
pub fn desired(
    context: &Context<'_>,
    machines: &BTreeMap<String, Machine>,
    beside: &BTreeMap<String, Vec<Action>>,
) -> Result<Desired, TemplateError> {
    let common = Common::of(context, beside)?;
    desired_with(&|component| component, context, machines, &common)
}

/// [`desired()`] with other components in the place of ours, for tests.
pub fn desired_with(
    instead: &dyn Fn(&'static dyn Component) -> &'static dyn Component,
    context: &Context<'_>,
    machines: &BTreeMap<String, Machine>,
    common: &Common,
) -> Result<Desired, TemplateError> {
    let topology = context.topology;
    let mut base = BTreeMap::new();
    let mut starts: BTreeMap<(&str, &str), Vec<Action>> = BTreeMap::new();
    let mut data: BTreeMap<String, BTreeMap<&'static str, Vec<Action>>> = BTreeMap::new();
    for (name, node) in &topology.nodes {
        let own = common.packages.get(name).into_iter().flatten();
        let mut packages: BTreeSet<String> = own.cloned().collect();
        let mut install = common.install.get(name).cloned().unwrap_or_default();
        let mut ports = BTreeSet::new();
        for component in component::of_node(node, topology).map(instead) {
            packages.extend(component.packages(node, context));
            let open = component.ports(node, topology).into_iter();
            // What stands in for it may listen for members where it would not itself.
            let stands_in = component.stand_in(topology, context.choices).is_some();
            let open = open.filter(|port| stands_in || port.reach == Reach::Members);
            ports.extend(open.map(|port| port.number));
            let actions = component.install(node, context)?;
            starts.insert(
                (component.name(), name),
                component.start(node, context, &component::checksums(&actions)),
            );
            if component.holds_data() {
                let places = actions.iter().filter(|action| makes_data_directory(action));
                let places: Vec<Action> = places.cloned().collect();
                let held = data.entry(name.clone()).or_default();
                held.insert(component.name(), places);
            }
            install.extend(actions);
        }
        let network = network(context, machines, node, ports);
        let packages: Vec<String> = packages.into_iter().collect();
        let mut queue = Vec::new();
        if !packages.is_empty() {
            queue.push(Action::InstallPackages { packages });
        }
        queue.extend(network);
        // What is common first, then components in their order, each one's actions in its own: only it knows what needs what.
        for action in install {
            if !queue.contains(&action) {
                queue.push(action);
            }
        }
        base.insert(name.clone(), queue);
    }

    let mut stages = vec![DesiredStage {
        name: BASE.into(),
        one_by_one: None,
        queues: base,
    }];
    for together in order::starts() {
        let mut queues: BTreeMap<String, Vec<Action>> = BTreeMap::new();
        for component in &together {
            for node in topology.nodes.keys() {
                let start = starts.remove(&(component.name(), node.as_str()));
                queues
                    .entry(node.clone())
                    .or_default()
                    .extend(start.unwrap_or_default());
            }
        }
        queues.retain(|_, queue| !queue.is_empty());
        let one_by_one = together
            .iter()
            .find(|component| component.restart() == component::Restart::OneByOne);
        let there = |component: &&&'static dyn Component| {
            let mut nodes = topology.nodes.values();
            nodes.any(|node| component.is_on(node, topology))
        };
        stages.push(DesiredStage {
            name: order::words(together.iter().filter(there)),
            one_by_one: one_by_one.map(|component| component.name()),
            queues,
        });
        if one_by_one.is_some() {
            stages.extend(common.prepare.iter().map(|(node, prepare)| DesiredStage {
                name: PIPELINE.into(),
                one_by_one: None,
                queues: BTreeMap::from([(node.clone(), vec![prepare.clone()])]),
            }));
        }
    }
    if topology.state_copy.is_some() {
        let copy = |node: &String| {
            let (deployment, digest) = (topology.name.clone(), None);
            let action = Action::WriteStateCopy { deployment, digest };
            (node.clone(), vec![action])
        };
        stages.push(DesiredStage {
            name: STATE.into(),
            one_by_one: None,
            queues: topology.nodes.keys().map(copy).collect(),
        });
    }
    stages.retain(|stage| stage.queues.values().any(|queue| !queue.is_empty()));

    let brokers = topology
        .nodes_with(LOG.name())
        .map(|node| (node.name.clone(), topology.host_name(&node.name)))
        .collect();
    let pipeline = common
        .prepare
        .as_ref()
        .and_then(|(node, prepare)| match prepare {
            Action::CallTool { tool, .. } => Some((node.clone(), tool.clone())),
            _ => None,
        });
    let mut desired = Desired {
        id: context.receipt.id.clone(),
        deployment: topology.name.clone(),
        stages,
        pipeline,
        data,
        brokers,
        topics: topology.topics.clone(),
        former: topology.former.clone(),
    };
    add_manifests(&mut desired);
    Ok(desired)
}

/// Puts the list of all that will lie on a node in front of all that makes it. Which packages were there before only the
/// node knows: [`super::compare()`] fills them in.
fn add_manifests(desired: &mut Desired) {
    let manifests: Vec<Manifest> = desired
        .nodes()
        .into_iter()
        .map(|node| Manifest {
            version: Manifest::VERSION,
            id: desired.id.clone(),
            deployment: desired.deployment.clone(),
            node: node.into(),
            items: desired.items(node),
            packages: BTreeSet::new(),
        })
        .collect();
    if let Some(base) = desired.stages.first_mut() {
        for manifest in manifests {
            if let Some(queue) = base.queues.get_mut(&manifest.node) {
                let paths = around(&manifest);
                queue.insert(0, Action::WriteManifest { manifest });
                queue.insert(1, Action::OpenDirectories { paths });
            }
        }
    }
}

/// The directories around all that is ours on a node, outer ones first; those with an owner and mode of their own are left out.
fn around(manifest: &Manifest) -> Vec<String> {
    let own = |path: &String| {
        let directory =
            |item: &Item| matches!(item, Item::Directory { path: own, .. } if own == path);
        manifest.items.iter().any(directory)
    };
    let manifest_path = Manifest::path(&manifest.deployment);
    let paths = manifest.items.iter().filter_map(Item::path);
    let parents = paths
        .chain([manifest_path.as_str()])
        .flat_map(step::parents);
    let around: BTreeSet<String> = parents.filter(|path| !own(path)).collect();
    around.into_iter().collect()
}

/// Names and, on hosts that no cloud's own firewall guards, ours.
fn network(
    context: &Context<'_>,
    machines: &BTreeMap<String, Machine>,
    node: &Node,
    ports: BTreeSet<u16>,
) -> Vec<Action> {
    let topology = context.topology;
    // One that is there and has no address for this node is none of its business: a member of a cloud that hosts elsewhere need
    // not reach. (`preflight::lost_ways` finds those that they do need.)
    let seen = |other: &str| match (machines.get(&node.name), machines.get(other)) {
        (Some(here), Some(there)) => there.address_seen_from(here).map(Some),
        _ => Some(None),
    };
    let names: BTreeSet<&String> = topology.nodes.keys().chain(machines.keys()).collect();
    let mut actions = vec![Action::WriteHostsTable {
        block: topology.name.clone(),
        entries: names
            .iter()
            .filter_map(|other| Some((topology.host_name(other), seen(other)?)))
            .collect(),
    }];
    if !node.cloud.guards() && !ports.is_empty() {
        let others = names.into_iter().filter(|other| **other != node.name);
        let others = others.filter_map(|other| Some((other.clone(), seen(other)?)));
        let here = machines.get(&node.name).and_then(|here| here.operator);
        let operator = here.map(|address| (OPERATOR.to_owned(), Some(address)));
        actions.push(Action::WriteFirewall {
            table: firewall::table(&topology.name),
            ports,
            members: others.chain(operator).collect(),
        });
    }
    actions
}

fn makes_data_directory(action: &Action) -> bool {
    matches!(action, Action::CreateDirectory { data: true, .. })
}
