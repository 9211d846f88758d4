//! Running a plan: stages in order, nodes of a stage side by side. Decides nothing about the topology.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::facts::{Facts, Query};
use crate::host::{HostError, Line};
use crate::step::Action;

pub mod apply;
mod ask;
mod hosts_block;
pub mod journal;
pub mod keys;
pub mod runner;

/// Asks nodes and acts on them. The real one is [`apply::HostExecutor`]; tests have one in memory.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Asks a node all that is wanted, in one round trip.
    async fn ask(&self, node: &str, query: &Query) -> Result<Facts, HostError>;

    /// Does one action on a node. Doing it twice is doing it once. `line` gets what the action says on its way.
    async fn apply(&self, node: &str, action: &Action, line: Line<'_>) -> Result<(), StepError>;
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The node could not be reached, or did not answer in time.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A command on the node failed.
    #[error("`{command}` ended with exit code {status}{}", shown(.output))]
    Failed {
        /// Program and arguments.
        command: String,
        /// Exit code.
        status: i32,
        /// Its last 20 lines.
        output: Vec<String>,
    },
    /// Something was not so in time.
    #[error("{what} within {seconds} s{}", shown(.output))]
    Deadline {
        /// What did not come about: `vm2: nothing listens on port 9092`.
        what: String,
        /// How long it was waited for.
        seconds: u64,
        /// The last 20 lines of the unit's log, or what was said.
        output: Vec<String>,
    },
    /// The plan names an artifact that this run does not have: a bug.
    #[error("the run has no artifact `{0}`")]
    NoArtifact(String),
}

fn shown(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n    {line}")).collect()
}

/// Steps that failed or were not tried, by node.
pub type Failures = BTreeMap<String, (String, StepError)>;
