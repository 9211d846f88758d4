//! How long the writer waits for a sink that takes nothing, and what the log says meanwhile.

use std::time::Duration;

use super::metrics::Metrics;
use crate::backoff::Backoff;
use crate::sink::Later;

/// The first and the longest wait while the sink is away.
const AWAY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// The first and the longest wait while the sink does not let us in.
const DENIED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// How many attempts may fail, within some seconds, before a sink that is away is an alarm.
const ATTEMPTS: u32 = 8;

/// Waits between attempts and says so in the log, the first time and then ever more seldom.
pub(super) struct Retry<'a> {
    place: &'a str,
    metrics: &'a Metrics,
    away: Backoff,
    denied: Backoff,
}

impl<'a> Retry<'a> {
    pub(super) fn new(place: &'a str, metrics: &'a Metrics) -> Self {
        Self {
            place,
            metrics,
            away: Backoff::new(AWAY.0, AWAY.1),
            denied: Backoff::new(DENIED.0, DENIED.1),
        }
    }

    pub(super) async fn wait(&mut self, later: &Later) {
        let Self { place, .. } = *self;
        self.metrics.retries.inc();
        let wait = match later {
            Later::Away(reason) => {
                let wait = self.away.next_wait();
                if self.away.attempt().is_power_of_two() {
                    tracing::warn!(
                        place,
                        reason,
                        attempt = self.away.attempt(),
                        "the sink takes nothing; trying again"
                    );
                }
                if self.away.attempt() >= ATTEMPTS {
                    self.metrics.health.raise(place, reason.as_str());
                }
                wait
            }
            Later::Denied(reason) => {
                let wait = self.denied.next_wait();
                self.metrics.health.raise(place, reason.as_str());
                tracing::error!(
                    place,
                    reason,
                    "the sink does not let the consumer write; somebody must act, nothing is lost"
                );
                wait
            }
        };
        tokio::time::sleep(wait).await;
    }

    pub(super) fn reset(&mut self) {
        if self.away.attempt() + self.denied.attempt() > 0 {
            tracing::info!(place = self.place, "the sink takes events again");
            *self = Self::new(self.place, self.metrics);
        }
    }
}

impl Drop for Retry<'_> {
    /// Ends the alarm with the wait; another write that still waits raises it again.
    fn drop(&mut self) {
        self.metrics.health.clear(self.place);
    }
}
