//! How far the producer came: written to the state now and then, shown by the figures and the alarms.

use std::time::Duration;

use tokio::time::Instant;

use super::{Producer, ProducerError};

/// How often the state is written while events never stop being on their way.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How long Kafka may confirm nothing of what is on its way before that is an alarm.
const SILENCE: Duration = Duration::from_secs(30);

impl Producer {
    /// Notes what is confirmed, writes the state where it is time to, and lets go of the spool's confirmed segments.
    pub(super) fn settle(&mut self) -> Result<(), ProducerError> {
        if let Some(sequence) = self.window.settle() {
            self.state.acked = sequence;
        }
        let ticket = self.window.first().unwrap_or_else(|| self.spool.position());
        // While the client is replaced, or reads again, the position is behind.
        if ticket > self.state.ticket {
            self.state.ticket = ticket;
            self.is_unsaved = true;
        }
        let can_release = self.spool.has_confirmed(self.state.ticket);
        if !self.is_unsaved
            || !(can_release || self.is_idle() || self.saved_at.elapsed() >= SAVE_EVERY)
        {
            return Ok(());
        }
        self.saved_at = Instant::now();
        match self.directory.save(&self.state) {
            Ok(()) => {
                self.is_unsaved = false;
                self.health.clear("state");
            }
            // On a full disk this waits; the spool itself tells all but the last second, and what is confirmed there is
            // what makes room.
            Err(error) => {
                let reason = crate::error::chain(&error);
                if self.health.raise("state", reason.clone()) {
                    tracing::error!(
                        error = reason,
                        "the state cannot be written; it is tried again"
                    );
                }
                if self.spool.ends_empty() {
                    return Ok(());
                }
            }
        }
        Ok(self.spool.release(self.state.ticket)?)
    }

    /// Shows how things stand, once a second.
    pub(super) fn look(&mut self) {
        self.metrics
            .in_flight
            .set(self.window.len().cast_signed() as i64);
        let left = self.spool.end() - self.state.ticket;
        self.metrics.spool_events.set(left.cast_signed());
        self.metrics
            .spool_bytes
            .set(self.spool.bytes().cast_signed());
        // Who has looked at them removes the file.
        if self.state.refused > 0 && self.refused.is_gone() {
            self.state.refused = 0;
            self.is_unsaved = true;
        }
        self.metrics
            .kept_aside
            .set(self.refused.bytes().cast_signed());
        if self.heard_at.elapsed() < SILENCE {
            if self.renew_at.is_none() {
                self.health.clear("kafka");
            }
            return;
        }
        let reason = match self.client.last_error().get() {
            Some(last) => format!("confirms nothing: {last}"),
            None => "confirms nothing".to_owned(),
        };
        if self.health.raise("kafka", reason) {
            tracing::warn!(left, "Kafka confirms nothing; events are kept in the spool");
        }
    }
}
