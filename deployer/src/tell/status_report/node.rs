//! Judges what a node says of its units and agents.

use std::collections::BTreeMap;

use crate::component::place::Place;
use crate::component::{self, kafka, producer};
use crate::facts::{Facts, UnitFact};
use crate::figures::Figures;
use crate::observe::producers::{STATE, producer_state, state_file};
use crate::topology::{Node, Topology};

use super::{AgentReport, Heard, NodeReport};

/// A producer that reads `top` has one event on its way at most times; more than this many wait for brokers that are away.
const MAX_WAITING: u64 = 5;

pub(super) fn judge_units(
    topology: &Topology,
    node: &str,
    facts: &Facts,
    report: &mut NodeReport,
    problems: &mut Vec<String>,
) {
    let producer = Place::new(topology, producer::NAME).unit();
    for (name, unit) in &facts.units {
        let finished = *name == producer && report_finished(facts);
        let state = match unit.active.as_str() {
            "active" => "running",
            "failed" => "failed",
            "inactive" if finished => "finished",
            _ if unit.runs() => "starting",
            _ => "stopped",
        };
        if !matches!(state, "running" | "finished") {
            problems.push(format!(
                "{node}: {name} is {state}; see `deployer logs {node}`"
            ));
        }
        report.units.insert(name.clone(), state.into());
    }
    if topology
        .nodes
        .get(node)
        .is_some_and(|node| node.has(producer::NAME))
    {
        let state = producer_state(facts);
        let waiting = state
            .as_ref()
            .map_or(0, |state| state.produced.saturating_sub(state.acked));
        if waiting > MAX_WAITING {
            problems.push(format!(
                "{node}: {waiting} events of its producer wait for an acknowledgement by Kafka"
            ));
        }
        let refused = state.as_ref().map_or(0, |state| state.refused);
        if let (true, Some((path, _))) = (refused > 0, state_file(facts)) {
            let file = path.replace(STATE, "/producer/refused.jsonl");
            problems.push(format!(
                "{node}: Kafka refused {refused} events of its producer for good; they are in {file} with the reasons; who has looked removes it"
            ));
        }
        report.produced = state.map(|state| (state.acked, state.count));
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
        let runs = |role| {
            let unit = facts.units.get(&Place::new(topology, role).unit());
            unit.is_some_and(UnitFact::runs)
        };
        if topology.nodes.contains_key(node) {
            continue;
        }
        if runs(producer::NAME) {
            notes.push(format!(
                "{node}: no longer in the inventory, and its producer still sends; that is read until `deployer up --prune`"
            ));
        }
        if runs(kafka::NAME) {
            notes.push(format!(
                "{node}: no longer in the inventory, and its broker still serves"
            ));
        }
    }
}

fn report_finished(facts: &Facts) -> bool {
    producer_state(facts).is_some_and(|state| state.finished)
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
                .and_then(|answers| Figures::read(answers))
                .ok_or_else(|| format!("no answer on port {port}")),
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
