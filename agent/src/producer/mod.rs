//! The producer: takes events from a source and gives them to Kafka until the run is complete.
//!
//! An event is numbered and written to the spool before it is sent, and is counted as sent when Kafka has confirmed it.
//! So a crash at any moment loses nothing that was given out, and a number is never used for two different events. While
//! Kafka is away the spool fills; when it is full the source is not read.

pub mod canaries;
mod delivery;
mod metrics;
mod spool;
mod state;
mod window;

use std::io::Write;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::config::{ProducerConfig, SpoolSync};
use crate::event::{Origin, Taken, host_name};
use crate::observe::{self, Health, Service};
use crate::shutdown::Shutdown;
use crate::source;
use delivery::{Client, Delivery, Guarantee, QUEUE_WAIT};
use metrics::Metrics;
pub use spool::SpoolError;
use spool::{Record, Spool};
pub use state::{State, StateDirectory, StateError};
use window::Window;

/// The most confirmations taken at once.
const MAX_REPORTS: usize = 4096;
/// The most batches of the source written at once.
const MAX_BATCHES: usize = 16;
/// How long the events on their way are waited for at the end.
const DRAIN: Duration = Duration::from_secs(10);
/// How often the state is written while events never stop being on their way.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How long Kafka may confirm nothing of what is on its way before that is an alarm.
const SILENCE: Duration = Duration::from_secs(30);

/// Says why a producer ended early.
#[derive(Debug, thiserror::Error)]
pub enum ProducerError {
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
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
    // Without a state that can be read, all of the spool is sent again: what is there already stays as it is.
    let ticket = directory
        .load()
        .ok()
        .flatten()
        .map_or(0, |state| state.ticket);
    let state = State::new(config, ticket);
    directory.save(&state)?;
    Ok(NewRun {
        client: config.client.clone(),
        run: state.run,
    })
}

/// Runs until the run is complete, the source ends or the end is asked for.
///
/// # Errors
/// When the state or the spool cannot be read, or the Kafka client cannot be made.
pub async fn run(config: ProducerConfig, shutdown: Shutdown) -> Result<(), ProducerError> {
    let (metrics, registry) = Metrics::new();
    let health = Health::default();
    let (mut producer, deliveries) = Producer::open(&config, metrics, health.clone())?;
    observe::serve(config.metrics.listen.clone(), registry, health);
    let service = Service::ready();
    if producer.state.finished && producer.is_idle() {
        tracing::info!(run = %producer.state.run, produced = producer.state.produced, "the run is finished");
        return Ok(());
    }
    let source = source::start(&config.source, producer.state.mark);
    producer.run(source, deliveries, shutdown, service).await
}

struct Producer {
    origin: Origin,
    topic: String,
    directory: StateDirectory,
    state: State,
    /// Whether the state has changed since it was written.
    is_unsaved: bool,
    saved_at: Instant,
    spool: Spool,
    window: Window,
    /// Events taken from the source that the disk had no room for.
    held: Vec<Taken>,
    /// When they are tried again.
    write_at: Option<Instant>,
    client: Client,
    backoff: Backoff,
    /// When the client is replaced, after it reported an error.
    renew_at: Option<Instant>,
    /// When Kafka last confirmed something, or had nothing to confirm.
    heard_at: Instant,
    metrics: Metrics,
    health: Health,
}

impl Producer {
    /// Reads what an earlier process left.
    fn open(
        config: &ProducerConfig,
        metrics: Metrics,
        health: Health,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Delivery>), ProducerError> {
        let directory = StateDirectory::open(&config.state.directory)?;
        let found = directory.load()?;
        let ticket = found.as_ref().map_or(0, |state| state.ticket);
        // What a power cut took from a spool that the system writes when it likes may have been sent.
        let is_sure =
            |state: &State| config.spool.sync == SpoolSync::Always || state.boot == state::boot();
        let mut state = match found {
            Some(state) if state.settings == state::settings_hash(config) && is_sure(&state) => {
                state
            }
            _ => State::new(config, ticket),
        };
        let spool = Spool::open(&directory.file("spool"), &config.spool, ticket, |record| {
            if record.run == state.run && record.sequence > state.produced {
                (state.produced, state.mark) = (record.sequence, record.mark);
            }
        })?;
        if spool.is_damaged() {
            // Numbers of events that were lost may have been sent: they must not be used again.
            state = State::new(config, ticket);
        }
        // Kept before the first event, or a crash would leave events of a run nobody knows.
        directory.save(&state)?;
        let (client, deliveries) = Client::new(
            &config.kafka.bootstrap,
            &config.client,
            Guarantee::Idempotent,
        )?;
        metrics.spool_limit.set(config.spool.bytes.cast_signed());
        let producer = Self {
            origin: Origin {
                client: config.client.clone(),
                host: host_name(),
                run: state.run.clone(),
            },
            topic: config.kafka.topic.clone(),
            directory,
            state,
            is_unsaved: false,
            saved_at: Instant::now(),
            spool,
            window: Window::default(),
            held: Vec::new(),
            write_at: None,
            client,
            backoff: backoff(),
            renew_at: None,
            heard_at: Instant::now(),
            metrics,
            health,
        };
        Ok((producer, deliveries))
    }

    async fn run(
        &mut self,
        mut source: mpsc::Receiver<Vec<Taken>>,
        mut deliveries: mpsc::UnboundedReceiver<Delivery>,
        mut shutdown: Shutdown,
        mut service: Service,
    ) -> Result<(), ProducerError> {
        let State {
            run,
            produced,
            count,
            ..
        } = &self.state;
        let left = self.spool.end() - self.state.ticket;
        tracing::info!(%run, produced, count, left, "started");
        let mut open = !self.state.finished;
        loop {
            self.send().await?;
            self.settle()?;
            open = open && self.wanted() > 0;
            if !open && self.held.is_empty() && self.is_idle() {
                break;
            }
            let takes = open && self.held.is_empty() && self.has_room();
            let (renew, write) = (self.renew_at, self.write_at);
            let (mut taken, mut reports) = (Vec::new(), Vec::new());
            tokio::select! {
                biased;
                () = shutdown.requested() => {
                    drop(source);
                    Service::stopping();
                    return self.drain(&mut deliveries).await;
                }
                () = service.turn() => self.look(),
                _ = deliveries.recv_many(&mut reports, MAX_REPORTS) => self.confirm(reports)?,
                () = tokio::time::sleep_until(renew.unwrap_or_else(Instant::now)), if renew.is_some() => {
                    self.renew_at = None;
                    self.client.renew()?;
                    self.spool.rewind(self.state.ticket)?;
                }
                () = tokio::time::sleep_until(write.unwrap_or_else(Instant::now)), if write.is_some() => {
                    self.write_at = None;
                    self.give_out()?;
                }
                received = source.recv_many(&mut taken, MAX_BATCHES), if takes => {
                    open = received > 0;
                    self.held = taken.into_iter().flatten().collect();
                    // What is beyond the run's end was read in vain.
                    self.held.truncate(self.wanted());
                    self.give_out()?;
                }
            }
        }
        self.state.finished = true;
        self.directory.save(&self.state)?;
        self.client.close();
        tracing::info!(run = %self.state.run, produced = self.state.produced, "the run is finished");
        Ok(())
    }

    /// Returns whether Kafka has confirmed all that was given out.
    fn is_idle(&self) -> bool {
        self.window.is_empty() && self.spool.position() == self.spool.end()
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

    /// Returns whether the spool takes more, and says so where that changes.
    fn has_room(&self) -> bool {
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
    fn give_out(&mut self) -> Result<(), ProducerError> {
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

    /// Gives the Kafka client what is next in the spool, as much as may be on its way.
    async fn send(&mut self) -> Result<(), ProducerError> {
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

    fn confirm(&mut self, reports: Vec<Delivery>) -> Result<(), ProducerError> {
        for report in reports {
            match report.result {
                Ok(timestamp) => {
                    self.window.confirm(report.ticket);
                    self.metrics.confirmed.inc();
                    if let Some(timestamp) = timestamp {
                        self.metrics
                            .latency
                            .observe(observe::seconds_since(timestamp));
                    }
                    self.heard_at = Instant::now();
                    self.backoff = backoff();
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

    /// Notes what is confirmed, writes the state where it is time to, and lets go of the spool's confirmed segments.
    fn settle(&mut self) -> Result<(), ProducerError> {
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
                let reason = crate::command::chain(&error);
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
    fn look(&mut self) {
        self.metrics
            .in_flight
            .set(self.window.len().cast_signed() as i64);
        let left = self.spool.end() - self.state.ticket;
        self.metrics.spool_events.set(left.cast_signed());
        self.metrics
            .spool_bytes
            .set(self.spool.bytes().cast_signed());
        if self.heard_at.elapsed() < SILENCE {
            if self.renew_at.is_none() {
                self.health.clear("kafka");
            }
        } else if self.health.raise("kafka", "confirms nothing") {
            tracing::warn!(left, "Kafka confirms nothing; events are kept in the spool");
        }
    }

    /// Waits for what is on its way, but not for ever; the rest is sent by the next start.
    async fn drain(
        &mut self,
        deliveries: &mut mpsc::UnboundedReceiver<Delivery>,
    ) -> Result<(), ProducerError> {
        if !self.held.is_empty() {
            self.give_out()?;
            if !self.held.is_empty() {
                tracing::error!(
                    events = self.held.len(),
                    "events taken from the source could not be kept and are lost"
                );
            }
        }
        let deadline = Instant::now() + DRAIN;
        while !self.window.is_empty() {
            let mut reports = Vec::new();
            if tokio::time::timeout_at(deadline, deliveries.recv_many(&mut reports, MAX_REPORTS))
                .await
                .is_err()
            {
                break;
            }
            self.confirm(reports)?;
            self.settle()?;
        }
        self.directory.save(&self.state)?;
        self.client.close();
        match self.spool.end() - self.state.ticket {
            0 => tracing::info!(produced = self.state.produced, "stopped"),
            left => tracing::warn!(
                left,
                "stopped; what Kafka did not confirm is sent at the next start"
            ),
        }
        Ok(())
    }
}

fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(500), Duration::from_secs(30))
}
