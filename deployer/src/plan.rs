//! Plans: what should be (desired), compared with what is (facts). Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::step::{Action, Step};

/// Ordered stages: a stage begins when the one before has ended on all nodes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Plan {
    /// The stages.
    pub stages: Vec<Stage>,
}

/// Steps that may run at the same time on different nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// Its name, a noun: `zookeeper`.
    pub name: String,
    /// Node → its steps, in order.
    pub lanes: BTreeMap<String, Vec<Change>>,
}

/// A step that is to be done, and what is different now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// What is to be done.
    pub step: Step,
    /// What is there now, in words: `missing`, `differs`, `restart: server.properties changed`.
    pub because: String,
    /// The difference as a unified diff, for files that may be shown.
    pub diff: Option<String>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.stages
            .iter()
            .all(|stage| stage.lanes.values().all(Vec::is_empty))
    }

    /// All actions, in order of stages and nodes.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.stages
            .iter()
            .flat_map(|stage| stage.lanes.values())
            .flatten()
            .map(|change| &change.step.action)
    }
}
