//! What stands in the way on nodes: what they are, what is full, what is closed.

use std::collections::BTreeMap;

use crate::error::CommandError;
use crate::machine::Machine;
use crate::preflight::{self, AgentNeeds};
use crate::prepare::prepared::Prepared;
use crate::reach::connections::Connections;
use crate::topology::Node;
use crate::{component, firewall};

use super::ask::{Systems, systems};
use super::{Observed, Planned};

/// Refuses nodes that cannot carry their roles, before anything is changed on any of them. `known` are systems that were asked
/// already; returns those of all nodes that answered.
pub async fn check_nodes(
    connections: &Connections,
    planned: &Planned,
    known: &Systems,
) -> Result<Systems, CommandError> {
    let seen = &planned.seen;
    let unknown = seen.facts.keys().filter(|node| !known.contains_key(*node));
    let mut systems = systems(
        connections,
        &planned.prepared.topology,
        unknown.map(String::as_str),
    )
    .await?;
    systems.extend(known.clone());
    let obstacles: Vec<String> = obstacles(&planned.prepared, &systems, seen)
        .iter()
        .map(ToString::to_string)
        .collect();
    if obstacles.is_empty() {
        return Ok(systems);
    }
    Err(CommandError::failed(format!(
        "nodes cannot carry their roles; nothing was changed on them:\n    {}",
        obstacles.join("\n    ")
    ))
    .hint("deployer check shows all of it again"))
}

/// What stands in the way on the nodes that answered.
pub fn obstacles(
    prepared: &Prepared,
    systems: &Systems,
    seen: &Observed,
) -> Vec<preflight::Obstacle> {
    let agents = AgentNeeds {
        architecture: prepared.agents.machine().into(),
        libc: prepared
            .agents
            .libc()
            .map_or("0".into(), |libc| libc.to_string()),
    };
    let nodes = prepared.topology.nodes.values();
    let known = nodes.filter_map(|node| Some((node, systems.get(&node.name)?)));
    known
        .flat_map(|(node, system)| {
            let agents = component::has_agents(node, &prepared.topology).then_some(&agents);
            let facts = seen.facts.get(&node.name);
            let mut system = system.clone();
            if facts.is_some_and(|facts| facts.manifest.is_some()) {
                // Its software has its space already.
                system.software_free_mib = None;
            }
            let full = facts.map_or(Vec::new(), |facts| preflight::full_disks(node, facts));
            let obstacles = preflight::obstacles(node, &system, agents, &prepared.context());
            obstacles.into_iter().chain(full)
        })
        .chain(preflight::lost_ways(&prepared.topology, &seen.machines))
        .chain(closed_ports(prepared, systems, &seen.machines))
        .collect()
}

/// What packet filters of the nodes close, other than ours.
fn closed_ports(
    prepared: &Prepared,
    systems: &Systems,
    machines: &BTreeMap<String, Machine>,
) -> Vec<preflight::Obstacle> {
    let table = firewall::table(&prepared.topology.name);
    let nodes = prepared.topology.nodes.values();
    let known = nodes.filter_map(|node| {
        let (system, machine) = (systems.get(&node.name)?, machines.get(&node.name)?);
        let address = |other: &Node| {
            let address = machines.get(&other.name)?.address_seen_from(machine)?;
            Some((other.name.clone(), address))
        };
        let ways = preflight::ways_in(node, &prepared.topology).into_iter();
        let ways =
            ways.map(|(port, others)| (port, others.into_iter().filter_map(address).collect()));
        Some(preflight::closed_ports(
            &node.name,
            &system.filters,
            &table,
            &ways.collect(),
        ))
    });
    known.flatten().collect()
}
