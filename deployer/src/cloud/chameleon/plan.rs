//! What is to be done so that a deployment's machines are there, or that nothing of it is. Pure: compares what is wanted with
//! what was observed.

use std::collections::BTreeSet;

use super::notes::note;
use super::observed::{Address, Observed, Server};
use super::operation::{Flavor, Launch, Operation};
use super::settings::Settings;
use super::view::{View, offers, stage, step};
use super::{access, floating, network, reserve};
use crate::cloud::reconcile::{self, Addresses, Choice, Listed as _};
use crate::cloud::{CloudError, CloudPlan, Wanted};
use crate::machine::Machine;

/// The stages before machines are made.
const ORDER: [&str; 3] = [stage::FAILED, stage::LEASE, stage::ACCESS];

/// Whether the site's offers are needed: something is missing that they say how to make. Then a network of our own is looked at,
/// too; where all machines run and can be reached, it is there.
pub fn needs_offers(wanted: &Wanted, settings: &Settings, observed: &Observed) -> bool {
    let public = settings.public(wanted);
    let chosen = choose(wanted, observed).chosen;
    let well = |node: &String| {
        let server = chosen.get(node.as_str()).filter(|one| !one.failed());
        let own = server
            .and_then(|server| server.address())
            .map(|(_, own)| own);
        let led = || observed.addresses.iter().any(|one| one.to == own);
        server.is_some() && (!public.contains(node) || own.is_some() && led())
    };
    !wanted.machines.keys().all(well)
}

/// What is to be done. Wanting no machines is a teardown.
pub fn plan(view: &View<'_>) -> Result<CloudPlan, CloudError> {
    if view.wanted.machines.is_empty() {
        return Ok(super::teardown::plan(view.observed));
    }
    let choice = choose(view.wanted, view.observed);
    let chosen = &choice.chosen;
    let mut result = CloudPlan::default();
    let led = floating::led(view, chosen);
    let mut steps = Vec::new();
    let broken: Vec<&Server> = chosen
        .values()
        .copied()
        .filter(|one| one.failed())
        .collect();
    // What never ran holds nothing.
    let ran = |server: &Server| {
        let node = server.node();
        server.ran || node.is_some_and(|node| view.wanted.made.contains(node))
    };
    let (lost, void): (Vec<&Server>, Vec<&Server>) = broken.into_iter().partition(|one| ran(one));
    for (servers, holds) in [(&lost, true), (&void, false)] {
        if !servers.is_empty() {
            let mut step = super::teardown::terminate(servers);
            step.stage = stage::FAILED.into();
            step.loses = step.loses.filter(|_| holds);
            steps.push(step);
        }
    }
    let there = |node: &str| chosen.get(node).copied().filter(|one| !one.failed());
    let missing: BTreeSet<&str> = view
        .wanted
        .machines
        .keys()
        .map(String::as_str)
        .filter(|node| there(node).is_none())
        .collect();
    let reserved = reserve::plan(view, &missing, &led)?;
    steps.extend(reserved.steps);
    result.expires = reserved.end;
    result.remarks = reserved.remarks;
    let network = network::plan(view, &mut steps)?;
    let group = access::plan(view, &mut steps)?;
    // Neighbours of one stage are done at the same time.
    steps.sort_by_key(|step| ORDER.iter().position(|stage| *stage == step.stage));
    let mut machines = Vec::new();
    for node in view.wanted.machines.keys() {
        let address = reserved.addresses.get(node).cloned();
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
                image: catalog.image.id.clone(),
                network: network.clone(),
                group: group.clone(),
                address,
            };
            let mut step = step(stage::MACHINES, words, Operation::Launch(launch));
            step.node = Some(node.clone());
            if let Some(server) = lost.iter().find(|one| one.node() == Some(node)) {
                let why = server
                    .fault
                    .as_deref()
                    .unwrap_or("the site does not say why");
                step.loses = Some(format!(
                    "{node}: its machine is in ERROR ({why}) and is deleted with all data it has; a hard reboot in the site's web \
                     interface may bring it back"
                ));
                result.lost.insert(node.clone());
            } else if view.wanted.made.contains(node) {
                step.loses = Some(format!("{node}: its machine is gone, and all data it had"));
                result.lost.insert(node.clone());
            }
            machines.push(step);
            continue;
        };
        let id = server.id.clone();
        let (words, operation) = match server.status.as_str() {
            "ACTIVE" if server.address().is_some() => {
                let Some(address) = address else {
                    result.machines.extend(machine_of(view, node, server));
                    continue;
                };
                let words = format!("lead the floating IP to {id}");
                let (node, server) = (node.clone(), id);
                let attach = Operation::Attach {
                    node,
                    server,
                    address,
                };
                (words, attach)
            }
            "SHUTOFF" => {
                let words = format!("start {id}, which is off");
                let (node, server) = (node.clone(), id);
                let start = Operation::Start {
                    node,
                    server,
                    address,
                };
                (words, start)
            }
            status => {
                let words = format!("wait for {id}, which is {status}");
                let (node, server) = (node.clone(), id);
                let wait = Operation::Await {
                    node,
                    server,
                    address,
                };
                (words, wait)
            }
        };
        let mut step = step(stage::MACHINES, words, operation);
        step.node = Some(node.clone());
        machines.push(step);
    }
    if let Some(catalog) = view.catalog
        && !missing.is_empty()
    {
        let (name, image) = (&view.settings.image, catalog.image.words());
        result.remarks.push(format!("the image {name} is {image}"));
    }
    steps.extend(machines);
    result.steps = steps;
    choice.leave(view.wanted, &mut result, super::teardown::terminate);
    Ok(result)
}

/// Which server carries which node.
fn choose<'a>(wanted: &Wanted, observed: &'a Observed) -> Choice<'a, Server> {
    let noted = |node: &str| wanted.notes.get(&note::server(node)).cloned();
    reconcile::choose(wanted, &observed.servers, noted)
}

fn machine_of(view: &View<'_>, node: &str, server: &Server) -> Option<Machine> {
    machine(
        view.wanted,
        view.settings,
        node,
        server,
        &view.observed.addresses,
    )
}

/// The machine that a server is.
pub fn machine(
    wanted: &Wanted,
    settings: &Settings,
    node: &str,
    server: &Server,
    floating: &[Address],
) -> Option<Machine> {
    let (network, private) = server.address()?;
    let addresses = Addresses {
        network: format!("chameleon {network}"),
        private,
        public: floating
            .iter()
            .find(|floating| floating.to == Some(private))
            .map(|floating| floating.address),
    };
    Some(reconcile::machine(
        wanted,
        node,
        &server.id,
        addresses,
        &settings.user,
        settings.bastion(wanted.machines.keys()),
    ))
}
