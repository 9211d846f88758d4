//! What should be, compared with what is: the plan holds only what differs.

use std::collections::{BTreeMap, BTreeSet};

use crate::component;
use crate::component::pipeline::{SENDER, STORE};
use crate::facts::Facts;
use crate::receipt::Receipt;
use crate::step::Item;
use crate::topology::{CloudName, Topology};

use super::conflict::{Conflict, conflicts, our_manifest};
use super::data::loss;
use super::desired::Desired;
use super::loss::losses;
use super::queue::queue;
use super::stale::take_away;
use super::wipe::{forget_pipeline, wipe};
use super::{Plan, limits, restart};

/// What is, and what the user allows.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What the nodes say. A node that is missing has no machine yet, or one that is switched off.
    pub facts: &'a BTreeMap<String, Facts>,
    /// What is remembered: which nodes once held data.
    pub receipt: &'a Receipt,
    /// Nodes on the user's own hosts, where things may be that are not ours.
    pub strict: &'a BTreeSet<String>,
    /// Nodes whose machine is the one on which an earlier `up` put things.
    pub known: &'a BTreeSet<String>,
    /// Nodes whose machine is gone with its data.
    pub lost: &'a BTreeSet<String>,
    /// Nodes of this deployment that nobody wants any more.
    pub orphans: &'a BTreeSet<String>,
    /// Whether the orphans shall go.
    pub prune: bool,
    /// Nodes whose data the user gives up.
    pub destroy_data: &'a BTreeSet<String>,
    /// What should have been at the last `up`; `None`: not known.
    pub last: Option<&'a Topology>,
}

/// Makes the plan that brings what is to what should be, or names what stands in the way.
///
/// The plan must not run while [`Plan::refused`] has losses that the user did not allow.
pub fn compare(desired: &Desired, situation: &Situation<'_>) -> Result<Plan, Vec<Conflict>> {
    let conflicts = conflicts(desired, situation);
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    let mut plan = Plan {
        losses: losses(desired, situation),
        ..Plan::default()
    };
    plan.notes.extend(left_alone(desired, situation));
    plan.notes.extend(limits::notes(desired, situation));
    plan.troubles = limits::troubles(desired, situation);
    let kept = remove(&mut plan, desired, situation);
    // From here on the facts are those that hold once the data is wiped.
    let mut facts = wipe(&mut plan, desired, situation);
    if store_is_new(desired, situation) {
        // What the pipeline said of databases is about another one.
        forget_pipeline(&mut facts);
    }
    for stage in &desired.stages {
        let mut queues = BTreeMap::new();
        for (node, actions) in &stage.queues {
            let kept = kept.get(node).map_or(&[] as &[Item], Vec::as_slice);
            let queue = queue(
                desired,
                node,
                actions,
                &facts,
                kept,
                absent(situation, node),
            );
            plan.restarts.extend(queue.restarts);
            queues.insert(node.clone(), queue.changes);
        }
        match stage.one_by_one.and_then(component::named) {
            Some(component) => {
                let stage = (component, stage.name.as_str());
                restart::one_by_one(&mut plan, desired, &facts, stage, queues);
            }
            None => plan.push(&stage.name, queues),
        }
    }
    Ok(plan)
}

/// The nodes that nobody wants any more and that stay, in words.
fn left_alone(desired: &Desired, situation: &Situation<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    let (orphans, receipt) = (situation.orphans, situation.receipt);
    for node in orphans.iter().filter(|_| !situation.prune) {
        notes.push(format!(
            "{node}: no longer wanted and left alone; --prune removes it"
        ));
        if receipt.numbers_of(SENDER.name()).contains_key(node) {
            notes.push(format!(
                "{node}: its {} was not stopped, and what it sends is read as before",
                SENDER.title()
            ));
        }
    }
    let existing = receipt.machines.iter().filter(|(node, record)| {
        CloudName::is_of_the_user_by_name(&record.cloud) && !desired.nodes().contains(node.as_str())
    });
    notes.extend(existing.map(|(node, _)| {
        format!("{node}: no longer in the inventory and left alone; only `deployer teardown` takes away what is on it")
    }));
    notes
}

/// Appends the stage that takes away what is no longer wanted, and returns what stays all the same.
fn remove(
    plan: &mut Plan,
    desired: &Desired,
    situation: &Situation<'_>,
) -> BTreeMap<String, Vec<Item>> {
    let mut queues = BTreeMap::new();
    let mut all_kept = BTreeMap::new();
    for node in desired.nodes() {
        let Some(manifest) = situation
            .facts
            .get(node)
            .and_then(|facts| our_manifest(desired, facts))
        else {
            continue;
        };
        let wanted = desired.items(node);
        let stale: Vec<Item> = manifest
            .items
            .iter()
            .filter(|item| !wanted.iter().any(|wanted| wanted.is(item)))
            .cloned()
            .collect();
        let keep_data = !situation.destroy_data.contains(node);
        let away = take_away(node, &stale, &wanted, keep_data, "no longer wanted");
        for path in stale
            .iter()
            .filter(|item| item.holds_data())
            .filter_map(Item::path)
        {
            if keep_data {
                plan.notes.push(format!(
                    "{node}: {path} is no longer wanted and stays with the data in it; --destroy-data {node} removes it"
                ));
            } else {
                let words = format!("{path} is removed with the data in it");
                plan.losses.push(loss(situation, node, words));
            }
        }
        queues.insert(node.to_owned(), away.changes);
        all_kept.insert(node.to_owned(), away.kept);
    }
    plan.push("remove", queues);
    all_kept
}

/// Whether the store is yet to begin where it should be: it has no place for its data there.
fn store_is_new(desired: &Desired, situation: &Situation<'_>) -> bool {
    desired
        .data
        .iter()
        .filter(|(_, roles)| roles.contains_key(STORE.name()))
        .any(|(node, _)| {
            let facts = situation.facts.get(node);
            facts.is_some_and(|facts| !desired.has_places(node, STORE.name(), facts))
        })
}

/// Why a node has no facts, in words.
fn absent(situation: &Situation<'_>, node: &str) -> &'static str {
    let record = situation.receipt.machines.get(node);
    let has_machine = record.is_some_and(|record| record.machine.is_some());
    if has_machine && !situation.lost.contains(node) {
        "the machine does not run"
    } else {
        "new machine"
    }
}
