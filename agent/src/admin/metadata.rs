//! What Kafka says about its brokers and topics.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use serde::Serialize;

use super::AdminError;
use crate::config::{Connection, ConsumerConfig};
use crate::kafka::Keeping;

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

    /// Returns whether some replicas are on brokers that are gone, and the others are as good as they can be without them:
    /// in sync, or behind one that is gone, whom they never catch up with.
    fn is_whole_on(&self, brokers: &[i32]) -> bool {
        let (here, gone): (Vec<i32>, Vec<i32>) = self
            .replicas
            .iter()
            .partition(|replica| brokers.contains(replica));
        let in_sync = |replica: &i32| self.isr.contains(replica);
        let is_lost = !here.iter().any(in_sync);
        !gone.is_empty() && (is_lost || (self.leader >= 0 && here.iter().all(in_sync)))
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

/// The brokers that should be there.
#[derive(Debug, Clone)]
pub struct Expected {
    count: usize,
    /// `host:port` of each, as the configuration has them.
    addresses: BTreeSet<String>,
}

impl Expected {
    /// So many brokers, which are those that the configuration names where it names them as they name themselves.
    pub fn new(config: &ConsumerConfig, count: usize) -> Self {
        let addresses = config.kafka.bootstrap.split(',');
        Self {
            count,
            addresses: addresses.map(|one| one.trim().to_owned()).collect(),
        }
    }

    /// Returns how many of them are there; one that the configuration does not name replaces none that it does.
    fn present(&self, cluster: &Cluster) -> usize {
        let named = |broker: &&Broker| {
            let address = format!("{}:{}", broker.host, broker.port);
            self.addresses.contains(&address)
        };
        match cluster.brokers.iter().filter(named).count() {
            0 => cluster.brokers.len(),
            named => named,
        }
    }
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

    /// Says, in words, what is missing until the expected brokers are there and the topics that `filter` lets through are
    /// whole. Copies on brokers that nobody expects are not waited for: they will not come.
    pub fn missing(&self, expected: &Expected, filter: impl Fn(&str) -> bool) -> Vec<String> {
        let mut missing = Vec::new();
        let ids: Vec<i32> = self.brokers.iter().map(|broker| broker.id).collect();
        let (present, count) = (expected.present(self), expected.count);
        if present < count {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            missing.push(format!(
                "{present} of {count} brokers are there ({})",
                ids.join(", ")
            ));
        }
        let all = present >= count;
        for topic in self.topics.iter().filter(|topic| filter(&topic.name)) {
            for partition in &topic.partitions {
                if partition.is_whole() || (all && partition.is_whole_on(&ids)) {
                    continue;
                }
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

/// Makes a client that asks on behalf of the group that writes to `CouchDB`, without joining it.
///
/// # Errors
/// As [`client_of`].
pub fn client(config: &ConsumerConfig) -> Result<Client, AdminError> {
    client_of(config, &config.group)
}

/// Makes a client that asks on behalf of a group, without joining it.
///
/// # Errors
/// When a file of the configuration cannot be used; no broker is asked yet.
pub fn client_of(config: &ConsumerConfig, group: &str) -> Result<Client, AdminError> {
    Connection::of_consumer(config)?
        .asking_client("consumer-admin")
        .set("group.id", group)
        .set("enable.auto.commit", "false")
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
            host: format!("h{id}"),
            port: 9092,
        };
        let expected = Expected {
            count: 2,
            addresses: ["h1:9092".to_owned(), "h2:9092".to_owned()].into(),
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
            cluster.missing(&expected, |_| true),
            [
                "1 of 2 brokers are there (1)",
                "a partition 1: leader 1, in sync [1] of [1, 2]",
                "b partition 0: leader -1, in sync [1, 2] of [1, 2]"
            ]
        );
        cluster.brokers.push(broker(2));
        assert_eq!(cluster.missing(&expected, |name| name == "b").len(), 1);
        assert!(cluster.missing(&expected, |_| false).is_empty());
    }

    #[test]
    fn copies_on_brokers_that_nobody_expects_are_not_waited_for() {
        let cluster = |brokers: &[i32], leader, isr: &[i32]| Cluster {
            brokers: brokers
                .iter()
                .map(|id| Broker {
                    id: *id,
                    host: format!("h{id}"),
                    port: 9092,
                })
                .collect(),
            topics: vec![Topic {
                name: "t".into(),
                partitions: vec![Partition {
                    id: 0,
                    leader,
                    replicas: vec![2, 3],
                    isr: isr.to_vec(),
                }],
            }],
        };
        let expected = Expected {
            count: 2,
            addresses: ["h1:9092".to_owned(), "h2:9092".to_owned()].into(),
        };
        let missing = |cluster: Cluster| cluster.missing(&expected, |_| true);
        assert_eq!(missing(cluster(&[1, 2], 2, &[2])), Vec::<String>::new());
        // Gone for good, and nothing to wait for.
        let mut lost = cluster(&[1, 2], -1, &[3]);
        lost.topics[0].partitions[0].replicas = vec![3];
        assert_eq!(missing(lost), Vec::<String>::new());
        // Nor is a copy that lags behind one that is gone.
        assert_eq!(missing(cluster(&[1, 2], -1, &[3])), Vec::<String>::new());
        let waits: [(&[i32], i32, &[i32]); 3] = [
            // One that is expected is not there though another one is.
            (&[1, 2, 3], 2, &[2]),
            (&[2, 3], 2, &[2]),
            (&[2], 2, &[2]),
        ];
        for (brokers, leader, isr) in waits {
            assert!(
                !missing(cluster(brokers, leader, isr)).is_empty(),
                "{brokers:?} {isr:?}"
            );
        }
    }
}
