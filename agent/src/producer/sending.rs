//! From the disk to Kafka: what is next in the spool goes to the client, and what becomes of it is noted.

use std::io::Write;

use jiff::Timestamp;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::time::Instant;

use super::delivery::{Delivery, QUEUE_WAIT};
use super::{Producer, ProducerError, StateError, backoff};
use crate::observe;

impl Producer {
    /// Gives the Kafka client what is next in the spool, as much as may be on its way.
    pub(super) async fn send(&mut self) -> Result<(), ProducerError> {
        if self.window.is_empty() {
            self.heard_at = Instant::now();
        }
        while self.renew_at.is_none() && self.window.room() > 0 {
            let (window, client, state) = (&mut self.window, &self.client, &self.state);
            let mut refused = None;
            let seen = self.spool.next(window.room(), |ticket, record| {
                let sequence = Some(record.sequence).filter(|_| record.run == state.run);
                if refused.is_none()
                    && window.admit(ticket, sequence, record.event.len())
                    && !client.send(ticket, record.topic, record.timestamp, record.event)
                {
                    refused = Some(ticket);
                }
            })?;
            if let Some(ticket) = refused {
                self.spool.rewind(ticket)?;
                tokio::time::sleep(QUEUE_WAIT).await;
                break;
            }
            if seen == 0 {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn confirm(&mut self, reports: Vec<Delivery>) -> Result<(), ProducerError> {
        let now = Timestamp::now();
        let mut confirmed = 0;
        for report in reports {
            match report.result {
                Ok(timestamp) => {
                    self.window.confirm(report.ticket);
                    confirmed += 1;
                    if let Some(timestamp) = timestamp {
                        let passed = observe::seconds_between(timestamp, now);
                        self.metrics.latency.observe(passed);
                    }
                }
                // What an old client reports at its end is sent again by the new one.
                Err(_) if report.generation != self.client.generation() => {}
                Err(error)
                    if error.rdkafka_error_code()
                        == Some(RDKafkaErrorCode::MessageSizeTooLarge) =>
                {
                    self.refuse(report.ticket, &error)?;
                }
                Err(error) => {
                    self.metrics.errors.inc();
                    if self.renew_at.is_none() {
                        let wait = self.backoff.next_wait();
                        tracing::error!(%error, wait_ms = wait.as_millis(), "Kafka did not take an event; it is sent again");
                        self.health.raise("kafka", error.to_string());
                        self.renew_at = Some(Instant::now() + wait);
                    }
                }
            }
        }
        if confirmed > 0 {
            self.metrics.confirmed.inc_by(confirmed);
            self.heard_at = Instant::now();
            self.client.last_error().clear();
            self.backoff = backoff();
        }
        Ok(())
    }

    /// Puts an event that Kafka will never take aside, so that it is neither lost nor in the way.
    fn refuse(&mut self, ticket: u64, error: &KafkaError) -> Result<(), ProducerError> {
        let path = self.directory.file("refused.jsonl");
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .map_err(StateError::file(&path, "opened"))?;
        let position = self.spool.position();
        let mut event = String::new();
        self.spool.rewind(ticket)?;
        self.spool
            .next(1, |_, record| event.push_str(record.event))?;
        self.spool.rewind(position)?;
        writeln!(file, "{event}")
            .and_then(|()| file.sync_data())
            .map_err(StateError::file(&path, "written"))?;
        self.window.confirm(ticket);
        self.metrics.refused.inc();
        tracing::error!(%error, file = %path.display(), "Kafka refuses an event for good; it is kept in the file");
        Ok(())
    }
}
