//! Deployments as their tags show them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::observed::Observed;
use super::tags;
use crate::cloud::Found;

/// Deployments by their tags. Pure.
pub(super) fn found(observed: &Observed) -> Vec<Found> {
    let mut all: BTreeMap<String, Found> = BTreeMap::new();
    for (thing, kind, tags) in observed.tags() {
        let Some(id) = tags.get(tags::ID) else {
            continue;
        };
        let entry = all.entry(id.clone()).or_insert_with(|| Found {
            id: id.clone(),
            deployment: tags.get(tags::DEPLOYMENT).cloned().unwrap_or_default(),
            nodes: BTreeSet::new(),
            owner: tags.get(tags::OWNER).cloned(),
            created: None,
            things: Vec::new(),
        });
        entry
            .nodes
            .extend(tags.get(tags::NODE).filter(|_| kind == "machine").cloned());
        entry.things.push(format!("{kind} {thing}"));
    }
    for instance in observed
        .instances
        .iter()
        .filter(|instance| instance.lives())
    {
        let Some(entry) = instance.tags.get(tags::ID).and_then(|id| all.get_mut(id)) else {
            continue;
        };
        entry.created = entry.created.into_iter().chain(instance.launched).min();
        for line in entry
            .things
            .iter_mut()
            .filter(|line| line.ends_with(&instance.id))
        {
            *line = format!("{line}, {}", instance.state.name());
        }
    }
    all.into_values().collect()
}
