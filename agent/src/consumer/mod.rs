//! The consumer: reads the events of all topics and writes each into its sinks, once.
//!
//! Each sink is read for by a client and a group of its own, so one that is away stops no other.
//!
//! Records are gathered as long as more are at hand, never waited for, so a lone event is written at once and a backlog
//! in large batches. An offset is stored for commit only when all records before it are settled: in the sink, there
//! already, or a dead letter. While a sink is away its full partitions are paused and the client is
//! still polled, so that the group is kept.

mod losses;
mod metrics;
mod partition;
mod queues;
mod reader;
mod retry;
mod underway;
pub mod writer;
pub mod written;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use rdkafka::consumer::{Consumer, MessageStream};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::Offset;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::config::{Batch, ConfigError, Connection, ConsumerConfig, SinkOf, Topic};
use crate::observe::{self, Health, Pulse, Service, Shown};
use crate::shutdown::{self, Shutdown};
use crate::sink::{OpenError, Sink};
use losses::{Loss, Losses};
pub use metrics::Metrics;
use metrics::{Counted, Figures};
use partition::Partition;
use queues::{Load, PartitionQueues};
use reader::Client;
use underway::Underway;
use writer::Writer;
use written::Written;

/// How long writes on their way are waited for at the end.
const DRAIN: Duration = Duration::from_secs(5);

/// Says why a consumer ended early.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A sink cannot be opened.
    #[error(transparent)]
    Sink(#[from] OpenError),
    /// The Kafka client cannot be made or go on.
    #[error("the Kafka client cannot go on")]
    Client(#[source] KafkaError),
    /// A write ended by a defect of this program.
    #[error("a write did not end as it should")]
    Write(#[source] JoinError),
}

/// Reads and writes until the end is asked for.
///
/// # Errors
/// When a file of the configuration cannot be used or a Kafka client cannot go on; never because a sink or Kafka
/// is away.
pub async fn run(config: &ConsumerConfig, mut shutdown: Shutdown) -> Result<(), ConsumerError> {
    let connection = Connection::of_consumer(config)?;
    let health = Health::default();
    let (mut registries, mut counted, mut readings) = (Vec::new(), Vec::new(), Vec::new());
    for sink in config.all_sinks() {
        let metrics = Metrics::new(health.clone());
        registries.push(metrics.registry(sink.name));
        let opened: Arc<dyn Sink> = sink.settings.open()?.into();
        counted.push(Counted {
            name: sink.name.map(str::to_owned),
            metrics: metrics.clone(),
            sink: Arc::clone(&opened),
        });
        readings.push(Reading::open(
            &sink,
            opened,
            &connection,
            &config.batch,
            metrics,
        )?);
    }
    if readings.is_empty() {
        return Err(ConfigError::NoSink.into());
    }
    let shown = Shown {
        registries,
        figures: move || Figures::of(&counted),
        health,
    };
    observe::serve(config.metrics.listen(), shown);
    let mut service = Service::ready();
    let (end, ended) = shutdown::channel();
    let (mut pulses, mut running) = (Vec::new(), JoinSet::new());
    for reading in readings {
        let pulse = Pulse::default();
        pulses.push(pulse.clone());
        running.spawn(reading.run(pulse, ended.clone()));
    }
    let outcome = |ended: Result<Result<(), ConsumerError>, JoinError>| {
        ended.map_err(ConsumerError::Write).flatten()
    };
    let mut result = loop {
        tokio::select! {
            biased;
            () = shutdown.requested() => break Ok(()),
            // None ends by itself but for an error that ends all.
            Some(first) = running.join_next() => break outcome(first),
            () = service.turn_with(&pulses) => {}
        }
    };
    Service::stopping();
    end.request();
    while let Some(next) = running.join_next().await {
        result = result.and(outcome(next));
    }
    tracing::info!("stopped");
    result
}

/// What reads for one sink.
struct Reading {
    topics: Arc<[Topic]>,
    batch: Batch,
    client: Client,
    revoked: mpsc::UnboundedReceiver<Vec<Partition>>,
    underway: Arc<Underway>,
    losses: Arc<Losses>,
    lost: mpsc::UnboundedReceiver<Loss>,
    sink: Arc<dyn Sink>,
    writer: Writer,
    metrics: Metrics,
}

impl Reading {
    /// Joins the group of a sink.
    fn open(
        sink: &SinkOf<'_>,
        opened: Arc<dyn Sink>,
        connection: &Connection,
        batch: &Batch,
        metrics: Metrics,
    ) -> Result<Self, ConsumerError> {
        let underway = Arc::new(Underway::default());
        let (found, lost) = mpsc::unbounded_channel();
        let losses = Arc::new(Losses::new(found));
        let topics: Arc<[Topic]> = sink.topics.iter().copied().cloned().collect();
        let writer = Writer::new(Arc::clone(&opened), metrics.clone());
        let (client, revoked) = reader::open(
            connection,
            &sink.group,
            &topics,
            Arc::clone(&underway),
            Arc::clone(&losses),
            metrics.clone(),
        )?;
        tracing::info!(
            group = sink.group,
            sink = sink.name,
            topics = topics.len(),
            "started"
        );
        Ok(Self {
            topics,
            batch: batch.clone(),
            client,
            revoked,
            underway,
            losses,
            lost,
            sink: opened,
            writer,
            metrics,
        })
    }

    /// Reads and writes until the end is asked for.
    async fn run(self, mut pulse: Pulse, mut shutdown: Shutdown) -> Result<(), ConsumerError> {
        let client = self.client;
        let mut consumer = Consumption {
            topics: self.topics,
            age: self.batch.age(),
            client: &client,
            revoked: self.revoked,
            underway: self.underway,
            losses: self.losses,
            lost: self.lost,
            queues: PartitionQueues::new(self.batch),
            writer: self.writer,
            writes: JoinSet::new(),
            metrics: self.metrics,
        };
        let mut messages = client.stream();
        let health = consumer.metrics.health.clone();
        let mut work = self.sink.work(&health);
        let result = loop {
            consumer.start_writes();
            let step = tokio::select! {
                biased;
                () = shutdown.requested() => break Ok(()),
                () = pulse.beat() => {
                    consumer.metrics.queued.set(consumer.queues.waiting());
                    consumer.pass_over();
                    Ok(())
                }
                Some(partitions) = consumer.revoked.recv() => {
                    consumer.forget(&partitions);
                    Ok(())
                }
                Some(loss) = consumer.lost.recv() => {
                    consumer.note(loss);
                    Ok(())
                }
                Some(done) = consumer.writes.join_next() => done.map(|done| consumer.settle(&done)).map_err(ConsumerError::Write),
                () = &mut work => Ok(()),
                message = messages.next() => consumer.gather(message, &mut messages),
            };
            if let Err(error) = step {
                break Err(error);
            }
        };
        drop(messages);
        consumer.drain().await;
        drop(consumer);
        reader::close(client).await;
        result
    }
}

/// A write that ended.
struct Done {
    partition: Partition,
    queue: u64,
    last: i64,
    written: Written,
}

struct Consumption<'a> {
    topics: Arc<[Topic]>,
    /// How long an event waits for others.
    age: Duration,
    client: &'a Client,
    revoked: mpsc::UnboundedReceiver<Vec<Partition>>,
    underway: Arc<Underway>,
    losses: Arc<Losses>,
    lost: mpsc::UnboundedReceiver<Loss>,
    queues: PartitionQueues,
    writer: Writer,
    writes: JoinSet<Done>,
    metrics: Metrics,
}

impl Consumption<'_> {
    /// Takes a message and all that are at hand after it, within the batch's age.
    fn gather(
        &mut self,
        first: Option<KafkaResult<BorrowedMessage<'_>>>,
        messages: &mut MessageStream<'_, reader::Reporter>,
    ) -> Result<(), ConsumerError> {
        let until = Instant::now() + self.age;
        let mut next = first;
        while let Some(message) = next {
            // A rebalance just before this message may have ended a queue of the same partition.
            while let Ok(partitions) = self.revoked.try_recv() {
                self.forget(&partitions);
            }
            match message {
                Ok(message) => {
                    let (partition, record) = reader::take(&message);
                    self.losses.see(&partition, record.offset);
                    self.metrics.read.inc();
                    self.metrics.read_bytes.inc_by(record.bytes() as u64);
                    // Others are at hand behind what is of a full queue.
                    let full = self.queues.push(partition, record);
                    reader::set_paused(self.client, full.as_slice(), true);
                }
                Err(error @ KafkaError::MessageConsumptionFatal(_)) => {
                    return Err(ConsumerError::Client(error));
                }
                // Already in the log; the client goes on by itself: a topic may come into being, a broker back.
                Err(error) => tracing::debug!(%error, "Kafka has no events for now"),
            }
            if Instant::now() >= until {
                break;
            }
            next = messages.next().now_or_never().flatten();
        }
        Ok(())
    }

    /// Forgets partitions that were taken away.
    fn forget(&mut self, partitions: &[Partition]) {
        let paused: Vec<Partition> = partitions
            .iter()
            .filter(|partition| self.queues.remove(partition))
            .cloned()
            .collect();
        reader::set_paused(self.client, &paused, false);
    }

    /// Writes down that events are lost; a consumer that ends before finds it again.
    fn note(&self, loss: Loss) {
        let (writer, topics) = (self.writer.clone(), Arc::clone(&self.topics));
        tokio::spawn(async move {
            let mut topics = topics.iter();
            if let Some(topic) = topics.find(|topic| topic.name == loss.partition.topic) {
                writer.write_loss(topic, &loss).await;
            }
        });
    }

    fn start_writes(&mut self) {
        for load in self.queues.take_ready() {
            let Load {
                partition,
                queue,
                records,
            } = load;
            let (Some(last), Some(topic)) = (
                records.last().map(|record| record.offset),
                self.topics
                    .iter()
                    .position(|topic| topic.name == partition.topic),
            ) else {
                continue;
            };
            let (writer, topics) = (self.writer.clone(), Arc::clone(&self.topics));
            let underway = Arc::clone(&self.underway);
            underway.begin(&partition, queue, last);
            self.writes.spawn(async move {
                let written = writer.write(&topics[topic], &records).await;
                underway.end(&partition, queue);
                Done {
                    partition,
                    queue,
                    last,
                    written,
                }
            });
        }
        reader::set_paused(self.client, &self.queues.take_to_resume(), false);
    }

    /// Stores the offset of a write that ended; the next commit takes it along.
    fn settle(&mut self, done: &Done) {
        let Done {
            partition: Partition { topic, number },
            last,
            written,
            ..
        } = done;
        tracing::debug!(
            topic,
            partition = number,
            offset = last,
            ?written,
            "written"
        );
        if !self.queues.settled(&done.partition, done.queue) {
            return;
        }
        if let Err(error) = self.client.store_offset(topic, *number, *last) {
            tracing::warn!(topic, partition = number, offset = last, %error, "the offset is not kept; its events are read again");
        }
    }

    /// Stores how far partitions are read of which all is settled. What was read last there may be the end of a transaction, which is
    /// given to nobody: it would count as unread until the next record comes.
    fn pass_over(&self) {
        let read = match self.client.position() {
            Ok(read) => read,
            Err(error) => return tracing::debug!(%error, "how far is read is not known"),
        };
        for element in read.elements() {
            // Where nothing was read yet there is no offset.
            let Offset::Offset(next) = element.offset() else {
                continue;
            };
            let partition = Partition {
                topic: element.topic().to_owned(),
                number: element.partition(),
            };
            if self.queues.holds(&partition) || !self.losses.pass(&partition, next) {
                continue;
            }
            self.underway.pass(&partition, next - 1);
            let Partition { topic, number } = &partition;
            if let Err(error) = self.client.store_offset(topic, *number, next - 1) {
                tracing::debug!(topic, partition = number, %error, "the offset is not kept");
            }
        }
    }

    /// Waits for the writes on their way, but not for ever; what is not done is read again by the next start.
    async fn drain(&mut self) {
        let deadline = Instant::now() + DRAIN;
        while let Ok(Some(done)) = tokio::time::timeout_at(deadline, self.writes.join_next()).await
        {
            match done {
                Ok(done) => self.settle(&done),
                Err(error) => tracing::error!(%error, "a write did not end as it should"),
            }
        }
        if !self.writes.is_empty() {
            tracing::warn!(
                writes = self.writes.len(),
                "stopped before the sink took everything; it is read again"
            );
        }
        self.writes.abort_all();
        self.underway.clear();
    }
}
