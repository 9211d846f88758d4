//! Plans: what should be ([`desired`]) compared ([`compare`]) with what is (facts). Pure and synchronous: nothing here can do
//! anything, and the same [`check`] tells the plan what differs and the runner what is done already.
//!
//! The flow is [`desired()`] → [`queries`] → (ask the nodes) → [`epochs_to_renew`] → [`compare()`] → run; [`teardown()`] makes the
//! plan that takes all away again from the manifests alone.
//!
//! # The plan as JSON
//!
//! [`Plan`] serialised is the answer of `plan --json`. It is stable: fields may be added, none is renamed or removed.
//!
//! ```json
//! {"stages": [{"name": "base", "lanes": {"vm2": [
//!     {"step": {"node": "vm2", "action": {"do": "write_file", "path": "…", "content": {"sha256": "…", "text": null}, "access": {…}}},
//!      "because": "missing", "diff": null}]}}],
//!  "restarts": [{"node": "vm2", "unit": "shop-store.service", "because": "server.properties changed since it started"}],
//!  "losses": [{"node": "vm2", "words": "…", "allowed": false}],
//!  "troubles": ["…"],
//!  "notes": ["…"]}
//! ```
//!
//! A secret's `text` is `null`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::step::{Action, Step};

mod check;
mod compare;
mod conflict;
mod data;
mod desired;
mod drift;
mod limits;
mod loss;
mod query;
mod queue;
mod remains;
mod restart;
mod show;
mod stale;
mod teardown;
mod unit;
mod wipe;

pub use check::{Check, check};
pub use compare::{Situation, compare};
pub use conflict::Conflict;
pub use desired::{Common, Desired, DesiredStage, OPERATOR, desired, desired_with};
pub use drift::drift;
pub use limits::{Impossible, impossible};
pub use loss::epochs_to_renew;
pub use query::{queries, query};
pub use queue::of_all_addresses;
pub use remains::{remains, to_undo};
pub use teardown::teardown;

/// Ordered stages: a stage begins when the one before has ended on all nodes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Plan {
    /// The stages.
    pub stages: Vec<Stage>,
    /// Units that run and will be restarted.
    pub restarts: Vec<Restart>,
    /// Data that is lost by this plan, or is gone already.
    pub losses: Vec<Loss>,
    /// What is not as it should be and cannot be mended by a plan, in words.
    pub troubles: Vec<String>,
    /// What else the user should know, in words: things that stay.
    pub notes: Vec<String>,
}

/// Steps that may run at the same time on different nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// Its name, a noun: `base`.
    pub name: String,
    /// Node → its steps, in order.
    #[serde(rename = "lanes")]
    pub queues: BTreeMap<String, Vec<Change>>,
}

/// A step that is to be done, and what is different now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// What is to be done.
    pub step: Step,
    /// What is there now, in words: `missing`, `content differs`, `restart: server.properties changed since it started`.
    pub because: String,
    /// The difference as a unified diff, for files that may be shown; of topics a line for each thing that differs.
    pub diff: Option<String>,
}

/// A unit that runs and will be restarted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restart {
    /// The node.
    pub node: String,
    /// The unit.
    pub unit: String,
    /// Why, in words.
    pub because: String,
}

/// Data that is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The node whose data it is; the one to name in `--destroy-data`.
    pub node: String,
    /// What is lost and why, in words.
    pub words: String,
    /// Whether the user has allowed it.
    pub allowed: bool,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.stages
            .iter()
            .all(|stage| stage.queues.values().all(Vec::is_empty))
    }

    /// All actions, in order of stages and nodes.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.changes().map(|change| &change.step.action)
    }

    /// All changes, in order of stages and nodes.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.stages
            .iter()
            .flat_map(|stage| stage.queues.values())
            .flatten()
    }

    /// The losses that the user has not allowed: the plan must not run while there are any.
    pub fn refused(&self) -> impl Iterator<Item = &Loss> {
        self.losses.iter().filter(|loss| !loss.allowed)
    }

    /// Appends a stage, unless nothing happens in it.
    fn push(&mut self, name: &str, queues: BTreeMap<String, Vec<Change>>) {
        let queues: BTreeMap<_, _> = queues
            .into_iter()
            .filter(|(_, changes)| !changes.is_empty())
            .collect();
        if !queues.is_empty() {
            self.stages.push(Stage {
                name: name.into(),
                queues,
            });
        }
    }
}

impl Change {
    fn new(node: &str, action: Action, because: impl Into<String>) -> Self {
        Self {
            step: Step {
                node: node.into(),
                action,
            },
            because: because.into(),
            diff: None,
        }
    }
}
