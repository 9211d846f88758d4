//! `inspect`: Kafka and `CouchDB` at one moment, everything asked at once and nothing waited for beyond the deadline.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all, join3};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::AdminError;
use super::couchdb_setup::Vendor;
use super::metadata::{self, Broker, Client, Cluster, Partition, fetch_async};
use super::newest::{newest_of, timestamp};
use crate::config::{ConsumerConfig, Topic};
use crate::store::Trouble;
use crate::store::couchdb::{Couchdb, path_of};

/// What `inspect` prints.
#[derive(Debug, Serialize)]
pub struct Inspection {
    kafka: KafkaView,
    couchdb: CouchdbView,
}

#[derive(Debug, Default, Serialize)]
struct KafkaView {
    reachable: bool,
    error: Option<String>,
    brokers: Vec<Broker>,
    topics: Vec<TopicView>,
}

#[derive(Debug, Serialize)]
struct TopicView {
    name: String,
    partitions: Vec<Partition>,
    messages: Option<i64>,
    lag: Option<i64>,
}

#[derive(Debug, Default, Serialize)]
struct CouchdbView {
    reachable: bool,
    error: Option<String>,
    vendor: Option<String>,
    databases: Vec<DatabaseView>,
}

#[derive(Debug, Serialize)]
struct DatabaseView {
    name: String,
    topic: String,
    documents: Option<u64>,
    newest: Option<String>,
    dead_letters: Option<u64>,
}

/// Looks at Kafka and `CouchDB`; what does not answer within the timeout is shown as away.
///
/// # Errors
/// Only when no client could be made.
pub async fn inspect(config: &ConsumerConfig, timeout: Duration) -> Result<Inspection, AdminError> {
    let deadline = Instant::now() + timeout;
    let client = metadata::client(&config.kafka.bootstrap, &config.group)?;
    let server = config
        .password()
        .map_err(AdminError::from)
        .and_then(|password| {
            Ok(Couchdb::new(
                &config.couchdb.url,
                &config.couchdb.user,
                &password,
            )?)
        });
    let couchdb = async {
        match server {
            Ok(server) => inspect_couchdb(&server, &config.topics, deadline).await,
            Err(error) => CouchdbView {
                error: Some(crate::command::chain(&error)),
                ..CouchdbView::default()
            },
        }
    };
    let (kafka, couchdb) = join(inspect_kafka(&client, &config.topics, deadline), couchdb).await;
    // Dropping the client takes a while and frees nothing that the end of the process does not.
    std::mem::forget(client);
    Ok(Inspection { kafka, couchdb })
}

fn left(deadline: Instant) -> Duration {
    deadline
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1))
}

async fn inspect_kafka(client: &Client, topics: &[Topic], deadline: Instant) -> KafkaView {
    let cluster = match fetch_async(client, left(deadline)).await {
        Ok(cluster) => cluster,
        Err(error) => {
            return KafkaView {
                error: Some(crate::command::chain(&error)),
                ..KafkaView::default()
            };
        }
    };
    let (low, high, committed) = join3(
        offsets(client, &cluster, topics, Offset::Beginning, deadline),
        offsets(client, &cluster, topics, Offset::End, deadline),
        committed(client, &cluster, topics, deadline),
    )
    .await;
    let view = |topic: &Topic| {
        let present = cluster.topic(&topic.name)?;
        let sum = |value: &dyn Fn(i32) -> Option<i64>| {
            present
                .partitions
                .iter()
                .map(|partition| value(partition.id))
                .sum()
        };
        let at = |list: &Option<TopicPartitionList>, id| {
            list.as_ref()?
                .find_partition(&topic.name, id)?
                .offset()
                .to_raw()
        };
        let known =
            |list: &Option<TopicPartitionList>, id| at(list, id).filter(|offset| *offset >= 0);
        let messages = sum(&|id| Some(known(&high, id)? - known(&low, id)?));
        // Where the group has committed nothing yet, it begins at the earliest.
        let position =
            |id| known(&committed, id).or_else(|| committed.as_ref().and_then(|_| known(&low, id)));
        let lag = sum(&|id| Some((known(&high, id)? - position(id)?).max(0)));
        Some(TopicView {
            name: topic.name.clone(),
            partitions: present.partitions.clone(),
            messages,
            lag,
        })
    };
    KafkaView {
        reachable: true,
        error: None,
        topics: topics.iter().filter_map(view).collect(),
        brokers: cluster.brokers,
    }
}

/// Lists the partitions of our topics that have a leader; one without would be waited for.
fn led_partitions(cluster: &Cluster, topics: &[Topic]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for topic in topics.iter().filter_map(|topic| cluster.topic(&topic.name)) {
        for partition in topic
            .partitions
            .iter()
            .filter(|partition| partition.leader >= 0)
        {
            list.add_partition(&topic.name, partition.id);
        }
    }
    list
}

async fn offsets(
    client: &Client,
    cluster: &Cluster,
    topics: &[Topic],
    position: Offset,
    deadline: Instant,
) -> Option<TopicPartitionList> {
    let mut list = led_partitions(cluster, topics);
    ask(client, list.count(), deadline, move |client, timeout| {
        list.set_all_offsets(position)?;
        client.offsets_for_times(list, timeout)
    })
    .await
}

async fn committed(
    client: &Client,
    cluster: &Cluster,
    topics: &[Topic],
    deadline: Instant,
) -> Option<TopicPartitionList> {
    let list = led_partitions(cluster, topics);
    ask(client, list.count(), deadline, move |client, timeout| {
        client.committed_offsets(list, timeout)
    })
    .await
}

/// Asks Kafka in a thread that may wait; no answer in time is none.
async fn ask<F>(
    client: &Client,
    count: usize,
    deadline: Instant,
    question: F,
) -> Option<TopicPartitionList>
where
    F: FnOnce(&Client, Duration) -> KafkaResult<TopicPartitionList> + Send + 'static,
{
    if count == 0 {
        return None;
    }
    let client = Arc::clone(client);
    let timeout = left(deadline);
    let answer = tokio::task::spawn_blocking(move || question(&client, timeout));
    match tokio::time::timeout_at(deadline, answer).await {
        Ok(Ok(Ok(list))) => Some(list),
        Ok(Ok(Err(error))) => {
            tracing::warn!(%error, "offsets are not known");
            None
        }
        Ok(Err(_)) | Err(_) => None,
    }
}

async fn inspect_couchdb(server: &Couchdb, topics: &[Topic], deadline: Instant) -> CouchdbView {
    let greeting = server.get_json("", &[], left(deadline));
    let databases = join_all(
        topics
            .iter()
            .map(|topic| inspect_database(server, topic, deadline)),
    );
    let (greeting, databases) = join(greeting, databases).await;
    let failed = databases
        .iter()
        .find_map(|database| database.as_ref().err().map(ToString::to_string));
    match greeting {
        Ok(greeting) => CouchdbView {
            reachable: true,
            error: failed,
            vendor: Some(Vendor::of(&greeting).to_string()),
            databases: databases
                .into_iter()
                .zip(topics)
                .map(|(view, topic)| view.unwrap_or_else(|_| unknown(topic)))
                .collect(),
        },
        // A server that answers at all is there, even when it lets us not in.
        Err(trouble) => CouchdbView {
            reachable: !matches!(trouble, Trouble::Away(_)),
            error: Some(trouble.to_string()),
            ..CouchdbView::default()
        },
    }
}

fn unknown(topic: &Topic) -> DatabaseView {
    DatabaseView {
        name: topic.database.clone(),
        topic: topic.name.clone(),
        documents: None,
        newest: None,
        dead_letters: None,
    }
}

async fn inspect_database(
    server: &Couchdb,
    topic: &Topic,
    deadline: Instant,
) -> Result<DatabaseView, Trouble> {
    let (path, dead_letters) = (path_of(&topic.database), path_of(&topic.dead_letters()));
    let design_path = format!("{path}/_all_docs");
    let design_range = [("startkey", r#""_design/""#), ("endkey", r#""_design0""#)];
    let (info, designs, (dead, newest)) = join3(
        server.get_json(&path, &[], left(deadline)),
        server.get_json(&design_path, &design_range, left(deadline)),
        join(
            server.get_json(&dead_letters, &[], left(deadline)),
            newest_of(server, &topic.database, 1, left(deadline)),
        ),
    )
    .await;
    let count = |info: &Value| info.get("doc_count").and_then(Value::as_u64);
    let designs = designs?
        .get("rows")
        .and_then(Value::as_array)
        .map_or(0, Vec::len) as u64;
    Ok(DatabaseView {
        name: topic.database.clone(),
        topic: topic.name.clone(),
        documents: count(&info?).map(|documents| documents.saturating_sub(designs)),
        newest: newest?.first().and_then(timestamp),
        dead_letters: count(&dead?),
    })
}
