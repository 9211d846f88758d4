//! Nodes of a cluster are restarted one at a time, each when all do their work again; all at once where what they cannot do without
//! moves to another port, since those that still ask at the old one are no part of the cluster, where they would not know each
//! other: security goes on or off, or there is another authority, and where nobody could be asked how they do until they have moved.

use std::collections::BTreeMap;

use crate::component::Component;
use crate::component::place::Place;
use crate::facts::Facts;
use crate::step::Action;

use super::check::{Check, check};
use super::unit::{self, Need};
use super::{Change, Desired, Plan, Stage};

/// Appends the stages that bring a component's nodes to the state their queues say. Those that do not serve start together and wait
/// for nobody; then those that serve and need a restart follow, one by one.
pub(super) fn one_by_one(
    plan: &mut Plan,
    desired: &Desired,
    facts: &BTreeMap<String, Facts>,
    (component, stage): (&dyn Component, &str),
    queues: BTreeMap<String, Vec<Change>>,
) {
    let apart = queues.iter().any(|(node, changes)| {
        let facts = facts.get(node);
        let mut changes = changes.iter();
        changes.any(|change| disagrees(component, change, facts))
    });
    let cut_off = apart
        || needed_moves(component, plan, desired, facts)
        || unasked_until_moved(component, desired, facts, &queues);
    if cut_off {
        stop_all(component, plan, desired, facts, &queues);
    }
    let (one_by_one, together): (BTreeMap<_, _>, BTreeMap<_, _>) =
        queues.into_iter().partition(|(node, changes)| {
            let restarted = changes
                .iter()
                .any(|change| restarts(change, facts.get(node)));
            restarted && !cut_off && serves(component, desired, node, changes, facts)
        });
    let none_started = together.values().all(Vec::is_empty);
    plan.push(stage, together);
    if one_by_one.is_empty() {
        return;
    }
    if !(none_started && known_to_be_in_sync(component, plan, desired, facts)) {
        in_sync(component, plan, desired, "before a broker restarts");
    }
    let last = one_by_one.len() - 1;
    for (index, (node, changes)) in one_by_one.into_iter().enumerate() {
        plan.push(
            &format!("restart {node}"),
            BTreeMap::from([(node, changes)]),
        );
        let because = if index == last {
            "after the last restart"
        } else {
            "before the next broker restarts"
        };
        in_sync(component, plan, desired, because);
    }
}

/// The units of what a component cannot do without.
fn needed_units(component: &dyn Component, desired: &Desired) -> Vec<String> {
    let needs = component.needs().iter();
    needs
        .map(|name| Place::of(&desired.deployment, name).unit())
        .collect()
}

/// Whether something that a component cannot do without runs, and the plan has it listen where it does not yet.
fn needed_moves(
    component: &dyn Component,
    plan: &Plan,
    desired: &Desired,
    facts: &BTreeMap<String, Facts>,
) -> bool {
    let units = needed_units(component, desired);
    plan.changes().any(|change| {
        let Action::WaitForPort { unit, .. } = &change.step.action else {
            return false;
        };
        let facts = facts.get(&change.step.node);
        units.contains(unit)
            && facts.is_some_and(|facts| facts.units.get(unit).is_some_and(unit::is_up))
    })
}

/// Whether nobody tells how a component's nodes do, and one that runs is to listen where it does not yet: they are asked where they will
/// be, so whoever waits for an answer before they restart waits in vain.
fn unasked_until_moved(
    component: &dyn Component,
    desired: &Desired,
    facts: &BTreeMap<String, Facts>,
    queues: &BTreeMap<String, Vec<Change>>,
) -> bool {
    let own = Place::of(&desired.deployment, component.name()).unit();
    let moves = queues.iter().any(|(node, changes)| {
        let Some(facts) = facts.get(node) else {
            return false;
        };
        let is_new = |change: &Change| match &change.step.action {
            Action::WaitForPort { unit, port, .. } => {
                *unit == own && !facts.ports.contains_key(port)
            }
            _ => false,
        };
        facts.units.get(&own).is_some_and(unit::is_up) && changes.iter().any(is_new)
    });
    let report = desired.pipeline.as_ref();
    let report = report.and_then(|(node, _)| facts.get(node)?.pipeline.as_ref());
    moves && report.is_none_or(|report| component.serves("", report).is_none())
}

/// Stops a component's nodes that restart together, before what they cannot do without restarts: without it a clean stop would wait in
/// vain. And says that nothing is served meanwhile.
fn stop_all(
    component: &dyn Component,
    plan: &mut Plan,
    desired: &Desired,
    facts: &BTreeMap<String, Facts>,
    queues: &BTreeMap<String, Vec<Change>>,
) {
    let units: Vec<String> = needed_units(component, desired);
    let starts_needed = |change: &Change| matches!(&change.step.action, Action::StartUnit { unit, .. } if units.contains(unit));
    let mut stages = plan.stages.iter();
    let first = stages.position(|stage| stage.queues.values().flatten().any(starts_needed));
    let mut stops = BTreeMap::new();
    for (node, changes) in queues {
        let restarted = changes
            .iter()
            .find(|change| restarts(change, facts.get(node)));
        if let Some(Action::StartUnit { unit, .. }) = restarted.map(|change| &change.step.action) {
            let stop = Action::StopUnit { unit: unit.clone() };
            let because = "before what it cannot do without restarts";
            stops.insert(node.clone(), vec![Change::new(node, stop, because)]);
        }
    }
    if stops.is_empty() {
        return;
    }
    plan.notes.push(format!(
        "all {}s restart at once: until they are back, within a minute or so, nothing is taken in, and what is sent meanwhile is kept by its sender",
        component.one()
    ));
    if let Some(first) = first {
        let stage = Stage {
            name: format!("stop {}", component.name()),
            queues: stops,
        };
        plan.stages.insert(first, stage);
    }
}

/// Whether a change restarts a unit with another file of those on which all nodes must agree: beside it, one that still has the old
/// file is of another cluster.
fn disagrees(component: &dyn Component, change: &Change, facts: Option<&Facts>) -> bool {
    let (Action::StartUnit { unit, reads, .. }, Some(facts)) = (&change.step.action, facts) else {
        return false;
    };
    let Some(fact) = facts.units.get(unit).filter(|fact| unit::is_up(fact)) else {
        return false;
    };
    let mut agreed = component.agreed_files().iter();
    agreed.any(|file| {
        let end = format!("/{}/{file}", component.name());
        let sum = |files: &BTreeMap<String, String>| {
            let mut files = files.iter();
            files
                .find(|(path, _)| path.ends_with(&end))
                .map(|(_, sum)| sum.clone())
        };
        !fact.reads.is_empty() && sum(reads) != sum(&fact.reads)
    })
}

/// Whether a change restarts a unit that runs.
fn restarts(change: &Change, facts: Option<&Facts>) -> bool {
    let (
        Action::StartUnit {
            unit,
            reads,
            finishes,
            foreign,
        },
        Some(facts),
    ) = (&change.step.action, facts)
    else {
        return false;
    };
    matches!(
        unit::need(unit, reads, finishes.as_deref(), *foreign, facts),
        Need::Restart(_)
    )
}

/// Whether the node's part of the cluster does its work now, so that its restart takes something away. One whose process runs but that
/// never joined the cluster (a wrong setting, say) does not: waiting for it before healing it would wait for ever.
fn serves(
    component: &dyn Component,
    desired: &Desired,
    node: &str,
    changes: &[Change],
    facts: &BTreeMap<String, Facts>,
) -> bool {
    let Some(here) = facts.get(node) else {
        return false;
    };
    let mut units = changes
        .iter()
        .filter_map(|change| match &change.step.action {
            Action::StartUnit { unit, .. } => Some(unit),
            _ => None,
        });
    let reporting = desired.pipeline.as_ref();
    let report = reporting.and_then(|(node, _)| facts.get(node)?.pipeline.as_ref());
    let host = desired.brokers.get(node).map_or("", String::as_str);
    let reported = report.and_then(|report| component.serves(host, report));
    units.any(|unit| {
        let up = here.units.get(unit).is_some_and(unit::is_up);
        up && reported.unwrap_or_else(|| here.ports.values().any(|owner| owner == unit))
    })
}

/// Whether the first wait can be spared because the pipeline itself said that it is in sync. Only where the plan changes how it is
/// asked: with new ports in its configuration nobody answers before the first restart.
fn known_to_be_in_sync(
    component: &dyn Component,
    plan: &Plan,
    desired: &Desired,
    facts: &BTreeMap<String, Facts>,
) -> bool {
    let Some((node, tool)) = &desired.pipeline else {
        return false;
    };
    let asked_otherwise = plan.changes().any(|change| {
        matches!(&change.step.action, Action::WriteFile { path, .. } if *path == tool.config)
            && change.step.node == *node
    });
    let wait = wait(component, desired);
    asked_otherwise
        && wait
            .zip(facts.get(node))
            .is_some_and(|((_, wait), facts)| check(&wait, facts) == Check::Satisfied)
}

/// The wait, and the node it happens on.
fn wait(component: &dyn Component, desired: &Desired) -> Option<(String, Action)> {
    let (node, tool) = desired.pipeline.clone()?;
    Some((node, component.in_sync(tool, desired.brokers.len())?))
}

fn in_sync(component: &dyn Component, plan: &mut Plan, desired: &Desired, because: &str) {
    if let Some((node, action)) = wait(component, desired) {
        let change = Change::new(&node, action, because);
        plan.push("in sync", BTreeMap::from([(node, vec![change])]));
    }
}
