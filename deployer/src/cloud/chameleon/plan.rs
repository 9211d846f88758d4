//! What is to be done so that a deployment's machines are there, or that nothing of it is. Pure: compares what is wanted with
//! what was observed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::catalog::Catalog;
use super::notes::note;
use super::observed::{Address, Observed, Server};
use super::operation::{Flavor, Launch, Operation};
use super::settings::Settings;
use super::{access, reserve};
use crate::cloud::{self, CloudError, CloudPlan, CloudStep, Wanted};
use crate::machine::{Access, Machine, SshAccess};

/// All that a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// What should be.
    pub wanted: &'a Wanted,
    /// How.
    pub settings: &'a Settings,
    /// What is.
    pub observed: &'a Observed,
    /// The site's offers; `None`: nothing is to be made.
    pub catalog: Option<&'a Catalog>,
    /// The time.
    pub now: Timestamp,
}

/// Stages, in order.
pub(super) mod stage {
    pub(in super::super) const FAILED: &str = "failed";
    pub(in super::super) const LEASE: &str = "lease";
    pub(in super::super) const ACCESS: &str = "access";
    pub(in super::super) const MACHINES: &str = "machines";
    pub(in super::super) const EXTEND: &str = "extend";
}

/// A step that is for no node in particular.
pub(super) fn step(stage: &str, words: String, operation: Operation) -> CloudStep {
    CloudStep {
        stage: stage.into(),
        node: None,
        words,
        loses: None,
        operation: cloud::Operation::Chameleon(operation),
    }
}

/// The offers where something is to be made.
pub(super) fn offers<'a>(view: &View<'a>) -> Result<&'a Catalog, CloudError> {
    view.catalog
        .ok_or_else(|| CloudError::Refused("the site's offers were not looked at".into()))
}

/// Whether the site's offers are needed: something is missing that they say how to make.
pub fn needs_offers(wanted: &Wanted, settings: &Settings, observed: &Observed) -> bool {
    let chosen = choose(wanted, observed).chosen;
    let server = |node: &String| chosen.get(node.as_str()).is_some_and(|one| !failed(one));
    !wanted.machines.keys().all(server)
        || observed.addresses.is_empty() && settings.bastion(wanted.machines.keys()).is_some()
}

/// What is to be done. Wanting no machines is a teardown.
pub fn plan(view: &View<'_>) -> Result<CloudPlan, CloudError> {
    if view.wanted.machines.is_empty() {
        return Ok(super::teardown::plan(view.observed));
    }
    let Choice { chosen, orphans } = choose(view.wanted, view.observed);
    let mut result = CloudPlan::default();
    let bastion = view.settings.bastion(view.wanted.machines.keys());
    let address = view.observed.addresses.first();
    let mut steps = Vec::new();
    let broken: Vec<&Server> = chosen.values().copied().filter(|one| failed(one)).collect();
    if !broken.is_empty() {
        let mut step = super::teardown::terminate(&broken);
        step.stage = stage::FAILED.into();
        // What never ran holds nothing.
        let ran = |server: &&Server| {
            server
                .node()
                .is_some_and(|node| view.wanted.made.contains(node))
        };
        if !broken.iter().any(ran) {
            step.loses = None;
        }
        steps.push(step);
    }
    let there = |node: &str| chosen.get(node).copied().filter(|one| !failed(one));
    let missing: BTreeSet<&str> = view
        .wanted
        .machines
        .keys()
        .map(String::as_str)
        .filter(|node| there(node).is_none())
        .collect();
    let reserved = reserve::plan(view, &missing)?;
    steps.extend(reserved.steps);
    result.expires = reserved.end;
    let group = access::plan(view, &mut steps)?;
    let mut machines = Vec::new();
    for node in view.wanted.machines.keys() {
        let is_bastion = bastion == Some(node);
        let Some(server) = there(node) else {
            let catalog = offers(view)?;
            let flavor = reserved
                .flavors
                .get(node.as_str())
                .cloned()
                .unwrap_or_else(|| Flavor::Public(catalog.flavors[node].id.clone()));
            let words = format!(
                "make a {} from {}",
                catalog.flavors[node].name, view.settings.image
            );
            let launch = Launch {
                node: node.clone(),
                flavor,
                image: catalog.image.clone(),
                network: catalog.network.clone(),
                group: group.clone(),
                bastion: is_bastion,
            };
            let mut step = step(stage::MACHINES, words, Operation::Launch(launch));
            step.node = Some(node.clone());
            if view.wanted.made.contains(node) {
                step.loses = Some(format!("{node}: its machine is gone, and all data it had"));
                result.lost.insert(node.clone());
            }
            machines.push(step);
            continue;
        };
        let id = server.id.clone();
        let leads = |address: &&Address| {
            server
                .address()
                .is_some_and(|(_, own)| address.to == Some(own))
        };
        let (words, operation) = match server.status.as_str() {
            "ACTIVE" if server.address().is_some() => {
                if !is_bastion || address.as_ref().is_some_and(leads) {
                    result.machines.extend(machine_of(view, node, server));
                    continue;
                }
                let address = address.map(|address| address.id.clone());
                let words = format!("lead the floating IP to {id}");
                let server = id;
                (
                    words,
                    Operation::Attach {
                        node: node.clone(),
                        server,
                        address,
                    },
                )
            }
            "SHUTOFF" => (
                format!("start {id}, which is off"),
                Operation::Start {
                    node: node.clone(),
                    server: id,
                },
            ),
            status => (
                format!("wait for {id}, which is {status}"),
                Operation::Await {
                    node: node.clone(),
                    server: id,
                },
            ),
        };
        let mut step = step(stage::MACHINES, words, operation);
        step.node = Some(node.clone());
        machines.push(step);
    }
    steps.extend(machines);
    if view.wanted.prune && !orphans.is_empty() {
        steps.push(super::teardown::terminate(&orphans));
    }
    result.orphans = orphans
        .iter()
        .map(|server| match server.node() {
            Some(node) if !view.wanted.machines.contains_key(node) => node.to_owned(),
            Some(node) => format!("{node} ({}, a second one)", server.id),
            None => server.id.clone(),
        })
        .collect();
    result.steps = steps;
    Ok(result)
}

struct Choice<'a> {
    chosen: BTreeMap<&'a str, &'a Server>,
    orphans: Vec<&'a Server>,
}

fn failed(server: &Server) -> bool {
    server.status == "ERROR"
}

/// Which server carries which node: the noted one, else one that did not fail, else the one that was there first.
fn choose<'a>(wanted: &Wanted, observed: &'a Observed) -> Choice<'a> {
    let mut chosen: BTreeMap<&str, &Server> = BTreeMap::new();
    let mut orphans = Vec::new();
    let mut living: Vec<&Server> = observed.servers.iter().filter(|one| one.lives()).collect();
    living.sort_by_key(|server| {
        let noted = server
            .node()
            .and_then(|node| wanted.notes.get(&note::server(node)));
        (
            failed(server),
            noted != Some(&server.id),
            server.created,
            server.id.clone(),
        )
    });
    for server in living {
        match server.node() {
            Some(node) if wanted.machines.contains_key(node) && !chosen.contains_key(node) => {
                chosen.insert(node, server);
            }
            _ => orphans.push(server),
        }
    }
    Choice { chosen, orphans }
}

fn machine_of(view: &View<'_>, node: &str, server: &Server) -> Option<Machine> {
    machine(
        view.wanted,
        view.settings,
        node,
        server,
        view.observed.addresses.first(),
    )
}

/// The machine that a server is.
pub fn machine(
    wanted: &Wanted,
    settings: &Settings,
    node: &str,
    server: &Server,
    floating: Option<&Address>,
) -> Option<Machine> {
    let (network, private) = server.address()?;
    let bastion = settings.bastion(wanted.machines.keys());
    let public = floating
        .filter(|floating| floating.to == Some(private))
        .map(|floating| floating.address);
    let access = SshAccess {
        address: public.unwrap_or(private).to_string(),
        user: Some(settings.user.clone()),
        port: None,
        key: wanted.user_key_path.clone(),
        host_key: wanted
            .machines
            .get(node)
            .map(|machine| machine.host_key_public.clone()),
        jump: bastion
            .filter(|bastion| *bastion != node && public.is_none())
            .map(Into::into),
    };
    Some(Machine {
        node: node.into(),
        id: server.id.clone(),
        access: Access::Ssh(access),
        networks: BTreeMap::from([(format!("chameleon {network}"), private.into())]),
        public: public.map(Into::into),
    })
}
