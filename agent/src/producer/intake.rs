//! From the source to the disk: events are numbered and kept before anything else is done with them.

use std::io;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::spool::{Record, SpoolError};
use super::{Producer, ProducerError};
use crate::event::Taken;

/// Events at hand that are written and not yet safe.
pub(super) struct Writing {
    bytes: u64,
    synced: JoinHandle<io::Result<()>>,
}

impl Producer {
    /// Returns how many events the run still wants.
    pub(super) fn wanted(&self) -> usize {
        match self.state.count {
            0 => usize::MAX,
            count => {
                usize::try_from(count.saturating_sub(self.state.produced)).unwrap_or(usize::MAX)
            }
        }
    }

    /// Returns whether the spool takes more, and says so where that changes.
    pub(super) fn has_room(&self) -> bool {
        if !self.spool.is_full(self.refused.bytes()) {
            if self.health.clear("spool") {
                tracing::info!("the spool has room again; the source is read");
            }
            return true;
        }
        let (bytes, refused) = (self.spool.bytes(), self.refused.bytes());
        let reason = if refused > bytes {
            "is full of events that Kafka refused; look at refused.jsonl, and remove it"
        } else {
            "is full; the source is not read"
        };
        if self.health.raise("spool", reason) {
            tracing::error!(
                bytes,
                refused,
                "the spool is full: the source is not read until Kafka has confirmed events"
            );
        }
        false
    }

    /// Returns whether events of the source are taken now.
    pub(super) fn takes(&self) -> bool {
        self.held.is_empty() && self.has_room()
    }

    /// Takes what the source has given.
    pub(super) fn take(&mut self, batches: Vec<Vec<Taken>>) -> Result<(), ProducerError> {
        self.held = batches.into_iter().flatten().collect();
        // What is beyond the run's end was read in vain.
        self.held.truncate(self.wanted());
        if self.held.is_empty() {
            return Ok(());
        }
        self.write()
    }

    /// Numbers the events at hand and writes them; [`Self::keep`] ends that. The disk works while others are sent.
    pub(super) fn write(&mut self) -> Result<(), ProducerError> {
        self.write_at = None;
        let mut bytes = 0;
        for (sequence, taken) in (self.state.produced + 1..).zip(&self.held) {
            let rendered = self.origin.render(sequence, taken);
            let (event, cut) =
                rendered.map_err(|source| ProducerError::Render { sequence, source })?;
            if cut {
                tracing::warn!(
                    sequence,
                    "the snapshot is too large for one event and was shortened"
                );
            }
            bytes += event.len() as u64;
            self.spool.add(&Record {
                timestamp: taken.at.as_millisecond(),
                sequence,
                mark: taken.mark,
                run: &self.origin.run,
                topic: &self.topic,
                event: &event,
            });
        }
        match self.spool.write() {
            Ok(sync) => {
                let synced = tokio::task::spawn_blocking(sync);
                self.writing = Some(Writing { bytes, synced });
            }
            Err(error) => self.hold(&error),
        }
        Ok(())
    }

    /// Waits until the disk has what was written, and counts those events as produced.
    pub(super) async fn keep(&mut self) {
        let Some(writing) = &mut self.writing else {
            return;
        };
        let synced = (&mut writing.synced).await;
        let bytes = writing.bytes;
        self.writing = None;
        let synced = synced.unwrap_or_else(|error| Err(io::Error::other(error)));
        if let Err(error) = self.spool.keep(synced) {
            return self.hold(&error);
        }
        if self.health.clear("disk") {
            tracing::info!("events can be kept again");
        }
        for taken in &self.held {
            self.state.go_to(taken.mark);
        }
        let events = self.held.len() as u64;
        self.state.produced += events;
        self.is_unsaved = true;
        self.metrics.produced.inc_by(events);
        self.metrics.produced_bytes.inc_by(bytes);
        self.held.clear();
    }

    /// Says that the events at hand are on no disk; they are tried again.
    fn hold(&mut self, error: &SpoolError) {
        let wait = self.backoff.next_wait();
        let reason = crate::error::chain(error);
        if self.health.raise("disk", reason.clone()) {
            tracing::error!(
                error = reason,
                held = self.held.len(),
                "events cannot be kept; they are tried again, and the source is not read"
            );
        }
        self.write_at = Some(Instant::now() + wait);
    }
}
