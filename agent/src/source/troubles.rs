//! What a source found and could not give out as it is: counted, so that nobody has to read the log for it.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::observe::Health;

/// A kind of trouble, as a figure's label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Kind {
    kind: &'static str,
}

/// The troubles of a source. Copies share the counts.
#[derive(Debug, Clone, Default)]
pub struct Troubles {
    counts: Family<Kind, Counter>,
    health: Health,
    has_told_of_long_lines: bool,
}

impl Troubles {
    /// Raises its alarms there.
    pub fn new(health: Health) -> Self {
        Self {
            health,
            ..Self::default()
        }
    }

    /// Returns the figure.
    pub fn counts(&self) -> Family<Kind, Counter> {
        self.counts.clone()
    }

    /// Counts something: a file, a line, a snapshot, or bytes, as its name says.
    pub(super) fn count(&self, kind: &'static str, number: u64) {
        self.counts.get_or_create(&Kind { kind }).inc_by(number);
    }

    /// Counts parts of lines that had to be split, and says so once.
    pub(super) fn long_lines(&mut self, parts: u64) {
        if parts == 0 {
            return;
        }
        self.count("long_lines", parts);
        if !std::mem::replace(&mut self.has_told_of_long_lines, true) {
            tracing::warn!(
                bytes = super::lines::MAX_LINE,
                "a line is too long for one event and is split; further ones are counted in the figures"
            );
        }
    }

    /// Raises or ends the alarm of the source.
    pub(super) fn alarm(&self, reason: Option<String>) -> bool {
        match reason {
            Some(reason) => self.health.raise("source", reason),
            None => self.health.clear("source"),
        }
    }
}
