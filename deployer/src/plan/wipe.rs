//! Emptying what cannot go on with its data.

use std::collections::BTreeMap;

use crate::component;
use crate::component::place::Place;
use crate::facts::Facts;
use crate::step::Action;

use super::desired::Desired;
use super::loss::{Wipe, wipes};
use super::{Change, Plan, Situation};

/// Appends the stage that empties what cannot go on with its data, and returns the facts as they are then.
pub(super) fn wipe(
    plan: &mut Plan,
    desired: &Desired,
    situation: &Situation<'_>,
) -> BTreeMap<String, Facts> {
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

/// What the pipeline said is no longer so.
pub(super) fn forget_pipeline(facts: &mut BTreeMap<String, Facts>) {
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
