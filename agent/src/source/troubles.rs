//! What a source found and could not give out as it is: counted, so that nobody has to read the log for it.

use std::collections::BTreeMap;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::observe::{Health, Labelled};

/// A kind of trouble, as a figure's label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub struct Kind {
    kind: &'static str,
}

/// The troubles of a source. Copies share the counts.
#[derive(Debug, Clone, Default)]
pub struct Troubles {
    counts: Labelled<Kind, Counter>,
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
    pub fn family(&self) -> Family<Kind, Counter> {
        self.counts.family()
    }

    /// Returns how many there are of each kind.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let all = self.counts.all().into_iter();
        all.map(|(of, count)| (of.kind, count.get())).collect()
    }

    /// Counts something: a file, a line, a snapshot, or bytes, as its name says.
    pub(super) fn count(&self, kind: &'static str, number: u64) {
        self.counts.of(Kind { kind }).inc_by(number);
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
