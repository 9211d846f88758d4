//! What is to be done so that the box holds what is wanted. Pure: all it knows is what `observe.rs` saw.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::names::{Names, check_node};
use super::network::own_address;
use super::observed::{Observed, ObservedMachine};
use super::{NETWORK_NOTE, Operation};
use crate::cloud::{CloudError, CloudPlan, CloudStep, Operation as CloudOperation, Wanted};
use crate::machine::{Access, Machine, SshAccess};
use crate::topology::{self, CloudName};

/// The plan for `wanted`. `key` is the path of the private key that opens the machines.
pub fn plan(
    wanted: &Wanted,
    observed: &Observed,
    settings: &topology::LocalCloud,
    key: &str,
) -> Result<CloudPlan, CloudError> {
    let names = Names::new(&wanted.id)?;
    wanted
        .machines
        .keys()
        .try_for_each(|node| check_node(node))?;
    if wanted.machines.is_empty() {
        return Ok(teardown(observed));
    }
    let network = network(wanted, observed, settings)?;
    let mut steps = Vec::new();
    if !observed.network_ready || observed.network != Some(network) {
        steps.push(step(
            "network",
            None,
            format!(
                "make the network {network} (bridge {}){}{}",
                names.network(),
                shut(observed),
                through(&observed.closed)
            ),
            Operation::MakeNetwork { network },
        ));
    }
    let whole = |node: &String| observed.machines.get(node).filter(|m| m.image_there);
    let absent: BTreeSet<&String> = wanted
        .machines
        .keys()
        .filter(|node| whole(node).is_none())
        .collect();
    let image = observed.image.clone().unwrap_or_default();
    if !absent.is_empty() && !image.there {
        steps.push(step(
            "image",
            None,
            format!("make the base image {} (once; it is kept)", image.name),
            Operation::PrepareImage {
                image: image.name.clone(),
                packages: wanted.packages.clone(),
            },
        ));
    }
    let mut plan = CloudPlan::default();
    let mut addresses = free_addresses(network, observed);
    for node in wanted.machines.keys() {
        let there = observed.machines.get(node);
        match there {
            Some(machine) if machine.image_there && machine.runs => {
                plan.machines
                    .push(reached(&names, network, node, machine, key));
            }
            Some(machine) if machine.image_there => steps.push(step(
                "machines",
                Some(node),
                format!("start {node} (it is off; its disk is kept)"),
                Operation::StartMachine { node: node.clone() },
            )),
            _ => {
                let lost = there.is_some() || wanted.made.contains(node);
                if lost {
                    plan.lost.insert(node.clone());
                }
                let again = if lost {
                    " again (its disk is gone)"
                } else {
                    ""
                };
                let address = match there {
                    Some(machine) => machine.address,
                    None => addresses.next().ok_or_else(|| full(network))?,
                };
                let mut create = step(
                    "machines",
                    Some(node),
                    format!("create {node}{again}"),
                    Operation::CreateMachine {
                        node: node.clone(),
                        address,
                        network,
                        image: image.name.clone(),
                    },
                );
                create.loses = there.map(|_| {
                    format!("what {node} wrote since it was made; its base image was deleted")
                });
                steps.push(create);
            }
        }
    }
    for node in observed.nodes() {
        if wanted.machines.contains_key(node) {
            continue;
        }
        if !observed.machines.contains_key(node) {
            steps.push(remains(node));
        } else if wanted.remove.contains(node) {
            steps.push(removal(node));
        } else {
            plan.orphans.insert(node.clone());
        }
    }
    plan.steps = steps;
    Ok(plan)
}

/// What is done besides where the network was made by an older version, or somebody changed its table.
fn shut(observed: &Observed) -> &'static str {
    if observed.table == Some(true) && observed.guarded == Some(false) {
        " and close it to all but this box"
    } else {
        ""
    }
}

/// What is done besides where the box's packet filter is closed.
fn through(closed: &[String]) -> String {
    if closed.is_empty() {
        return String::new();
    }
    let chains = closed.join("; ");
    format!(" and let it through the box's packet filter ({chains})")
}

/// A running machine, and how it is reached.
pub(super) fn reached(
    names: &Names,
    network: Ipv4Net,
    node: &str,
    machine: &ObservedMachine,
    key: &str,
) -> Machine {
    Machine {
        node: node.to_owned(),
        id: format!("{}/{node}", names.id()),
        access: Access::Ssh(SshAccess {
            address: machine.address.to_string(),
            user: Some("root".into()),
            port: Some(22),
            key: Some(key.to_owned()),
            host_key: Some(machine.host_key.clone()),
            jump: None,
        }),
        networks: BTreeMap::from([(names.membership(), machine.address.into())]),
        public: None,
        operator: Some(own_address(network).into()),
    }
}

fn teardown(observed: &Observed) -> CloudPlan {
    let mut steps: Vec<CloudStep> = observed
        .nodes()
        .into_iter()
        .map(|node| {
            if observed.machines.contains_key(node) {
                removal(node)
            } else {
                remains(node)
            }
        })
        .collect();
    // Whether the nftables table is there only root can tell; removing it twice does no harm.
    if observed.bridge || observed.table.unwrap_or(observed.directory) {
        steps.push(step(
            "network",
            None,
            "remove the network".into(),
            Operation::RemoveNetwork,
        ));
    }
    if !steps.is_empty() || observed.directory {
        steps.push(step(
            "deployment",
            None,
            "remove the deployment's directory".into(),
            Operation::RemoveDeployment,
        ));
    }
    CloudPlan {
        steps,
        ..CloudPlan::default()
    }
}

fn removal(node: &str) -> CloudStep {
    let loses = Some(format!("all that {node} holds"));
    remove(node, format!("delete {node} and its disk"), loses)
}

fn remains(node: &str) -> CloudStep {
    remove(node, format!("remove what is left of {node}"), None)
}

fn remove(node: &str, words: String, loses: Option<String>) -> CloudStep {
    let node_ = node.to_owned();
    let mut step = step(
        "machines",
        Some(node),
        words,
        Operation::RemoveMachine { node: node_ },
    );
    step.loses = loses;
    step
}

fn step(stage: &str, node: Option<&str>, words: String, operation: Operation) -> CloudStep {
    CloudStep {
        node: node.map(str::to_owned),
        ..CloudStep::new(
            stage,
            words,
            CloudOperation::of(CloudName::LOCAL, operation),
        )
    }
}

/// The deployment's own network: the recorded one; else the one it had, if that is free; else the first free /24, counted
/// from a place that the id decides, so that deployments made at the same moment seldom meet.
fn network(
    wanted: &Wanted,
    observed: &Observed,
    settings: &topology::LocalCloud,
) -> Result<Ipv4Net, CloudError> {
    if let Some(network) = observed.network {
        return Ok(network);
    }
    let free = |network: &Ipv4Net| {
        let overlap = |taken: &Ipv4Net| taken.contains(network) || network.contains(taken);
        !observed.taken.iter().any(overlap)
    };
    let noted = wanted.notes.get(NETWORK_NOTE);
    if let Some(noted) = noted.and_then(|n| n.parse().ok()).filter(free) {
        return Ok(noted);
    }
    let range: Ipv4Net = settings.network.parse().map_err(|_| {
        CloudError::Refused(format!(
            "`{}` is no network for local machines: write it as `10.213.0.0/16`",
            settings.network
        ))
    })?;
    let all: Vec<Ipv4Net> = range.trunc().subnets(24).map(Iterator::collect).map_err(|_| {
        CloudError::Refused(format!(
            "the network {range} is too small for local machines: each deployment takes a /24 of it"
        ))
    })?;
    let seed = wanted.id.bytes().fold(0, |sum: usize, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    let (before, after) = all.split_at(seed % all.len());
    let mut candidates = after.iter().chain(before);
    candidates.find(|network| free(network)).copied().ok_or_else(|| {
        CloudError::Refused(format!(
            "no /24 of {range} is free on this box: its routes and other deployments take them all; \
             give the local cloud another `network`"
        ))
    })
}

/// The addresses machines may take, lowest first; the first of the network is the box's own.
fn free_addresses(network: Ipv4Net, observed: &Observed) -> impl Iterator<Item = Ipv4Addr> {
    let used: BTreeSet<Ipv4Addr> = observed.machines.values().map(|m| m.address).collect();
    network
        .hosts()
        .skip(1)
        .filter(move |address| !used.contains(address))
}

fn full(network: Ipv4Net) -> CloudError {
    CloudError::Refused(format!(
        "the network {network} has no address left for another machine"
    ))
}
