//! Brokers are restarted one at a time, each after every partition has its full set of in-sync replicas; all at once where `ZooKeeper`
//! moves to another port, since those that still ask at the old one are no part of the cluster.

use std::collections::BTreeMap;

use crate::component::place::Place;
use crate::component::zookeeper;
use crate::facts::Facts;
use crate::step::Action;

use super::check::{Check, check, inspect};
use super::unit::{self, Need};
use super::{Change, Desired, Plan};

/// Appends the stages that bring the brokers to the state their queues say. Brokers that do not serve start together and wait for
/// nobody; then those that serve and need a restart follow, one by one.
pub(super) fn brokers(
    plan: &mut Plan,
    desired: &Desired,
    facts: &BTreeMap<String, Facts>,
    stage: &str,
    queues: BTreeMap<String, Vec<Change>>,
) {
    let cut_off = zookeeper_moves(plan, desired, facts);
    let (one_by_one, together): (BTreeMap<_, _>, BTreeMap<_, _>) =
        queues.into_iter().partition(|(node, changes)| {
            let restarted = changes
                .iter()
                .any(|change| restarts(change, facts.get(node)));
            restarted && !cut_off && serves(desired, node, changes, facts)
        });
    let none_started = together.values().all(Vec::is_empty);
    plan.push(stage, together);
    if one_by_one.is_empty() {
        return;
    }
    if !(none_started && known_to_be_in_sync(plan, desired, facts)) {
        in_sync(plan, desired, "before a broker restarts");
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
        in_sync(plan, desired, because);
    }
}

/// Whether `ZooKeeper` runs and the plan has it listen where it does not yet.
fn zookeeper_moves(plan: &Plan, desired: &Desired, facts: &BTreeMap<String, Facts>) -> bool {
    let zookeeper = Place::of(&desired.deployment, zookeeper::NAME).unit();
    plan.changes().any(|change| {
        let moves =
            matches!(&change.step.action, Action::WaitForPort { unit, .. } if *unit == zookeeper);
        let facts = facts.get(&change.step.node);
        moves && facts.is_some_and(|facts| facts.units.get(&zookeeper).is_some_and(unit::is_up))
    })
}

/// Whether a change restarts a unit that runs.
fn restarts(change: &Change, facts: Option<&Facts>) -> bool {
    let (
        Action::StartUnit {
            unit,
            reads,
            finishes,
        },
        Some(facts),
    ) = (&change.step.action, facts)
    else {
        return false;
    };
    matches!(
        unit::need(unit, reads, finishes.as_deref(), facts),
        Need::Restart(_)
    )
}

/// Whether the node's broker does its work now, so that its restart takes something away. One whose process runs but that never
/// joined the cluster (a wrong setting, say) does not: waiting for it before healing it would wait for ever.
fn serves(
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
    let report = desired
        .pipeline
        .as_ref()
        .and_then(|(node, _)| facts.get(node))
        .and_then(inspect)
        .filter(|report| report.kafka.reachable);
    units.any(|unit| {
        let up = here.units.get(unit).is_some_and(unit::is_up);
        up && match &report {
            Some(report) => {
                let name = desired.brokers.get(node);
                report
                    .kafka
                    .brokers
                    .iter()
                    .any(|broker| Some(&broker.host) == name)
            }
            None => here.ports.values().any(|owner| owner == unit),
        }
    })
}

/// Whether the first wait can be spared because the pipeline itself said that it is in sync. Only where the plan changes how it is
/// asked: with new ports in its configuration nobody answers before the first broker has restarted.
fn known_to_be_in_sync(plan: &Plan, desired: &Desired, facts: &BTreeMap<String, Facts>) -> bool {
    let Some((node, tool)) = &desired.pipeline else {
        return false;
    };
    let asked_otherwise = plan.changes().any(|change| {
        matches!(&change.step.action, Action::WriteFile { path, .. } if *path == tool.config)
            && change.step.node == *node
    });
    let wait = wait(desired);
    asked_otherwise
        && wait
            .zip(facts.get(node))
            .is_some_and(|((_, wait), facts)| check(&wait, facts) == Check::Satisfied)
}

/// The wait, and the node it happens on.
fn wait(desired: &Desired) -> Option<(String, Action)> {
    let (node, tool) = desired.pipeline.clone()?;
    let brokers = desired.brokers.len();
    Some((node, Action::WaitInSync { tool, brokers }))
}

fn in_sync(plan: &mut Plan, desired: &Desired, because: &str) {
    if let Some((node, action)) = wait(desired) {
        let change = Change::new(&node, action, because);
        plan.push("in sync", BTreeMap::from([(node, vec![change])]));
    }
}
