//! From the source to the disk: events are numbered and kept before anything else is done with them.

use tokio::time::Instant;

use super::spool::Record;
use super::{Producer, ProducerError};

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
        if !self.spool.is_full() {
            if self.health.clear("spool") {
                tracing::info!("the spool has room again; the source is read");
            }
            return true;
        }
        if self
            .health
            .raise("spool", "is full; the source is not read")
        {
            tracing::error!(
                bytes = self.spool.bytes(),
                "the spool is full: the source is not read until Kafka has confirmed events"
            );
        }
        false
    }

    /// Numbers the events at hand and keeps them on the disk. Where that is full they are held, and tried again.
    pub(super) fn give_out(&mut self) -> Result<(), ProducerError> {
        let mut events = Vec::with_capacity(self.held.len());
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
            events.push(event);
        }
        let (run, topic) = (&self.origin.run, &self.topic);
        let numbered = (self.state.produced + 1..).zip(self.held.iter().zip(&events));
        let records = numbered.map(|(sequence, (taken, event))| Record {
            timestamp: taken.at.as_millisecond(),
            sequence,
            mark: taken.mark,
            run,
            topic,
            event,
        });
        if let Err(error) = self.spool.append(records) {
            let wait = self.backoff.next_wait();
            let reason = crate::command::chain(&error);
            if self.health.raise("disk", reason.clone()) {
                tracing::error!(
                    error = reason,
                    held = events.len(),
                    "events cannot be kept; they are tried again, and the source is not read"
                );
            }
            self.write_at = Some(Instant::now() + wait);
            return Ok(());
        }
        if self.health.clear("disk") {
            tracing::info!("events can be kept again");
        }
        if let Some(last) = self.held.last() {
            self.state.mark = last.mark;
        }
        self.state.produced += events.len() as u64;
        self.is_unsaved = true;
        self.metrics.produced.inc_by(events.len() as u64);
        let bytes: usize = events.iter().map(String::len).sum();
        self.metrics.produced_bytes.inc_by(bytes as u64);
        self.held.clear();
        Ok(())
    }
}
