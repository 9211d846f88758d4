//! What Kafka says about its brokers and topics.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use serde::Serialize;

use super::AdminError;
use crate::config::ConsumerConfig;
use crate::kafka::{Connection, Keeping};

/// A broker as Kafka's metadata shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broker {
    /// The broker's id.
    pub id: i32,
    /// The name it is reached by.
    pub host: String,
    /// The port it is reached at.
    pub port: i32,
}

/// A partition as Kafka's metadata shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// The partition's number.
    pub id: i32,
    /// The broker that leads it; -1 where none does.
    pub leader: i32,
    /// The brokers that should have it.
    pub replicas: Vec<i32>,
    /// The brokers that have all of it.
    pub isr: Vec<i32>,
}

impl Partition {
    /// Returns whether it has a leader and every replica is in sync.
    pub fn is_whole(&self) -> bool {
        self.leader >= 0 && !self.replicas.is_empty() && self.isr.len() == self.replicas.len()
    }
}

/// A topic as Kafka's metadata shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// The topic's name.
    pub name: String,
    /// Its partitions.
    pub partitions: Vec<Partition>,
}

/// The brokers and all topics at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The brokers that are there, by id.
    pub brokers: Vec<Broker>,
    /// All topics, Kafka's own ones too, by name.
    pub topics: Vec<Topic>,
}

impl Cluster {
    /// Returns a topic that exists.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.name == name)
    }

    /// Says, in words, what is missing until there are `brokers` brokers and the topics that `filter` lets through are
    /// whole.
    pub fn missing(&self, brokers: usize, filter: impl Fn(&str) -> bool) -> Vec<String> {
        let mut missing = Vec::new();
        if self.brokers.len() < brokers {
            let ids: Vec<String> = self
                .brokers
                .iter()
                .map(|broker| broker.id.to_string())
                .collect();
            missing.push(format!(
                "{} of {brokers} brokers are there ({})",
                self.brokers.len(),
                ids.join(", ")
            ));
        }
        for topic in self.topics.iter().filter(|topic| filter(&topic.name)) {
            for partition in topic
                .partitions
                .iter()
                .filter(|partition| !partition.is_whole())
            {
                let Partition {
                    id,
                    leader,
                    replicas,
                    isr,
                } = partition;
                missing.push(format!(
                    "{} partition {id}: leader {leader}, in sync {isr:?} of {replicas:?}",
                    topic.name
                ));
            }
        }
        missing
    }
}

/// How long what a client has to say is listened to.
const HEAR: Duration = Duration::from_millis(50);

/// A client that only asks.
pub type Client = Arc<BaseConsumer<Keeping>>;

/// Makes a client that asks on behalf of a group, without joining it.
///
/// # Errors
/// When a file of the configuration cannot be used; no broker is asked yet.
pub fn client(config: &ConsumerConfig) -> Result<Client, AdminError> {
    Connection::of_consumer(config)?
        .client("consumer-admin")
        .set("group.id", &config.group)
        .set("enable.auto.commit", "false")
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "200")
        .set("socket.connection.setup.timeout.ms", "1000")
        .create_with_context(Keeping::default())
        .map(Arc::new)
        .map_err(AdminError::kafka("a client"))
}

/// Asks for the brokers and all topics.
///
/// # Errors
/// When no broker answers in time.
pub fn fetch(client: &Client, timeout: Duration) -> KafkaResult<Cluster> {
    let metadata = client.fetch_metadata(None, timeout)?;
    let mut brokers: Vec<Broker> = metadata
        .brokers()
        .iter()
        .map(|broker| Broker {
            id: broker.id(),
            host: broker.host().to_owned(),
            port: broker.port(),
        })
        .collect();
    brokers.sort_by_key(|broker| broker.id);
    let topic = |topic: &rdkafka::metadata::MetadataTopic| {
        let mut partitions: Vec<Partition> = topic
            .partitions()
            .iter()
            .map(|partition| Partition {
                id: partition.id(),
                leader: partition.leader(),
                replicas: partition.replicas().to_vec(),
                isr: partition.isr().to_vec(),
            })
            .collect();
        partitions.sort_by_key(|partition| partition.id);
        Topic {
            name: topic.name().to_owned(),
            partitions,
        }
    };
    let mut topics: Vec<Topic> = metadata
        .topics()
        .iter()
        .filter(|topic| topic.error().is_none())
        .map(topic)
        .collect();
    topics.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(Cluster { brokers, topics })
}

/// As [`fetch`], away from the threads that must not wait.
///
/// # Errors
/// As [`fetch`].
pub async fn fetch_async(client: &Client, timeout: Duration) -> Result<Cluster, AdminError> {
    let client = Arc::clone(client);
    tokio::task::spawn_blocking(move || {
        fetch(&client, timeout).map_err(|error| {
            // What is wrong with the brokers waits to be heard.
            drop(client.poll(HEAR));
            let mut subject = "the brokers and topics".to_owned();
            if let Some(last) = client.context().0.get() {
                subject = format!("{subject}: {last}");
            }
            AdminError::kafka(subject)(error)
        })
    })
    .await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_names_brokers_and_partitions() {
        let partition = |id, leader, isr: &[i32]| Partition {
            id,
            leader,
            replicas: vec![1, 2],
            isr: isr.to_vec(),
        };
        let broker = |id| Broker {
            id,
            host: "h".into(),
            port: 9092,
        };
        let mut cluster = Cluster {
            brokers: vec![broker(1)],
            topics: vec![
                Topic {
                    name: "a".into(),
                    partitions: vec![partition(0, 1, &[1, 2]), partition(1, 1, &[1])],
                },
                Topic {
                    name: "b".into(),
                    partitions: vec![partition(0, -1, &[1, 2])],
                },
            ],
        };
        assert_eq!(
            cluster.missing(2, |_| true),
            [
                "1 of 2 brokers are there (1)",
                "a partition 1: leader 1, in sync [1] of [1, 2]",
                "b partition 0: leader -1, in sync [1, 2] of [1, 2]"
            ]
        );
        cluster.brokers.push(broker(2));
        assert_eq!(cluster.missing(2, |name| name == "b").len(), 1);
        assert!(cluster.missing(2, |_| false).is_empty());
    }
}
