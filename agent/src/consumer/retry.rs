//! How long the writer waits for a store that does not take documents, and what the log says meanwhile.

use std::time::Duration;

use super::metrics::Metrics;
use crate::backoff::Backoff;
use crate::store::Trouble;

/// The first and the longest wait while the store is away.
const AWAY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// The first and the longest wait while the store does not let us in.
const DENIED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// How many attempts may fail, within some seconds, before a store that is away is an alarm.
const ATTEMPTS: u32 = 8;

/// Waits between attempts and says so in the log, the first time and then ever more seldom.
pub(super) struct Retry<'a> {
    database: &'a str,
    metrics: &'a Metrics,
    away: Backoff,
    denied: Backoff,
}

impl<'a> Retry<'a> {
    pub(super) fn new(database: &'a str, metrics: &'a Metrics) -> Self {
        Self {
            database,
            metrics,
            away: Backoff::new(AWAY.0, AWAY.1),
            denied: Backoff::new(DENIED.0, DENIED.1),
        }
    }

    pub(super) async fn wait(&mut self, trouble: &Trouble) {
        let Self { database, .. } = *self;
        self.metrics.retries.inc();
        let wait = match trouble {
            Trouble::Away(reason) => {
                let wait = self.away.next_wait();
                if self.away.attempt().is_power_of_two() {
                    tracing::warn!(
                        database,
                        reason,
                        attempt = self.away.attempt(),
                        "CouchDB does not take documents; trying again"
                    );
                }
                if self.away.attempt() >= ATTEMPTS {
                    self.metrics.health.raise(database, reason.as_str());
                }
                wait
            }
            Trouble::Denied(reason) | Trouble::Rejected(reason) => {
                let wait = self.denied.next_wait();
                self.metrics.health.raise(database, reason.as_str());
                tracing::error!(
                    database,
                    reason,
                    "CouchDB does not let the consumer write; somebody must act, nothing is lost"
                );
                wait
            }
        };
        tokio::time::sleep(wait).await;
    }

    pub(super) fn reset(&mut self) {
        if self.away.attempt() + self.denied.attempt() > 0 {
            tracing::info!(database = self.database, "CouchDB takes documents again");
            *self = Self::new(self.database, self.metrics);
        }
    }
}

impl Drop for Retry<'_> {
    /// Ends the alarm with the wait; another write that still waits raises it again.
    fn drop(&mut self) {
        self.metrics.health.clear(self.database);
    }
}
