//! Judges what a node says of its units and agents.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::component::place::Place;
use crate::component::{self, Health, StreamReport};
use crate::facts::{Facts, UnitFact};
use crate::figures::Figures;
use crate::inspect::Log;
use crate::topology::{Node, Topology};

use super::{AgentReport, Heard, NodeReport};

pub(super) fn judge_units(
    topology: &Topology,
    node: &Node,
    facts: &Facts,
    report: &mut NodeReport,
    problems: &mut Vec<String>,
) {
    let name = &node.name;
    let health: BTreeMap<String, Health> = component::ALL
        .iter()
        .map(|component| {
            let unit = Place::new(topology, component.name()).unit();
            (unit, component.health(node, topology, facts))
        })
        .collect();
    for (unit, fact) in &facts.units {
        let finished = health.get(unit).is_some_and(|health| health.finished);
        let timer = unit.replace(".service", ".timer");
        let has_timer = timer != *unit && facts.units.contains_key(&timer);
        let state = match fact.active.as_str() {
            "active" if fact.sub == "exited" => "finished",
            "active" => "running",
            "failed" => "failed",
            _ if fact.sub.starts_with("auto-restart") => "failing",
            "inactive" if finished => "finished",
            "inactive" if has_timer => "waiting",
            "activating" if has_timer => "running",
            _ if fact.runs() => "starting",
            _ => "stopped",
        };
        if !matches!(state, "running" | "finished" | "waiting") {
            problems.push(format!(
                "{name}: {unit} is {state}; see `deployer logs {name}`"
            ));
        }
        report.units.insert(unit.clone(), state.into());
    }
    for health in health.into_values() {
        let own = health.problems.iter();
        problems.extend(own.map(|problem| format!("{name}: {problem}")));
        report.produced = report.produced.or(health.progress);
    }
}

/// Notes nodes that the inventory does not name any more and on which something of ours runs.
pub(super) fn note_the_left(
    topology: &Topology,
    heard: &BTreeMap<String, Heard>,
    notes: &mut Vec<String>,
) {
    for (node, heard) in heard {
        let Heard::Facts(facts) = heard else {
            continue;
        };
        if topology.nodes.contains_key(node) {
            continue;
        }
        for component in component::ALL {
            let unit = facts
                .units
                .get(&Place::new(topology, component.name()).unit());
            if let Some(words) = component.when_left()
                && unit.is_some_and(UnitFact::runs)
            {
                notes.push(format!("{node}: no longer in the inventory, and {words}"));
            }
        }
    }
}

/// What the agents say of themselves. That one has no figures is said and no problem: events count more than figures, and
/// that it lives is what its unit tells.
pub(super) fn judge_agents(
    topology: &Topology,
    node: &Node,
    facts: &Facts,
    report: &mut NodeReport,
    problems: &mut Vec<String>,
) {
    for (role, port) in component::metrics_ports(node, topology) {
        let unit = Place::new(topology, role).unit();
        if facts.units.get(&unit).is_none_or(|unit| !unit.runs()) {
            continue;
        }
        let owner = facts.ports.get(&port).filter(|owner| !owner.is_empty());
        let said = match owner.filter(|owner| **owner != unit) {
            Some(other) => Err(format!(
                "port {port} is taken by {other}; set `{role}.metrics_port`"
            )),
            None => facts
                .figures
                .get(&port)
                .ok_or_else(|| format!("no answer on port {port}"))
                .and_then(|answer| Figures::read(answer).map_err(|none| none.to_string())),
        };
        let agent = match said {
            Ok(figures) => AgentReport {
                error: None,
                figures,
            },
            Err(error) => AgentReport {
                error: Some(error),
                figures: Figures::default(),
            },
        };
        let wrong = agent.figures.wrong.iter();
        problems.extend(wrong.map(|wrong| format!("{}: {role}: {wrong}", node.name)));
        report.agents.insert(role.to_owned(), agent);
    }
}

/// How far the streams are, by name. Those of a node that says nothing are there, and of them nothing is known.
pub(super) fn streams(
    topology: &Topology,
    heard: &BTreeMap<String, Heard>,
    log: &Log,
    now: Timestamp,
) -> BTreeMap<String, StreamReport> {
    let silent = Facts::default();
    let of_node = |node: &Node| {
        let facts = match heard.get(&node.name) {
            Some(Heard::Facts(facts)) => facts,
            _ => &silent,
        };
        let there = component::of_node(node, topology);
        let streams =
            there.flat_map(|component| component.streams(node, topology, facts, log, now));
        streams.collect::<Vec<_>>()
    };
    topology.nodes.values().flat_map(of_node).collect()
}
