//! From the source to the disk: events are numbered and kept before anything else is done with them.

use std::io;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::spool::{Place, Record, SpoolError};
use super::{Producer, ProducerError};
use crate::source::{Batch, Checkpoint};

/// Events at hand that are written and not yet safe.
pub(super) struct Writing {
    bytes: u64,
    synced: JoinHandle<io::Result<()>>,
}

impl Writing {
    /// Waits until the disk has what was written, or says that it has not.
    pub(super) async fn synced(&mut self) -> io::Result<()> {
        let synced = (&mut self.synced).await;
        synced.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
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

    /// Returns how many events are at hand and not kept yet.
    pub(super) fn held_events(&self) -> usize {
        self.held.iter().map(|batch| batch.events.len()).sum()
    }

    /// Takes what the source has given.
    pub(super) fn take(&mut self, batches: Vec<Batch>) -> Result<(), ProducerError> {
        let mut wanted = self.wanted();
        self.held = batches;
        // What is beyond the run's end was read in vain, and nobody may take it for safe.
        for batch in &mut self.held {
            if batch.events.len() > wanted {
                batch.events.truncate(wanted);
                batch.checkpoint = Checkpoint::default();
            }
            wanted -= batch.events.len();
        }
        self.held.retain(|batch| !batch.events.is_empty());
        if self.held.is_empty() {
            return Ok(());
        }
        self.write()
    }

    /// Numbers the events at hand and writes them; [`Self::keep`] ends that. The disk works while others are sent.
    pub(super) fn write(&mut self) -> Result<(), ProducerError> {
        self.write_at = None;
        let mut bytes = 0;
        let mut sequence = self.state.produced;
        for batch in &self.held {
            let last = batch.events.len() - 1;
            for (index, taken) in batch.events.iter().enumerate() {
                sequence += 1;
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
                    place: if index == last {
                        Place::Last(&batch.checkpoint.0)
                    } else {
                        Place::Within
                    },
                    run: &self.origin.run,
                    topic: &self.topic,
                    event: &event,
                });
            }
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
        let synced = writing.synced().await;
        self.kept(synced);
    }

    /// Counts the events at hand as produced, where the disk has them.
    pub(super) fn kept(&mut self, synced: io::Result<()>) {
        let Some(writing) = self.writing.take() else {
            return;
        };
        let (bytes, start) = (writing.bytes, self.spool.end());
        if let Err(error) = self.spool.keep(synced) {
            return self.hold(&error);
        }
        if self.health.clear("disk") {
            tracing::info!("events can be kept again");
        }
        let mut events = 0;
        for batch in self.held.drain(..) {
            events += batch.events.len() as u64;
            self.checkpoints.add(start + events, &batch.checkpoint);
            self.state.checkpoint = batch.checkpoint;
        }
        self.state.produced += events;
        self.is_unsaved = true;
        self.metrics.produced.inc_by(events);
        self.metrics.produced_bytes.inc_by(bytes);
    }

    /// Says that the events at hand are on no disk; they are tried again.
    fn hold(&mut self, error: &SpoolError) {
        let wait = self.backoff.next_wait();
        let reason = crate::error::chain(error);
        if self.health.raise("disk", reason.clone()) {
            tracing::error!(
                error = reason,
                held = self.held_events(),
                "events cannot be kept; they are tried again, and the source is not read"
            );
        }
        self.write_at = Some(Instant::now() + wait);
    }
}
