//! What stands in the way on nodes: what they are, what is full, what is closed.

use std::collections::BTreeMap;

use crate::error::CommandError;
use crate::facts::Facts;
use crate::machine::Machine;
use crate::preflight::{self, AgentNeeds};
use crate::prepare::prepared::Prepared;
use crate::topology::Node;
use crate::{component, firewall};

use super::Observation;

/// Refuses nodes that cannot carry their roles, before anything is changed on any of them.
pub async fn check_nodes(prepared: &Prepared, seen: &mut Observation) -> Result<(), CommandError> {
    seen.learn_systems().await?;
    let obstacles: Vec<String> = obstacles(prepared, &seen.facts, &seen.machines)
        .iter()
        .map(ToString::to_string)
        .collect();
    if obstacles.is_empty() {
        return Ok(());
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
    facts: &BTreeMap<String, Facts>,
    machines: &BTreeMap<String, Machine>,
) -> Vec<preflight::Obstacle> {
    let agents = AgentNeeds {
        architecture: prepared.agents.consumer.machine.into(),
        libc: prepared
            .agents
            .consumer
            .libc
            .max(prepared.agents.producer.libc)
            .map_or("0".into(), |libc| libc.to_string()),
    };
    let nodes = prepared.topology.nodes.values();
    let known = nodes.filter_map(|node| Some((node, facts.get(&node.name)?)));
    known
        .flat_map(|(node, facts)| {
            let agents = component::has_agents(node, &prepared.topology).then_some(&agents);
            let mut system = facts.system.clone();
            if facts.manifest.is_some() {
                // Its software has its space already.
                system.software_free_mib = None;
            }
            let system = preflight::obstacles(node, &system, agents, prepared.couchdb());
            system.into_iter().chain(preflight::full_disks(node, facts))
        })
        .chain(preflight::lost_ways(&prepared.topology, machines))
        .chain(closed_ports(prepared, facts, machines))
        .collect()
}

/// What packet filters of the nodes close, other than ours.
fn closed_ports(
    prepared: &Prepared,
    facts: &BTreeMap<String, Facts>,
    machines: &BTreeMap<String, Machine>,
) -> Vec<preflight::Obstacle> {
    let table = firewall::table(&prepared.topology.name);
    let nodes = prepared.topology.nodes.values();
    let known = nodes.filter_map(|node| {
        let (facts, machine) = (facts.get(&node.name)?, machines.get(&node.name)?);
        let address = |other: &Node| {
            let address = machines.get(&other.name)?.address_seen_from(machine)?;
            Some((other.name.clone(), address))
        };
        let ways = preflight::ways_in(node, &prepared.topology).into_iter();
        let ways =
            ways.map(|(port, others)| (port, others.into_iter().filter_map(address).collect()));
        let filters = &facts.system.filters;
        Some(preflight::closed_ports(
            &node.name,
            filters,
            &table,
            &ways.collect(),
        ))
    });
    known.flatten().collect()
}
