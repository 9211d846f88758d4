//! How copying documents is shown, and how long it may stand still.

use std::time::{Duration, Instant};

use crate::report::{Event, Reporter, StepOutcome};

/// How long one part may take: without an answer for so long nothing moves.
pub const STALL: Duration = Duration::from_mins(3);

/// A step of the deployment as a whole, as it is shown.
pub struct Step<'a> {
    words: String,
    started: Instant,
    reporter: &'a dyn Reporter,
}

impl<'a> Step<'a> {
    /// Shows that it begins.
    pub fn begin(words: String, reporter: &'a dyn Reporter) -> Self {
        let (node, shown) = (None, words.clone());
        reporter.event(&Event::StepStarted { node, words: shown });
        Self {
            words,
            started: Instant::now(),
            reporter,
        }
    }

    /// Shows how far it is.
    pub fn says(&self, line: String) {
        self.reporter.event(&Event::StepOutput { node: None, line });
    }

    /// Shows that it is done.
    pub fn end(self) {
        self.reporter.event(&Event::StepFinished {
            node: None,
            words: self.words,
            outcome: StepOutcome::Done,
            took: self.started.elapsed(),
        });
    }
}
