//! Reports: what happens, as events; who shows them, and how, is the reporter's business.

use std::time::Duration;

pub mod bars;
pub mod pipe;
pub mod plain;

/// Something worth telling.
#[derive(Debug, Clone)]
pub enum Event {
    /// A stage began.
    StageStarted {
        /// Its name.
        stage: String,
        /// The nodes at work in it; empty when it is not about nodes.
        nodes: Vec<String>,
    },
    /// A stage ended.
    StageFinished {
        /// Its name.
        stage: String,
        /// How long it took.
        took: Duration,
    },
    /// A step began.
    StepStarted {
        /// The node; `None`: the deployment as a whole.
        node: Option<String>,
        /// Verb and object.
        words: String,
    },
    /// A running step says how far it is.
    StepOutput {
        /// The node.
        node: Option<String>,
        /// One line.
        line: String,
    },
    /// A step ended.
    StepFinished {
        /// The node.
        node: Option<String>,
        /// Verb and object.
        words: String,
        /// How it went.
        outcome: Outcome,
        /// How long it took.
        took: Duration,
    },
    /// Something to know, outside of steps.
    Note(String),
    /// Something to know that may hurt.
    Warning(String),
}

/// How a step went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was so already.
    Already,
    /// It was not tried, and why.
    Skipped(String),
    /// It failed; the error itself is returned to the caller, too.
    Failed(String),
}

/// Shows events. Used by several lanes at once.
pub trait Reporter: Send + Sync {
    /// One event.
    fn event(&self, event: &Event);
}
