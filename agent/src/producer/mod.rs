//! The producer: takes events from a source and gives them to Kafka until the run is complete.
//!
//! An event is numbered and written to `pending.jsonl` before it is sent, and leaves that file only after Kafka has
//! confirmed it and the number is in `state.json`. So a crash at any moment loses nothing that was given out, and a
//! number is never used for two different events.

pub mod canaries;
mod delivery;
mod pending;
mod state;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::config::ProducerConfig;
use crate::event::{Origin, Taken, host_name};
use crate::shutdown::Shutdown;
use crate::source;
use delivery::{Client, Delivery, Guarantee};
use pending::{Pending, PendingEvent};
pub use state::{State, StateDirectory, StateError};

/// The most events on their way at once; above it the source waits.
const MAX_IN_FLIGHT: usize = 2000;
/// The most events taken from the source at once.
const MAX_TAKEN: usize = 64;
/// The size of the pending file above which everything must be confirmed first, so that it can be emptied.
const MAX_PENDING_BYTES: u64 = 16 << 20;
/// How long the events on their way are waited for at the end.
const DRAIN: Duration = Duration::from_secs(10);
/// How often the state is written while events never stop being on their way.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Says why a producer ended early.
#[derive(Debug, thiserror::Error)]
pub enum ProducerError {
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The Kafka client cannot be made.
    #[error("the Kafka client cannot be made")]
    Client(#[source] KafkaError),
    /// An event cannot be written as JSON.
    #[error("event {sequence} cannot be written as JSON")]
    Render {
        /// The event's number.
        sequence: u64,
        /// Why.
        source: serde_json::Error,
    },
}

/// An event that is on its way.
struct InFlight {
    /// The event's number in the present run; none when it is left from an older one.
    sequence: Option<u64>,
    pending: PendingEvent,
}

/// What an event left from before says about itself.
#[derive(Deserialize)]
struct Numbered {
    run: String,
    sequence: u64,
}

/// What `new-run` prints.
#[derive(Debug, Serialize)]
pub struct NewRun {
    client: String,
    run: String,
}

/// Marks the state so that the next start begins a new run.
///
/// # Errors
/// When the producer is running, or the state cannot be written.
pub fn new_run(config: &ProducerConfig) -> Result<NewRun, ProducerError> {
    let directory = StateDirectory::open(&config.state.directory)?;
    let state = State::new(config);
    directory.save(&state)?;
    Ok(NewRun {
        client: config.client.clone(),
        run: state.run,
    })
}

/// Runs until the run is complete, the source ends or the end is asked for.
///
/// # Errors
/// When the state cannot be read or written, or the Kafka client cannot be made.
pub async fn run(config: ProducerConfig, shutdown: Shutdown) -> Result<(), ProducerError> {
    let (mut producer, deliveries) = Producer::open(&config).await?;
    if producer.state.finished && producer.in_flight.is_empty() {
        tracing::info!(run = %producer.state.run, produced = producer.state.produced, "the run is finished");
        return Ok(());
    }
    let source = source::start(&config.source);
    producer.run(source, deliveries, shutdown).await
}

struct Producer {
    origin: Origin,
    topic: String,
    directory: StateDirectory,
    state: State,
    pending: Pending,
    client: Client,
    in_flight: BTreeMap<u64, InFlight>,
    next_ticket: u64,
    backoff: Backoff,
    /// When the client is replaced, after it reported an error.
    renew_at: Option<Instant>,
    saved_at: Instant,
}

impl Producer {
    /// Reads what an earlier process left and sends what was not confirmed.
    async fn open(
        config: &ProducerConfig,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Delivery>), ProducerError> {
        let directory = StateDirectory::open(&config.state.directory)?;
        let mut state = match directory.load()? {
            Some(state) if state.settings == state::settings_hash(config) => state,
            _ => State::new(config),
        };
        let (pending, left) = Pending::open(&directory.file("pending.jsonl"))?;
        let mut in_flight = BTreeMap::new();
        for (ticket, pending) in (0..).zip(left) {
            let numbered: Numbered =
                serde_json::from_str(&pending.event).map_err(|source| StateError::Damaged {
                    path: directory.file("pending.jsonl"),
                    source,
                })?;
            let sequence = Some(numbered.sequence).filter(|_| numbered.run == state.run);
            state.produced = state.produced.max(sequence.unwrap_or(0));
            in_flight.insert(ticket, InFlight { sequence, pending });
        }
        // Kept before the first event, or a crash would leave pending events of a run nobody knows.
        directory.save(&state)?;
        let (client, deliveries) = Client::new(
            &config.kafka.bootstrap,
            &config.client,
            Guarantee::Idempotent,
        )?;
        let producer = Self {
            origin: Origin {
                client: config.client.clone(),
                host: host_name(),
                run: state.run.clone(),
            },
            topic: config.kafka.topic.clone(),
            directory,
            state,
            pending,
            client,
            next_ticket: in_flight.len() as u64,
            in_flight,
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(30)),
            renew_at: None,
            saved_at: Instant::now(),
        };
        producer.send_all().await;
        Ok((producer, deliveries))
    }

    async fn run(
        &mut self,
        mut source: mpsc::Receiver<Taken>,
        mut deliveries: mpsc::UnboundedReceiver<Delivery>,
        mut shutdown: Shutdown,
    ) -> Result<(), ProducerError> {
        let State {
            run,
            produced,
            count,
            ..
        } = &self.state;
        tracing::info!(%run, produced, count, left = self.in_flight.len(), "started");
        let mut open = !self.state.finished;
        loop {
            self.settle()?;
            open = open && self.wanted() > 0;
            if !open && self.in_flight.is_empty() {
                break;
            }
            let room = self.room();
            let renew = self.renew_at;
            let (mut taken, mut reports) = (Vec::new(), Vec::new());
            tokio::select! {
                biased;
                () = shutdown.requested() => {
                    drop(source);
                    self.drain(&mut deliveries).await?;
                    return Ok(());
                }
                _ = deliveries.recv_many(&mut reports, MAX_IN_FLIGHT) => self.confirm(reports)?,
                () = tokio::time::sleep_until(renew.unwrap_or_else(Instant::now)), if renew.is_some() => {
                    self.renew_at = None;
                    self.client.renew()?;
                    self.send_all().await;
                }
                received = source.recv_many(&mut taken, room), if open && room > 0 => {
                    open = received > 0;
                    self.give_out(&taken).await?;
                }
            }
        }
        self.state.finished = true;
        self.directory.save(&self.state)?;
        self.client.close();
        tracing::info!(run = %self.state.run, produced = self.state.produced, "the run is finished");
        Ok(())
    }

    /// Returns how many events the run still wants.
    fn wanted(&self) -> usize {
        match self.state.count {
            0 => usize::MAX,
            count => {
                usize::try_from(count.saturating_sub(self.state.produced)).unwrap_or(usize::MAX)
            }
        }
    }

    /// Returns how many events may be taken now.
    fn room(&self) -> usize {
        if self.renew_at.is_some() || self.pending.bytes() > MAX_PENDING_BYTES {
            return 0;
        }
        MAX_IN_FLIGHT
            .saturating_sub(self.in_flight.len())
            .min(self.wanted())
            .min(MAX_TAKEN)
    }

    /// Numbers events, keeps them on the disk, then sends them.
    async fn give_out(&mut self, taken: &[Taken]) -> Result<(), ProducerError> {
        let first = self.next_ticket;
        let mut events = Vec::with_capacity(taken.len());
        for taken in taken {
            let sequence = self.state.produced + 1 + events.len() as u64;
            let rendered = self.origin.render(sequence, taken);
            let (event, cut) =
                rendered.map_err(|source| ProducerError::Render { sequence, source })?;
            if cut {
                tracing::warn!(
                    sequence,
                    "the snapshot is too large for one event and was shortened"
                );
            }
            events.push(PendingEvent {
                topic: self.topic.clone(),
                event,
            });
        }
        self.pending.append(&events)?;
        for pending in events {
            self.state.produced += 1;
            self.in_flight.insert(
                self.next_ticket,
                InFlight {
                    sequence: Some(self.state.produced),
                    pending,
                },
            );
            self.next_ticket += 1;
        }
        for (ticket, in_flight) in self.in_flight.range(first..) {
            self.client.send(*ticket, &in_flight.pending).await;
        }
        Ok(())
    }

    /// Sends everything that is not confirmed, in its order.
    async fn send_all(&self) {
        for (ticket, in_flight) in &self.in_flight {
            self.client.send(*ticket, &in_flight.pending).await;
        }
    }

    fn confirm(&mut self, reports: Vec<Delivery>) -> Result<(), ProducerError> {
        for report in reports {
            match report.result {
                Ok(()) => {
                    self.in_flight.remove(&report.ticket);
                    self.backoff =
                        Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
                }
                // What an old client reports at its end was sent again by the new one.
                Err(_) if report.generation != self.client.generation() => {}
                Err(error)
                    if error.rdkafka_error_code()
                        == Some(RDKafkaErrorCode::MessageSizeTooLarge) =>
                {
                    self.refuse(report.ticket, &error)?;
                }
                Err(error) => {
                    if self.renew_at.is_none() {
                        let wait = self.backoff.next_wait();
                        tracing::error!(%error, wait_ms = wait.as_millis(), "Kafka did not take an event; it is sent again");
                        self.renew_at = Some(Instant::now() + wait);
                    }
                }
            }
        }
        self.state.acked = match self.in_flight.values().find_map(|event| event.sequence) {
            Some(first) => first - 1,
            None => self.state.produced,
        };
        Ok(())
    }

    /// Puts an event that Kafka will never take aside, so that it is neither lost nor in the way.
    fn refuse(&mut self, ticket: u64, error: &KafkaError) -> Result<(), ProducerError> {
        let Some(event) = self.in_flight.remove(&ticket) else {
            return Ok(());
        };
        let path: PathBuf = self.directory.file("refused.jsonl");
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .map_err(StateError::file(&path, "opened"))?;
        writeln!(file, "{}", event.pending.event)
            .and_then(|()| file.sync_data())
            .map_err(StateError::file(&path, "written"))?;
        tracing::error!(%error, sequence = event.sequence, file = %path.display(), "Kafka refuses an event for good; it is kept in the file");
        Ok(())
    }

    /// Writes the state where it is time to, and empties the pending file where nothing is on its way.
    fn settle(&mut self) -> Result<(), ProducerError> {
        if self.pending.bytes() == 0 {
            return Ok(());
        }
        let idle = self.in_flight.is_empty();
        if idle || self.saved_at.elapsed() >= SAVE_EVERY {
            self.directory.save(&self.state)?;
            self.saved_at = Instant::now();
        }
        if idle {
            self.pending.clear()?;
        }
        Ok(())
    }

    /// Waits for what is on its way, but not for ever; the rest is sent by the next start.
    async fn drain(
        &mut self,
        deliveries: &mut mpsc::UnboundedReceiver<Delivery>,
    ) -> Result<(), ProducerError> {
        let deadline = Instant::now() + DRAIN;
        while !self.in_flight.is_empty() {
            let mut reports = Vec::new();
            if tokio::time::timeout_at(deadline, deliveries.recv_many(&mut reports, MAX_IN_FLIGHT))
                .await
                .is_err()
            {
                break;
            }
            self.confirm(reports)?;
        }
        self.settle()?;
        self.directory.save(&self.state)?;
        self.client.close();
        match self.in_flight.len() {
            0 => tracing::info!(produced = self.state.produced, "stopped"),
            left => tracing::warn!(
                left,
                "stopped; what Kafka did not confirm is sent at the next start"
            ),
        }
        Ok(())
    }
}
