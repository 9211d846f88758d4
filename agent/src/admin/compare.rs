//! A topic against its database, id by id: what Kafka holds and `CouchDB` does not, and the other way round.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::offsets::Committed;
use super::{AdminError, metadata};
use crate::config::{Connection, ConsumerConfig, Topic};
use crate::deadline::left;
use crate::kafka::Keeping;
use crate::sink::Record;
use crate::sink::couchdb::{Couchdb, path_of};
use crate::sink::document::document;

/// How long the brokers may take to say where a topic begins and ends.
const ASKING: Duration = Duration::from_secs(10);
/// How long nothing may come of what a broker has.
const SILENCE: Duration = Duration::from_secs(30);
/// How long one request to `CouchDB` may take.
const REQUEST: Duration = Duration::from_secs(30);
/// How long the consumer may stand still before what it has not stored counts as missing: it commits less often than it stores.
const STANDSTILL: Duration = Duration::from_secs(10);
/// How often it is asked how far it is.
const LOOK: Duration = Duration::from_millis(500);
/// How many ids are asked for at once.
const PAGE: usize = 5000;
/// How many of those that are not where they should be are named.
const NAMED: usize = 10;

/// What became of the events of a topic.
#[derive(Debug, Serialize)]
pub struct Comparison {
    topic: String,
    database: String,
    /// From where to where it was read.
    partitions: Vec<Span>,
    /// Events, those that came again not counted.
    events: u64,
    /// Events that are in the topic more than once: one document each.
    again: u64,
    /// Events that are documents.
    documents: u64,
    /// Events that are dead letters.
    dead_letters: u64,
    /// Events that are neither, by their places in the topic.
    missing: Few,
    /// Documents of no event that the topic holds, by their ids.
    foreign: Few,
}

/// A partition, from the first offset that it holds to before the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Span {
    partition: i32,
    begin: i64,
    end: i64,
    /// The brokers that should have it.
    replicas: Vec<i32>,
    /// The brokers that have all of it.
    isr: Vec<i32>,
}

/// How many there are, and the names of the first ones.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Few {
    count: u64,
    first: Vec<String>,
}

impl Few {
    fn add(&mut self, name: impl Into<String>) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(name.into());
        }
    }
}

/// The events of a topic: what stands for an id, 16 bytes of its SHA-256, and the place of the event. A topic may have millions.
#[derive(Debug, Default)]
struct Events {
    places: HashMap<[u8; 16], (i32, i64)>,
    again: u64,
}

impl Events {
    fn add(&mut self, topic: &Topic, record: &Record) {
        let id = match document(&topic.name, &topic.epoch, record) {
            Ok(document) => document.id,
            Err(_never_one) => record.place(&topic.epoch),
        };
        let place = (record.partition, record.offset);
        if self.places.insert(mark(&id), place).is_some() {
            self.again += 1;
        }
    }
}

fn mark(id: &str) -> [u8; 16] {
    let sum = Sha256::digest(id.as_bytes());
    std::array::from_fn(|byte| sum[byte])
}

/// Compares the topics whose events are documents of their own, or one of them.
///
/// # Errors
/// When there is no such topic, or Kafka or `CouchDB` does not answer.
pub async fn compare(
    config: &ConsumerConfig,
    topic: Option<&str>,
) -> Result<Vec<Comparison>, AdminError> {
    let topics = config.documented().into_iter();
    let topics = topics
        .filter(|found| !found.replace && topic.map_or(!found.canary, |name| found.name == name));
    let topics: Vec<&Topic> = topics.collect();
    if let (Some(name), true) = (topic, topics.is_empty()) {
        return Err(AdminError::NoTopic(name.to_owned()));
    }
    let server = Couchdb::open(config.couchdb()?)?;
    let mut all = Vec::new();
    for topic in topics {
        let (spans, events) = tokio::task::block_in_place(|| read(config, topic))?;
        // What was sent a moment ago is on its way.
        arrive(config, topic, &spans).await?;
        all.push(look(&server, topic, spans, events).await?);
    }
    Ok(all)
}

/// Reads a topic from its beginning to where it ends now.
fn read(config: &ConsumerConfig, topic: &Topic) -> Result<(Vec<Span>, Events), AdminError> {
    let subject = format!("the events of topic {}", topic.name);
    let failed = || AdminError::kafka(subject.as_str());
    // A group only in name: it is never joined, and has no offsets. Transactions end in places that hold no event: where a partition
    // ends is told by the client.
    let client: metadata::Client = Connection::of_consumer(config)?
        .asking_client("consumer-admin")
        .set("group.id", "compare")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create_with_context(Keeping::default())
        .map(Arc::new)
        .map_err(failed())?;
    let cluster = metadata::fetch(&client, ASKING).map_err(failed())?;
    let found = cluster
        .topic(&topic.name)
        .ok_or_else(|| AdminError::NoTopic(topic.name.clone()))?;
    let mut spans = Vec::new();
    let mut places = TopicPartitionList::new();
    for partition in &found.partitions {
        let ends = client.fetch_watermarks(&topic.name, partition.id, ASKING);
        let (begin, end) = ends.map_err(failed())?;
        places
            .add_partition_offset(&topic.name, partition.id, Offset::Offset(begin))
            .map_err(failed())?;
        spans.push(Span {
            partition: partition.id,
            begin,
            end,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
        });
    }
    let ends: HashMap<i32, i64> = spans
        .iter()
        .map(|span| (span.partition, span.end))
        .collect();
    let mut open: HashSet<i32> = spans
        .iter()
        .filter(|span| span.begin < span.end)
        .map(|span| span.partition)
        .collect();
    client.assign(&places).map_err(failed())?;
    let mut events = Events::default();
    let mut heard = Instant::now();
    while !open.is_empty() {
        match client.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                heard = Instant::now();
                let record = Record::of(&message);
                let end = ends.get(&record.partition).copied().unwrap_or_default();
                if record.offset < end {
                    events.add(topic, &record);
                }
                if record.offset + 1 >= end {
                    open.remove(&record.partition);
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(error)) if heard.elapsed() > SILENCE => return Err(failed()(error)),
            None if heard.elapsed() > SILENCE => {
                return Err(AdminError::Timeout {
                    subject: "the next event",
                    seconds: SILENCE.as_secs(),
                    last: format!("{} of {} events", events.places.len(), topic.name),
                });
            }
            // Brokers that are away come back.
            Some(Err(_)) | None => {}
        }
    }
    Ok((spans, events))
}

/// Waits until the consumer has taken what was read, or comes no further.
async fn arrive(config: &ConsumerConfig, topic: &Topic, spans: &[Span]) -> Result<(), AdminError> {
    let client = metadata::client(config)?;
    let (mut least, mut since) = (i64::MAX, Instant::now());
    while since.elapsed() < STANDSTILL {
        let deadline = tokio::time::Instant::now() + ASKING;
        let cluster = metadata::fetch_async(&client, left(deadline)).await?;
        let committed = Committed::ask(&client, &cluster, [topic], deadline).await;
        let open = spans.iter().map(|span| {
            let at = committed.of(&topic.name, span.partition);
            (span.end - at.unwrap_or(span.begin)).max(0)
        });
        let open: i64 = open.sum();
        if open == 0 {
            break;
        }
        if open < least {
            (least, since) = (open, Instant::now());
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Looks for each event in the database, and beside it where dead letters are.
async fn look(
    server: &Couchdb,
    topic: &Topic,
    partitions: Vec<Span>,
    events: Events,
) -> Result<Comparison, AdminError> {
    let Events { mut places, again } = events;
    let count = places.len() as u64;
    let mut foreign = Few::default();
    ids(server, &topic.database, |id| {
        if places.remove(&mark(id)).is_none() {
            foreign.add(id);
        }
    })
    .await?;
    let documents = count - places.len() as u64;
    let mut letters = HashSet::new();
    ids(server, &topic.dead_letters(), |id| {
        letters.insert(id.to_owned());
    })
    .await?;
    // A letter is named by its event's place, whatever id its document would have had.
    let mut left: Vec<(i32, i64)> = places.into_values().collect();
    left.sort_unstable();
    let (mut dead_letters, mut missing) = (0, Few::default());
    for (partition, offset) in left {
        let record = Record {
            partition,
            offset,
            ..Record::default()
        };
        if letters.contains(&record.place(&topic.epoch)) {
            dead_letters += 1;
        } else {
            missing.add(format!("{partition}:{offset}"));
        }
    }
    Ok(Comparison {
        topic: topic.name.clone(),
        database: topic.database.clone(),
        partitions,
        events: count,
        again,
        documents,
        dead_letters,
        missing,
        foreign,
    })
}

/// Calls `each` with the ids of a database's documents.
async fn ids(
    server: &Couchdb,
    database: &str,
    mut each: impl FnMut(&str),
) -> Result<(), AdminError> {
    #[derive(Deserialize)]
    struct Page {
        rows: Vec<Row>,
    }
    #[derive(Deserialize)]
    struct Row {
        id: String,
    }
    let path = format!("{}/_all_docs", path_of(database));
    let limit = PAGE.to_string();
    let mut after: Option<String> = None;
    loop {
        // The least id that is larger.
        let start = after.map(|id| Value::from(format!("{id}\u{0}")).to_string());
        let mut query = vec![("limit", limit.as_str())];
        query.extend(start.as_deref().map(|start| ("startkey", start)));
        let answer = server.get_json(&path, &query, REQUEST).await;
        let answer = answer.map_err(AdminError::couchdb(format!("the ids of {database}")))?;
        let page = Page::deserialize(answer).map_err(AdminError::Answer)?;
        let ids = page.rows.iter().map(|row| row.id.as_str());
        ids.filter(|id| !id.starts_with('_')).for_each(&mut each);
        let Some(last) = page.rows.last() else {
            return Ok(());
        };
        after = Some(last.id.clone());
    }
}
