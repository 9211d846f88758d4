//! Where the time of an `up` went.

use std::time::{Duration, Instant};

/// Where the time went, in the order of things.
#[derive(Default)]
pub struct Times(Vec<(String, f64)>);

impl Times {
    /// Something took the time since then.
    pub fn since(&mut self, what: &str, start: Instant) {
        self.took(what, start.elapsed());
    }

    /// Something took so long.
    pub fn took(&mut self, what: &str, time: Duration) {
        self.0.push((what.into(), time.as_secs_f64()));
    }

    /// In words, without what took next to nothing. Names of stages have commas, so the parts have points between them.
    pub fn words(&self) -> String {
        let parts: Vec<String> = self
            .0
            .iter()
            .filter(|(_, seconds)| *seconds >= 0.05)
            .map(|(what, seconds)| format!("{what} {seconds:.1}"))
            .collect();
        parts.join(" · ")
    }
}
