//! Judges what a node says of its units and agents.

use std::collections::BTreeMap;

use crate::component;
use crate::component::pipeline::{self, LOG, SENDER};
use crate::component::place::Place;
use crate::facts::{Facts, UnitFact};
use crate::figures::Figures;
use crate::observe::senders::sender_state;
use crate::topology::{Node, Topology};

use super::{AgentReport, Heard, NodeReport};

/// One that reads `top` has one event on its way at most times; more than this many wait for brokers that are away.
const MAX_WAITING: u64 = 5;

pub(super) fn judge_units(
    topology: &Topology,
    node: &str,
    facts: &Facts,
    report: &mut NodeReport,
    problems: &mut Vec<String>,
) {
    let sender = Place::new(topology, SENDER.name()).unit();
    for (name, unit) in &facts.units {
        let finished = *name == sender && has_finished(topology, facts);
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
        .is_some_and(|node| node.has(SENDER.name()))
    {
        let state = sender_state(topology, facts);
        let waiting = state
            .as_ref()
            .map_or(0, |state| state.produced.saturating_sub(state.acked));
        if waiting > MAX_WAITING {
            problems.push(format!(
                "{node}: {waiting} events of its {} wait for an acknowledgement by {}",
                SENDER.title(),
                LOG.title()
            ));
        }
        let refused = state.as_ref().map_or(0, |state| state.refused);
        if refused > 0 {
            problems.push(format!(
                "{node}: {} refused {refused} events of its {} for good; they are in {} with the reasons; who has looked removes it",
                LOG.title(),
                SENDER.title(),
                pipeline::refused_file(topology)
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
        if runs(SENDER.name()) {
            notes.push(format!(
                "{node}: no longer in the inventory, and its {} still sends; that is read until `deployer up --prune`",
                SENDER.title()
            ));
        }
        if runs(LOG.name()) {
            notes.push(format!(
                "{node}: no longer in the inventory, and its broker still serves"
            ));
        }
    }
}

fn has_finished(topology: &Topology, facts: &Facts) -> bool {
    sender_state(topology, facts).is_some_and(|state| state.finished)
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
