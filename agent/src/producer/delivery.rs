//! The Kafka client of a producer: it takes events and tells, for each, whether Kafka confirmed it.

use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use tokio::sync::mpsc;

use super::ProducerError;
use crate::config::Connection;
use crate::kafka::{self, LastError};

/// How long to wait before a client whose queue was full is asked again.
pub(super) const QUEUE_WAIT: Duration = Duration::from_millis(20);

/// How many milliseconds an event waits for others. While one waits longer, librdkafka (2.12.1) polls without a pause: under load this
/// must be more than the time that a full [`Window`](super::window::Window) takes to be confirmed.
const LINGER: &str = "25";

/// The most bytes of events in one batch, and in one event: librdkafka's own limits.
const BATCH: usize = 1_000_000;
/// By how much batches get smaller when one is too large.
const SHRINK: usize = 4;

/// What became of one event.
#[derive(Debug)]
pub(super) struct Delivery {
    /// Which client the event was given to.
    pub(super) generation: u64,
    /// The number the event was given out under.
    pub(super) ticket: u64,
    /// The event's time in milliseconds, if it has one, where Kafka confirmed it.
    pub(super) result: Result<Option<i64>, KafkaError>,
    /// Its place in its partition, where Kafka confirmed it.
    pub(super) offset: Option<i64>,
}

/// The client of librdkafka.
pub(super) type Sender = ThreadedProducer<Reporter>;

/// The name of a client's transactions, and of the group that keeps its ticket.
pub(super) fn transactional_id(client: &str) -> String {
    format!("producer-{client}")
}

/// Where deliveries are reported to.
#[derive(Debug, Clone)]
pub(super) struct Reporter {
    generation: u64,
    last: LastError,
    deliveries: mpsc::UnboundedSender<Delivery>,
}

impl ClientContext for Reporter {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        kafka::log(level, facility, message);
        self.last.keep_log(message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.last.note(&error, reason);
    }
}

impl ProducerContext for Reporter {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let offset = result.as_ref().ok().map(Message::offset);
        let result = result
            .as_ref()
            .map(|message| message.timestamp().to_millis())
            .map_err(|(error, _)| error.clone());
        // Nobody listens any more once the producer has given up waiting; the event then stays pending.
        let _ = self.deliveries.send(Delivery {
            generation: self.generation,
            ticket: ticket as u64,
            result,
            offset,
        });
    }
}

/// How sure a client is that an event is there once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guarantee {
    /// Kafka drops repeated sends, and no event is ever given up.
    Idempotent,
    /// The same, in transactions.
    Transactional,
    /// An event is given up after this time, and a repeated send may be there twice; the client is ready half a second
    /// sooner, because it needs no producer id.
    Prompt(Duration),
}

/// A Kafka client that is replaced by a new one after an error it cannot recover from.
pub(super) struct Client {
    connection: Connection,
    key: String,
    guarantee: Guarantee,
    /// The most bytes of events in one batch; an event of as many goes alone.
    batch: usize,
    next_batch: usize,
    generation: u64,
    last: LastError,
    producer: Option<Sender>,
    deliveries: mpsc::UnboundedSender<Delivery>,
}

impl Client {
    /// Makes a client that sends under this key.
    ///
    /// # Errors
    /// When the client cannot be made; no broker is asked yet.
    pub(super) fn new(
        connection: Connection,
        key: &str,
        guarantee: Guarantee,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Delivery>), ProducerError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut client = Self {
            connection,
            key: key.to_owned(),
            guarantee,
            batch: BATCH,
            next_batch: BATCH,
            generation: 0,
            last: LastError::default(),
            producer: None,
            deliveries: sender,
        };
        client.renew()?;
        Ok((client, receiver))
    }

    /// Returns the present client.
    pub(super) fn sender(&self) -> Option<Sender> {
        self.producer.clone()
    }

    /// Returns how often the client was replaced.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns whether an event of so many bytes was alone in its batch.
    pub(super) fn sends_alone(&self, bytes: usize) -> bool {
        bytes + self.key.len() >= self.batch
    }

    /// Makes batches smaller from the next client on. Returns the most bytes of one.
    pub(super) fn shrink_batches(&mut self) -> usize {
        self.next_batch = (self.batch / SHRINK).max(1);
        self.next_batch
    }

    /// Returns what librdkafka last said was wrong.
    pub(super) fn last_error(&self) -> &LastError {
        &self.last
    }

    /// Replaces the client; what the old one still had must be sent again.
    ///
    /// # Errors
    /// When the new client cannot be made.
    pub(super) fn renew(&mut self) -> Result<(), ProducerError> {
        self.close();
        self.generation += 1;
        self.batch = self.next_batch;
        let reporter = Reporter {
            generation: self.generation,
            last: self.last.clone(),
            deliveries: self.deliveries.clone(),
        };
        let (idempotent, timeout) = match self.guarantee {
            Guarantee::Idempotent | Guarantee::Transactional => ("true", Duration::ZERO),
            Guarantee::Prompt(timeout) => ("false", timeout),
        };
        let mut config = self.connection.client(&format!("producer-{}", self.key));
        if self.guarantee == Guarantee::Transactional {
            config.set("transactional.id", transactional_id(&self.key));
        }
        let producer = config
            .set("enable.idempotence", idempotent)
            .set("acks", "all")
            // Zero is never.
            .set("message.timeout.ms", timeout.as_millis().to_string())
            .set("partitioner", "murmur2_random")
            .set("compression.type", "lz4")
            .set("batch.size", self.batch.to_string())
            .set("linger.ms", LINGER)
            // More than is ever on its way.
            .set("queue.buffering.max.messages", "100000")
            .set("queue.buffering.max.kbytes", "65536")
            .create_with_context(reporter)
            .map_err(ProducerError::Client)?;
        self.producer = Some(producer);
        Ok(())
    }

    /// Waits until the client knows a topic's brokers, so that the first event is not slower than the next.
    pub(super) async fn warm_up(&self, topic: &str, timeout: Duration) {
        let Some(producer) = self.producer.clone() else {
            return;
        };
        let topic = topic.to_owned();
        let ask = tokio::task::spawn_blocking(move || {
            producer
                .client()
                .fetch_metadata(Some(&topic), timeout)
                .map(drop)
        });
        match ask.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the topic's brokers are not known yet"),
            Err(error) => tracing::warn!(%error, "the topic's brokers are not known yet"),
        }
    }

    /// Gives an event to the client; a refusal is reported as a delivery. Returns whether there was room for it.
    pub(super) fn send(&self, ticket: u64, topic: &str, timestamp: i64, event: &str) -> bool {
        let Some(producer) = &self.producer else {
            return false;
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "agents are built for machines of 64 bits"
        )]
        let record = BaseRecord::with_opaque_to(topic, ticket as usize)
            .key(&self.key)
            .timestamp(timestamp)
            .payload(event);
        match producer.send(record) {
            Ok(()) => true,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => false,
            Err((error, _)) => {
                let report = Delivery {
                    generation: self.generation,
                    ticket,
                    result: Err(error),
                    offset: None,
                };
                // The receiver lives as long as the client.
                let _ = self.deliveries.send(report);
                true
            }
        }
    }

    /// Drops the client in a thread of its own: it waits for brokers and its end must hold nobody up.
    pub(super) fn close(&mut self) {
        if let Some(producer) = self.producer.take() {
            drop(tokio::task::spawn_blocking(move || drop(producer)));
        }
    }
}
