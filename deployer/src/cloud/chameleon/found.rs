//! Deployments as their marks show them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::marks;
use super::observed::Observed;
use crate::cloud::Found;

/// Deployments by their marks.
pub(super) fn found(observed: &Observed) -> Vec<Found> {
    let mut all: BTreeMap<String, Found> = BTreeMap::new();
    for (_, _, words, marks) in observed.things() {
        let Some(id) = marks.get(marks::ID) else {
            continue;
        };
        let entry = all.entry(id.clone()).or_insert_with(|| Found {
            id: id.clone(),
            deployment: String::new(),
            nodes: BTreeSet::new(),
            owner: None,
            created: None,
            things: Vec::new(),
        });
        if entry.deployment.is_empty() {
            entry.deployment = marks.get(marks::DEPLOYMENT).cloned().unwrap_or_default();
        }
        entry.owner = entry
            .owner
            .take()
            .or_else(|| marks.get(marks::OWNER).cloned());
        entry.nodes.extend(marks.get(marks::NODE).cloned());
        entry.things.push(words);
    }
    for server in &observed.servers {
        if let Some(entry) = server.marks.get(marks::ID).and_then(|id| all.get_mut(id)) {
            entry.created = entry.created.into_iter().chain(server.created).min();
        }
    }
    all.into_values().collect()
}
