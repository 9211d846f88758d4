//! From the disk to Kafka: what is next in the spool goes to the client, and what becomes of it is noted.

use jiff::Timestamp;
use rdkafka::error::RDKafkaErrorCode;
use tokio::time::Instant;

use super::delivery::{Delivery, QUEUE_WAIT};
use super::refused::reason;
use super::spool::Record;
use super::{Producer, ProducerError, StateError, backoff};
use crate::observe;

impl Producer {
    /// Gives the Kafka client what is next in the spool, as much as may be on its way.
    pub(super) async fn send(&mut self) -> Result<(), ProducerError> {
        if self.window.is_empty() {
            self.heard_at = Instant::now();
        }
        if let Some(mut transactions) = self.transactions.take() {
            let sent = self.send_batch(&mut transactions).await;
            self.transactions = Some(transactions);
            return sent;
        }
        while self.renew_at.is_none() {
            let room = self.window.room(self.spool.position());
            if self.give(room, |_| {}).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Gives the Kafka client so many records of the spool at most, and shows each. Returns how many there were; none where the client
    /// took no more, after a pause.
    pub(super) async fn give(
        &mut self,
        room: usize,
        mut show: impl FnMut(&Record<'_>),
    ) -> Result<usize, ProducerError> {
        let (window, client, state) = (&mut self.window, &self.client, &self.state);
        let mut refused = None;
        let seen = self.spool.next(room, |ticket, record| {
            show(record);
            let sequence = Some(record.sequence).filter(|_| record.run == state.run);
            if refused.is_none()
                && window.admit(ticket, sequence, record.event.len())
                && !client.send(ticket, record.topic, record.timestamp, record.event)
            {
                refused = Some(ticket);
            }
        })?;
        let Some(ticket) = refused else {
            return Ok(seen);
        };
        self.window.recall(ticket);
        self.spool.rewind(ticket)?;
        tokio::time::sleep(QUEUE_WAIT).await;
        Ok(0)
    }

    pub(super) fn confirm(&mut self, reports: Vec<Delivery>) -> Result<(), ProducerError> {
        let (now, now_at) = (Timestamp::now(), Instant::now());
        let (mut confirmed, mut refused, mut again) = (0, Vec::new(), None::<u64>);
        for report in reports {
            let ticket = report.ticket;
            let error = match report.result {
                Ok(timestamp) => {
                    if self.transactions.is_none() {
                        self.window.confirm(ticket);
                        confirmed += 1;
                    } else if report.generation == self.client.generation() {
                        // Its transaction is not committed yet.
                        self.heard_at = now_at;
                    }
                    if let Some(timestamp) = timestamp {
                        let passed = observe::seconds_between(timestamp, now);
                        self.metrics.latency.observe(passed);
                    }
                    continue;
                }
                // What an old client reports at its end is sent again by the new one.
                Err(_) if report.generation != self.client.generation() => continue,
                Err(error) => error,
            };
            match error.rdkafka_error_code() {
                // It was in a batch with one that is refused.
                Some(RDKafkaErrorCode::InvalidDifferentRecord) if self.transactions.is_none() => {
                    self.metrics.errors.inc();
                    self.window.recall(ticket);
                    again = Some(again.map_or(ticket, |first| first.min(ticket)));
                }
                Some(
                    RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::MessageBatchTooLarge,
                ) if !self.is_alone(ticket) => self.shrink(),
                code => match code.and_then(reason) {
                    Some(reason) => refused.push((ticket, reason)),
                    None => self.fail(&crate::kafka::with_advice(&error)),
                },
            }
        }
        self.set_aside(refused)?;
        if let Some(ticket) = again.filter(|ticket| *ticket < self.spool.position()) {
            self.spool.rewind(ticket)?;
        }
        if confirmed > 0 {
            self.metrics.confirmed.inc_by(confirmed);
            self.heard_at = Instant::now();
            self.client.last_error().clear();
            self.backoff = backoff();
        }
        Ok(())
    }

    /// Returns whether an event was alone in its batch, so that what is said of the batch is said of the event.
    fn is_alone(&mut self, ticket: u64) -> bool {
        let bytes = self.window.bytes_of(ticket);
        bytes.is_none_or(|bytes| self.client.sends_alone(bytes))
    }

    /// Sends all events again in smaller batches: one was larger than the topic takes, and librdkafka splits none. It is
    /// not tried again with larger ones before the next start.
    fn shrink(&mut self) {
        self.metrics.errors.inc();
        if self.renew_at.is_none() {
            let bytes = self.client.shrink_batches();
            tracing::warn!(
                bytes,
                "a batch is larger than the topic takes (max.message.bytes); batches of so many bytes from now on"
            );
            self.renew_at = Some(Instant::now());
        }
    }

    /// Sends all events again by a new client, after a while.
    pub(super) fn fail(&mut self, error: &str) {
        self.metrics.errors.inc();
        if self.renew_at.is_none() {
            let wait = self.backoff.next_wait();
            tracing::error!(
                error,
                wait_ms = wait.as_millis(),
                "Kafka did not take an event; it is sent again"
            );
            self.health.raise("kafka", error);
            self.renew_at = Some(Instant::now() + wait);
        }
    }

    /// Puts events that Kafka will never take aside, so that they are neither lost nor in the way.
    fn set_aside(&mut self, mut refused: Vec<(u64, &'static str)>) -> Result<(), ProducerError> {
        let Some((_, first)) = refused.first().copied() else {
            return Ok(());
        };
        refused.sort_unstable();
        let position = self.spool.position();
        let mut events = Vec::new();
        for (ticket, reason) in &refused {
            if self.spool.position() > *ticket || events.is_empty() {
                self.spool.rewind(*ticket)?;
            }
            let mut is_found = false;
            while !is_found
                && self.spool.next(1, |found, record| {
                    if found == *ticket {
                        is_found = true;
                        events.push((record.topic.to_owned(), *reason, record.event.to_owned()));
                    }
                })? > 0
            {}
        }
        self.spool.rewind(position)?;
        let path = self.refused.path().to_owned();
        if let Err(error) = self.refused.add(&events) {
            let error = StateError::file(&path, "written")(error);
            self.fail(&crate::error::chain(&error));
            return Ok(());
        }
        for (ticket, _) in &refused {
            self.window.confirm(*ticket);
        }
        let count = refused.len() as u64;
        self.metrics.refused.inc_by(count);
        self.state.refused += count;
        self.is_unsaved = true;
        self.heard_at = Instant::now();
        tracing::error!(events = count, reason = first, file = %path.display(), "Kafka refuses events for good; they are kept in the file");
        Ok(())
    }
}
