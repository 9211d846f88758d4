//! What should be, compared with what is: the plan holds only what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::component;
use crate::component::pipeline::{SENDER, STORE};
use crate::component::place::Place;
use crate::facts::Facts;
use crate::receipt::Receipt;
use crate::step::{Action, Item, Manifest};
use crate::topology::{CloudName, Topology};

use super::check::{Check, check};
use super::conflict::{Conflict, conflicts, our_manifest};
use super::data::loss;
use super::desired::Desired;
use super::loss::{Wipe, losses, wipes};
use super::query::alternatives;
use super::stale::take_away;
use super::unit::{self, Need};
use super::{Change, Plan, Restart, limits, restart};

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

/// Appends the stage that empties what cannot go on with its data, and returns the facts as they are then.
fn wipe(plan: &mut Plan, desired: &Desired, situation: &Situation<'_>) -> BTreeMap<String, Facts> {
    let mut facts = situation.facts.clone();
    for wipe in wipes(desired, situation) {
        let queues = empty(&wipe, desired, &mut facts);
        plan.push(&format!("wipe {}s", wipe.component.one()), queues);
        // No broker, no topic: what the pipeline said is no longer so.
        forget_pipeline(&mut facts);
    }
    facts
}

/// Stops who has the data open and removes them.
fn empty(
    wipe: &Wipe,
    desired: &Desired,
    facts: &mut BTreeMap<String, Facts>,
) -> BTreeMap<String, Vec<Change>> {
    let because = &format!("{} starts anew", wipe.root.title());
    let name = wipe.component.name();
    let mut queues: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    // Its readers too: they must not meet what is new with what they know of the old.
    let readers = component::ALL
        .iter()
        .filter(|reader| reader.reads_data_of().contains(&name))
        .map(|reader| (reader.name(), None));
    for (component, nodes) in readers.chain([(name, Some(&wipe.nodes))]) {
        for (node, unit) in units(desired, component) {
            if nodes.is_some_and(|nodes| !nodes.contains(node)) {
                continue;
            }
            let fact = facts
                .get_mut(node)
                .and_then(|facts| facts.units.get_mut(unit));
            let Some(fact) = fact.filter(|fact| fact.loaded) else {
                continue;
            };
            fact.active = "inactive".into();
            fact.sub = "dead".into();
            fact.enabled = false;
            let stop = Action::StopUnit { unit: unit.into() };
            let queue = queues.entry(node.into()).or_default();
            queue.push(Change::new(node, stop, because));
        }
    }
    for node in &wipe.nodes {
        let roles = desired.data.get(node);
        let queue = queues.entry(node.clone()).or_default();
        for place in roles
            .and_then(|roles| roles.get(name))
            .into_iter()
            .flatten()
        {
            if let Action::CreateDirectory { path, data, .. } = place {
                let (path, data) = (path.clone(), *data);
                let empty = Action::RemoveDirectory { path, data };
                queue.push(Change::new(node, empty, because));
                queue.push(Change::new(node, place.clone(), because));
            }
        }
    }
    queues
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

fn forget_pipeline(facts: &mut BTreeMap<String, Facts>) {
    for facts in facts.values_mut() {
        facts.pipeline = None;
    }
}

/// The units of a component that are to run, with their nodes.
fn units<'a>(desired: &'a Desired, component: &'static str) -> Vec<(&'a str, &'a str)> {
    let name = Place::of(&desired.deployment, component).unit();
    let queues = desired.stages.iter().flat_map(|stage| &stage.queues);
    queues
        .flat_map(|(node, queue)| queue.iter().map(move |action| (node.as_str(), action)))
        .filter_map(|(node, action)| match action {
            Action::StartUnit { unit, .. } if *unit == name => Some((node, unit.as_str())),
            _ => None,
        })
        .collect()
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

/// What differs of one queue.
struct Queue {
    changes: Vec<Change>,
    restarts: Vec<Restart>,
}

fn queue(
    desired: &Desired,
    node: &str,
    actions: &[Action],
    all: &BTreeMap<String, Facts>,
    kept: &[Item],
    absent: &str,
) -> Queue {
    let facts = all.get(node);
    let mut queue = Queue {
        changes: Vec::new(),
        restarts: Vec::new(),
    };
    let mut started: BTreeSet<&str> = BTreeSet::new();
    for action in actions {
        let whole = match action {
            Action::WriteManifest { manifest } => Action::WriteManifest {
                manifest: complete(desired, manifest, facts, kept),
            },
            other => of_all_addresses(other, all),
        };
        let Some(facts) = facts else {
            queue.changes.push(Change::new(node, whole, absent));
            continue;
        };
        match (check(&whole, facts), action) {
            (Check::Differs { because, diff }, _) => {
                queue.changes.push(Change {
                    diff,
                    ..Change::new(node, whole, because)
                });
            }
            // It listens now, but it is about to be started again.
            (Check::Satisfied, Action::WaitForPort { unit, .. })
                if started.contains(unit.as_str()) =>
            {
                queue
                    .changes
                    .push(Change::new(node, whole, "after the start"));
                continue;
            }
            (Check::Satisfied, _) => continue,
        }
        if let Action::StartUnit {
            unit,
            reads,
            finishes,
        } = action
        {
            started.insert(unit);
            if let Need::Restart(because) = unit::need(unit, reads, finishes.as_deref(), facts) {
                queue.restarts.push(Restart {
                    node: node.into(),
                    unit: unit.clone(),
                    because,
                });
            }
        }
    }
    queue
}

/// The action as it is with what nodes say of their addresses: a firewall admits members from all of them.
pub fn of_all_addresses(action: &Action, facts: &BTreeMap<String, Facts>) -> Action {
    let mut whole = action.clone();
    if let Action::WriteFirewall { members, .. } = &mut whole {
        *members = with_secondary(members, facts);
    }
    whole
}

/// The members with the other addresses that each has at the interface where we know one: it may speak from any of them.
fn with_secondary(
    members: &BTreeMap<String, Option<IpAddr>>,
    facts: &BTreeMap<String, Facts>,
) -> BTreeMap<String, Option<IpAddr>> {
    let mut all = members.clone();
    for (node, known) in members {
        let (Some(known), Some(facts)) = (known, facts.get(node)) else {
            continue;
        };
        let Some(interface) = facts.addresses.get(known) else {
            continue;
        };
        let beside = facts.addresses.iter().filter(|(address, at)| {
            *at == interface && *address != known && address.is_ipv4() == known.is_ipv4()
        });
        all.extend(beside.map(|(address, _)| (format!("{node} {address}"), Some(*address))));
    }
    all
}

/// The manifest with what only the node can tell: packages that were not there before us, and old items that stay.
fn complete(
    desired: &Desired,
    wanted: &Manifest,
    facts: Option<&Facts>,
    kept: &[Item],
) -> Manifest {
    let mut packages: BTreeSet<String> = facts
        .and_then(|facts| our_manifest(desired, facts))
        .map(|manifest| manifest.packages.clone())
        .unwrap_or_default();
    let there = |name: &str| facts.is_some_and(|facts| facts.packages.contains(name));
    packages.extend(
        desired
            .packages(&wanted.node)
            .into_iter()
            .filter(|entry| !alternatives(entry).any(there)),
    );
    Manifest {
        items: kept.iter().chain(&wanted.items).cloned().collect(),
        packages,
        ..wanted.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::IpAddr;

    use super::with_secondary;
    use crate::facts::Facts;

    #[test]
    fn a_member_may_speak_from_any_address_of_its_interface() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let on = |text: &str, interface: &str| (address(text), interface.to_owned());
        let facts = Facts {
            addresses: BTreeMap::from([
                on("10.0.0.5", "eth0"),
                on("10.0.0.50", "eth0"),
                on("fd00::5", "eth0"),
                on("172.17.0.1", "docker0"),
            ]),
            ..Facts::default()
        };
        let facts = BTreeMap::from([("vm2".to_owned(), facts)]);
        let members = |known: &str| {
            let members = [
                ("vm2".to_owned(), Some(address(known))),
                ("vm3".to_owned(), Some(address("10.0.0.6"))),
                ("vm4".to_owned(), None),
            ];
            let all = with_secondary(&members.into(), &facts);
            let mut all: Vec<String> = all.values().flatten().map(ToString::to_string).collect();
            all.sort();
            all
        };
        assert_eq!(members("10.0.0.50"), ["10.0.0.5", "10.0.0.50", "10.0.0.6"]);
        assert_eq!(members("192.0.2.1"), ["10.0.0.6", "192.0.2.1"]);
    }
}
