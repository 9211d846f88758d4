//! What a running agent tells about itself: figures, alarms, and to systemd that it is alive.

mod labelled;
mod page;
mod server;
mod service;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::histogram::Histogram;

pub use labelled::Labelled;
pub use prometheus_client::registry::Registry;
pub use server::{Shown, serve};
pub use service::{Pulse, Service};

/// What is wrong with an agent at present, each thing under a word of its own. Copies share it.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, String>>>);

impl Health {
    /// Notes that something is wrong. Returns whether that is new.
    pub fn raise(&self, what: &str, reason: impl Into<String>) -> bool {
        self.lock().insert(what.to_owned(), reason.into()).is_none()
    }

    /// Notes that something is well. Returns whether it was not.
    pub fn clear(&self, what: &str) -> bool {
        self.lock().remove(what).is_some()
    }

    /// Returns what is wrong, one line each.
    pub fn reasons(&self) -> Vec<String> {
        let line = |(what, reason): (&String, &String)| format!("{what}: {reason}");
        self.lock().iter().map(line).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        // Each change is one call: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a histogram of seconds, from a millisecond to the hours of an outage.
pub fn seconds() -> Histogram {
    Histogram::new([
        0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 600.0,
        3600.0, 36_000.0,
    ])
}

/// Returns how many seconds passed from a moment in milliseconds; a clock that is ahead of ours counts as now.
pub fn seconds_between(milliseconds: i64, now: Timestamp) -> f64 {
    let passed = now.as_millisecond().saturating_sub(milliseconds);
    Duration::from_millis(u64::try_from(passed).unwrap_or(0)).as_secs_f64()
}

/// Returns a histogram of numbers of documents.
pub fn sizes() -> Histogram {
    Histogram::new([
        1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0,
    ])
}
