//! The producer: takes events from a source and gives them to Kafka until the run is complete.
//!
//! An event is numbered and written to the spool before it is sent, and is counted as sent when Kafka has confirmed it.
//! So a crash at any moment loses nothing that was given out, and a number is never used for two different events. While
//! Kafka is away the spool fills; when it is full the source is not read.

pub mod canaries;
mod checkpoints;
mod delivery;
mod former;
mod intake;
mod metrics;
mod new_run;
mod progress;
mod refused;
mod sending;
mod spool;
mod state;
mod transactions;
mod window;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use rdkafka::error::KafkaError;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::config::{ConfigError, Connection, ProducerConfig, SpoolSync};
use crate::event::{Origin, host_name};
use crate::observe::{self, Health, Service, Shown};
use crate::shutdown::Shutdown;
use crate::source::scheduled::Scheduled;
use crate::source::{self, Batch, Checkpoint, Source, Troubles};
use checkpoints::Checkpoints;
use delivery::{Client, Delivery, Guarantee};
use intake::Writing;
use metrics::{Figures, Metrics};
pub use new_run::{NewRun, new_run};
use refused::Refused;
pub use spool::SpoolError;
use spool::{Place, Spool};
pub use state::{State, StateDirectory, StateError};
use transactions::Transactions;
use window::Window;

/// The most confirmations taken at once.
const MAX_REPORTS: usize = 4096;
/// The most batches of the source written at once.
const MAX_BATCHES: usize = 16;
/// How long the events on their way are waited for at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// Says why a producer ended early.
#[derive(Debug, thiserror::Error)]
pub enum ProducerError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
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
        source: sonic_rs::Error,
    },
}

/// Runs until the run is complete, the source ends or the end is asked for. By a schedule, one run follows the other.
///
/// # Errors
/// When a file of the configuration, the state or the spool cannot be read, or the Kafka client cannot be made.
pub async fn run(config: ProducerConfig, shutdown: Shutdown) -> Result<(), ProducerError> {
    let connection = Connection::of_producer(&config)?;
    let health = Health::default();
    let troubles = Troubles::new(health.clone());
    let (metrics, registry) = Metrics::new(&troubles);
    let (counted, found) = (metrics.clone(), troubles.clone());
    let shown = Shown {
        registries: vec![registry],
        figures: move || Figures::of(&counted, &found),
        health: health.clone(),
    };
    observe::serve(config.metrics.listen(), shown);
    let mut service = Service::ready();
    loop {
        let opened = Producer::open(&config, connection.clone(), metrics.clone(), health.clone());
        let (mut producer, deliveries) = opened?;
        if !(producer.state.finished && producer.is_idle()) {
            let source = source::start(producer.source(&config, troubles.clone()));
            let ended = producer.run(source, deliveries, shutdown.clone(), &mut service);
            ended.await?;
        }
        if !producer.state.finished {
            return Ok(());
        }
        let State { run, produced, .. } = &producer.state;
        tracing::info!(%run, produced, "the run is finished");
        if config.source.schedule.is_none() {
            return Ok(());
        }
        // It holds the lock of the state.
        drop(producer);
        new_run(&config)?;
    }
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
    /// Batches taken from the source that are not kept yet: they are being written, or the disk had no room for them.
    held: Vec<Batch>,
    /// What the source is told when Kafka has confirmed the events before it.
    checkpoints: Checkpoints,
    writing: Option<Writing>,
    /// When they are tried again.
    write_at: Option<Instant>,
    client: Client,
    /// Where each batch is a transaction.
    transactions: Option<Transactions>,
    refused: Refused,
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
        connection: Connection,
        metrics: Metrics,
        health: Health,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Delivery>), ProducerError> {
        let directory = StateDirectory::open(&config.state.directory)?;
        let found = directory.load()?;
        let ticket = found.as_ref().map_or(0, |state| state.ticket);
        // What a power cut took from a spool that the system writes when it likes may have been sent.
        let is_sure =
            |state: &State| config.spool.sync == SpoolSync::Always || state.boot == state::boot();
        let refused = Refused::open(directory.file("refused.jsonl"));
        let set_aside = refused.count(found.as_ref().map_or(0, |state| state.refused));
        let mut state = match found {
            Some(state) if state.settings == state::settings_hash(config) && is_sure(&state) => {
                state
            }
            Some(state) if is_sure(&state) => state.followed(config),
            _ => State::new(config, ticket),
        };
        let mut checkpoints = Checkpoints::default();
        let see = |ticket: u64, record: &spool::Record<'_>| {
            if record.run != state.run {
                return;
            }
            let is_new = record.sequence > state.produced;
            match record.place {
                Place::Last(bytes) => {
                    let checkpoint = Checkpoint(bytes.to_vec());
                    checkpoints.add(ticket + 1, &checkpoint);
                    if is_new {
                        state.checkpoint = checkpoint;
                    }
                }
                Place::Former(mark) if is_new => former::add(&mut state.checkpoint, mark),
                Place::Former(_) | Place::Within => {}
            }
            state.produced = state.produced.max(record.sequence);
        };
        let spool = Spool::open(&directory.file("spool"), &config.spool, ticket, see)?;
        if checkpoints.is_empty() {
            // No event of the run is left that is not confirmed; the source may not have heard that.
            checkpoints.add(ticket, &state.checkpoint);
        }
        if spool.is_damaged() {
            // Numbers of events that were lost may have been sent: they must not be used again.
            state = State::new(config, ticket);
            checkpoints = Checkpoints::default();
        }
        state.refused = set_aside;
        // Kept before the first event, or a crash would leave events of a run nobody knows.
        directory.save(&state)?;
        let once = config.source.kind.is_in_transactions().then(|| {
            let (client, topic) = (&config.client, &config.kafka.topic);
            Transactions::new(connection.clone(), client, topic, &state.tickets)
        });
        let guarantee = match once {
            Some(_) => Guarantee::Transactional,
            None => Guarantee::Idempotent,
        };
        let (client, deliveries) = Client::new(connection, &config.client, guarantee)?;
        metrics.spool_limit.set(config.spool.bytes.cast_signed());
        let mut producer = Self {
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
            checkpoints,
            writing: None,
            write_at: None,
            client,
            transactions: once,
            refused,
            backoff: backoff(),
            renew_at: None,
            heard_at: Instant::now(),
            metrics,
            health,
        };
        producer.begin_transactions();
        Ok((producer, deliveries))
    }

    async fn run(
        &mut self,
        mut source: source::Running,
        mut deliveries: mpsc::UnboundedReceiver<Delivery>,
        mut shutdown: Shutdown,
        service: &mut Service,
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
            // First, so that the disk works on it while what is safe is sent.
            let mut taken = Vec::new();
            if open
                && self.takes()
                && let Some(received) = source.take(&mut taken, MAX_BATCHES).now_or_never()
            {
                open = received > 0;
                self.take(taken)?;
            }
            self.send().await?;
            self.settle()?;
            self.tell(&source);
            open = open && self.wanted() > 0;
            if !open && self.held.is_empty() && self.is_idle() {
                break;
            }
            let takes = open && self.takes();
            let (renew, write) = (self.renew_at, self.write_at);
            let waits = self.writing.is_some() || self.transactions.is_some();
            let (mut taken, mut reports) = (Vec::new(), Vec::new());
            tokio::select! {
                biased;
                () = shutdown.requested() => {
                    source.stop();
                    Service::stopping();
                    self.drain(&mut deliveries).await?;
                    self.tell(&source);
                    source.end().await;
                    return Ok(());
                }
                () = service.turn() => self.look(),
                _ = deliveries.recv_many(&mut reports, MAX_REPORTS) => self.confirm(reports)?,
                () = tokio::time::sleep_until(renew.unwrap_or_else(Instant::now)), if renew.is_some() => {
                    self.renew_at = None;
                    self.client.renew()?;
                    self.window.recall_all();
                    self.spool.rewind(self.state.ticket)?;
                    self.begin_transactions();
                }

                worked = self.work(), if waits => worked?,
                () = tokio::time::sleep_until(write.unwrap_or_else(Instant::now)), if write.is_some() => self.write()?,
                received = source.take(&mut taken, MAX_BATCHES), if takes => {
                    open = received > 0;
                    self.take(taken)?;
                }
            }
        }
        self.state.finished = true;
        self.directory.save(&self.state)?;
        self.client.close();
        source.stop();
        source.end().await;
        Ok(())
    }

    /// Makes the source go on where it was. A run that has not begun begins when the schedule says.
    fn source(&self, config: &ProducerConfig, troubles: Troubles) -> Box<dyn Source> {
        let start = source::Start {
            checkpoint: self.state.checkpoint.clone(),
            directory: self.directory.file("source"),
            troubles,
        };
        let settings = &config.source;
        let schedule = settings
            .schedule
            .as_ref()
            .filter(|_| self.state.produced == 0);
        match schedule.and_then(|schedule| schedule.after(Timestamp::now())) {
            Some(begins) => {
                tracing::info!(%begins, "the run begins when the schedule says");
                Scheduled::at(begins, Arc::clone(&settings.kind), start)
            }
            None => settings.kind.open(start),
        }
    }

    /// Tells the source which of its events Kafka has confirmed.
    fn tell(&mut self, source: &source::Running) {
        if let Some(checkpoint) = self.checkpoints.confirmed(self.state.ticket) {
            source.safe(checkpoint);
        }
    }

    /// Returns whether Kafka has confirmed all that was given out.
    fn is_idle(&self) -> bool {
        self.window.is_empty() && self.spool.position() == self.spool.end()
    }

    /// Waits for the disk, or for what Kafka says of a transaction, whichever comes first.
    async fn work(&mut self) -> Result<(), ProducerError> {
        let told = match (&mut self.writing, &mut self.transactions) {
            (None, None) => pending().await,
            (Some(_), None) => None,
            (None, Some(transactions)) => Some(transactions.told().await),
            (Some(writing), Some(transactions)) => tokio::select! {
                biased;
                synced = writing.synced() => {
                    self.kept(synced);
                    return Ok(());
                }
                told = transactions.told() => Some(told),
            },
        };
        if let Some(told) = told {
            return self.hear(told);
        }
        self.keep().await;
        Ok(())
    }

    /// Waits for what is on its way, but not for ever; the rest is sent by the next start.
    async fn drain(
        &mut self,
        deliveries: &mut mpsc::UnboundedReceiver<Delivery>,
    ) -> Result<(), ProducerError> {
        self.keep().await;
        if !self.held.is_empty() {
            self.write()?;
            self.keep().await;
        }
        if !self.held.is_empty() {
            tracing::error!(
                events = self.held_events(),
                "events taken from the source could not be kept and are lost"
            );
        }
        let deadline = Instant::now() + DRAIN;
        while !self.window.is_empty() {
            let mut reports = Vec::new();
            tokio::select! {
                biased;
                _ = deliveries.recv_many(&mut reports, MAX_REPORTS) => {}
                worked = self.work() => worked?,
                () = tokio::time::sleep_until(deadline) => break,
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
