//! Marks: how our things are known in an account that may hold others. They are in the call that makes a thing, so that nothing exists
//! without them. What lacks our id is never touched.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Found;

/// Keys and values.
pub type Marks = BTreeMap<String, String>;

/// The deployment's id.
pub const ID: &str = "deployer:id";
/// The deployment's name.
pub const DEPLOYMENT: &str = "deployer:deployment";
/// The node a machine carries.
pub const NODE: &str = "deployer:node";
/// Who made it.
pub const OWNER: &str = "deployer:owner";

/// The name of what a deployment has one of.
pub fn resource_name(id: &str) -> String {
    format!("deployer-{id}")
}

/// Something that carries marks.
pub struct Marked<'a> {
    /// Its marks.
    pub marks: &'a Marks,
    /// How it is called, and how it is.
    pub words: String,
    /// Whether it is a machine.
    pub is_machine: bool,
    /// When it was made, or last started.
    pub since: Option<Timestamp>,
}

/// Deployments as the marks of their things show them.
pub fn deployments<'a>(things: impl Iterator<Item = Marked<'a>>) -> Vec<Found> {
    let mut all: BTreeMap<String, Found> = BTreeMap::new();
    for thing in things {
        let mark = |key| thing.marks.get(key).cloned();
        let Some(id) = mark(ID) else {
            continue;
        };
        let entry = all.entry(id.clone()).or_insert_with(|| Found {
            id,
            deployment: String::new(),
            nodes: BTreeSet::new(),
            owner: None,
            created: None,
            things: Vec::new(),
        });
        if entry.deployment.is_empty() {
            entry.deployment = mark(DEPLOYMENT).unwrap_or_default();
        }
        entry.owner = entry.owner.take().or_else(|| mark(OWNER));
        entry.nodes.extend(mark(NODE).filter(|_| thing.is_machine));
        entry.created = entry.created.into_iter().chain(thing.since).min();
        entry.things.push(thing.words);
    }
    all.into_values().collect()
}
