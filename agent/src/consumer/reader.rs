//! The Kafka client of the consumer and what it tells about its partitions.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::statistics::{Broker, Statistics};
use rdkafka::topic_partition_list::TopicPartitionList;
use tokio::sync::mpsc;

use super::ConsumerError;
use super::losses::Losses;
use super::metrics::Metrics;
use super::partition::Partition;
use super::underway::Underway;
use crate::config::{Connection, Topic};
use crate::kafka::{self, LastError};
use crate::sink::Record;

/// How long a broker may take to answer the last commit, and the client to leave its group.
const LEAVE: Duration = Duration::from_secs(5);

/// The alarm that no broker is there.
const KAFKA: &str = "kafka";

/// How long writes of partitions that are taken away are waited for; the group waits meanwhile.
const DRAIN: Duration = Duration::from_secs(5);

/// Tells which partitions were taken away, after their writes have ended.
pub(super) struct Reporter {
    underway: Arc<Underway>,
    losses: Arc<Losses>,
    metrics: Metrics,
    last: LastError,
    revoked: mpsc::UnboundedSender<Vec<Partition>>,
}

impl ClientContext for Reporter {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        kafka::log(level, facility, message);
        self.last.keep_log(message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.last.note(&error, reason);
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            let last = self.last.get().unwrap_or_else(|| reason.to_owned());
            self.metrics.health.raise(KAFKA, last);
        }
    }

    fn stats(&self, statistics: Statistics) {
        let is_up = |broker: &Broker| broker.nodeid >= 0 && broker.state == "UP";
        if statistics.brokers.values().any(is_up) {
            self.metrics.health.clear(KAFKA);
            self.last.clear();
        }
        self.metrics.lags(&statistics);
        self.losses.judge(&statistics);
    }
}

impl ConsumerContext for Reporter {
    fn pre_rebalance(&self, client: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                tracing::info!(partitions = list.count(), "partitions are assigned");
                tokio::task::block_in_place(|| self.losses.assigned(client, list));
            }
            Rebalance::Revoke(list) => {
                let taken = partitions(list);
                tracing::info!(partitions = taken.len(), "partitions are taken away");
                let settled = tokio::task::block_in_place(|| self.underway.take(&taken, DRAIN));
                for (Partition { topic, number }, last) in settled {
                    // Refused where the group has given the partition to another already; it reads these events again.
                    if let Err(error) = client.store_offset(&topic, number, last) {
                        tracing::debug!(topic, partition = number, %error, "the last offset is not kept");
                    }
                }
                self.losses.forget(&taken);
                // Nobody listens while the consumer ends.
                let _ = self.revoked.send(taken);
            }
            Rebalance::Error(error) => {
                tracing::error!(%error, "the group cannot share its partitions");
            }
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::warn!(%error, "Kafka did not keep the offsets; they are given to it again");
        }
    }
}

/// The Kafka client.
pub(super) type Client = StreamConsumer<Reporter>;

/// Makes the client and subscribes to all topics.
pub(super) fn open(
    connection: &Connection,
    group: &str,
    topics: &[Topic],
    underway: Arc<Underway>,
    losses: Arc<Losses>,
    metrics: Metrics,
) -> Result<(Client, mpsc::UnboundedReceiver<Vec<Partition>>), ConsumerError> {
    let (revoked, receiver) = mpsc::unbounded_channel();
    let client: Client = connection
        .client("consumer")
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        // Offsets are stored once their documents are acknowledged, and committed from there.
        .set("enable.auto.offset.store", "false")
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "1000")
        // A second consumer takes its share without stopping the first. Never mixed with "range" in one group.
        .set("partition.assignment.strategy", "cooperative-sticky")
        // The partitions of a consumer that was killed come back after this time.
        .set("session.timeout.ms", "10000")
        .set("heartbeat.interval.ms", "1000")
        // A topic that does not exist yet is found within this time.
        .set("topic.metadata.refresh.interval.ms", "2000")
        .set("fetch.queue.backoff.ms", "50")
        .set("fetch.error.backoff.ms", "100")
        // A broker that answers first fills no more of the queue before the others have their turn.
        .set("queued.max.messages.kbytes", "4096")
        .set("statistics.interval.ms", "1000")
        .create_with_context(Reporter {
            underway,
            losses,
            metrics,
            last: LastError::default(),
            revoked,
        })
        .map_err(ConsumerError::Client)?;
    let topics: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    client.subscribe(&topics).map_err(ConsumerError::Client)?;
    Ok((client, receiver))
}

/// Copies a message out of the client's memory.
pub(super) fn take(message: &BorrowedMessage<'_>) -> (Partition, Record) {
    let partition = Partition {
        topic: message.topic().to_owned(),
        number: message.partition(),
    };
    (partition, Record::of(message))
}

/// Pauses or resumes partitions; one that is not ours any more does not matter.
pub(super) fn set_paused(client: &Client, partitions: &[Partition], paused: bool) {
    if partitions.is_empty() {
        return;
    }
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(&partition.topic, partition.number);
    }
    let result = if paused {
        client.pause(&list)
    } else {
        client.resume(&list)
    };
    if let Err(error) = result {
        tracing::debug!(%error, paused, "partitions could not be paused or resumed");
    }
}

/// Commits what is stored, leaves the group and drops the client, each within a limit: librdkafka can wait for ever for
/// a broker that is away, and the process ends anyway.
pub(super) async fn close(client: Client) {
    let leave = tokio::task::spawn_blocking(move || {
        if let Err(error) = client.commit_consumer_state(rdkafka::consumer::CommitMode::Sync)
            && error.rdkafka_error_code() != Some(RDKafkaErrorCode::NoOffset)
        {
            tracing::warn!(%error, "the last offsets are not committed; their events are read again");
        }
        drop(client);
    });
    if tokio::time::timeout(LEAVE, leave).await.is_err() {
        tracing::warn!("the group could not be left in time");
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    let element = |(topic, number): (String, i32)| Partition { topic, number };
    list.to_topic_map().into_keys().map(element).collect()
}
