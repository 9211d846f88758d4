//! `inspect`: Kafka and `CouchDB` at one moment, everything asked at once and nothing waited for beyond the deadline.

use std::time::Duration;

use futures_util::future::{join, join_all, join3, join4};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::AdminError;
use super::couchdb_setup::{Vendor, access_rules};
use super::dead_letters::count_put_away;
use super::deadline::left;
use super::metadata::{self, Broker, Client, Partition, fetch_async};
use super::newest::{newest_of, timestamp};
use super::offsets::Offsets;
use super::settings::{self, Settings};
use crate::config::{Connection, ConsumerConfig, Topic};
use crate::sink::couchdb::Trouble;
use crate::sink::couchdb::{Answer, Couchdb, path_of};

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
    /// Topics that the configuration does not name, Kafka's own ones too.
    other_topics: Vec<metadata::Topic>,
}

#[derive(Debug, Serialize)]
struct TopicView {
    name: String,
    partitions: Vec<Partition>,
    messages: Option<i64>,
    lag: Option<i64>,
    /// Events that Kafka has deleted and the group had not read, where the consumer did not write that down.
    deleted: Option<i64>,
    /// The settings it has of its own.
    config: Option<Settings>,
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
    /// Events that Kafka deleted before they were read, by the letters that say so.
    lost_events: Option<u64>,
    /// Dead letters that were put away; they are not in `dead_letters`.
    put_away: Option<u64>,
    /// Whether its access rules, and those of its dead letters, are those that were made with it; `None`: not known.
    access_kept: Option<bool>,
    /// Why nothing is known of it, where it is not missing.
    error: Option<String>,
}

/// Looks at Kafka and `CouchDB`; what does not answer within the timeout is shown as away.
///
/// # Errors
/// Only when no client could be made.
pub async fn inspect(config: &ConsumerConfig, timeout: Duration) -> Result<Inspection, AdminError> {
    let deadline = Instant::now() + timeout;
    let client = metadata::client(config)?;
    let connection = Connection::of_consumer(config)?;
    let couchdb = async {
        let Some(settings) = &config.couchdb else {
            return CouchdbView::default();
        };
        let topics = config.documented();
        match Couchdb::open(settings) {
            Ok(server) => inspect_couchdb(&server, &settings.user, &topics, deadline).await,
            Err(error) => CouchdbView {
                error: Some(crate::error::chain(&error)),
                ..CouchdbView::default()
            },
        }
    };
    let settings = settings::ask(&connection, &config.topics, deadline);
    let kafka = inspect_kafka(&client, config, deadline);
    let (mut kafka, settings, couchdb) = join3(kafka, settings, couchdb).await;
    let mut settings = settings?;
    for topic in &mut kafka.topics {
        topic.config = settings.remove(&topic.name);
    }
    // Dropping the client takes a while and frees nothing that the end of the process does not.
    std::mem::forget(client);
    Ok(Inspection { kafka, couchdb })
}

async fn inspect_kafka(client: &Client, config: &ConsumerConfig, deadline: Instant) -> KafkaView {
    let topics = &config.topics;
    // The group is the one that writes to CouchDB; what others read they tell themselves.
    let is_read = |topic: &Topic| config.couchdb.is_some() && topic.has_database();
    let cluster = match fetch_async(client, left(deadline)).await {
        Ok(cluster) => cluster,
        Err(error) => {
            return KafkaView {
                error: Some(crate::error::chain(&error)),
                ..KafkaView::default()
            };
        }
    };
    let offsets = Offsets::ask(client, &cluster, topics, deadline).await;
    let view = |topic: &Topic| {
        let present = cluster.topic(&topic.name)?;
        Some(TopicView {
            name: topic.name.clone(),
            partitions: present.partitions.clone(),
            messages: offsets.messages(present),
            lag: offsets.lag(present).filter(|_| is_read(topic)),
            deleted: offsets.deleted(present).filter(|_| is_read(topic)),
            config: None,
        })
    };
    let is_ours = |name: &str| topics.iter().any(|topic| topic.name == name);
    KafkaView {
        reachable: true,
        error: None,
        topics: topics.iter().filter_map(view).collect(),
        other_topics: cluster
            .topics
            .iter()
            .filter(|topic| !is_ours(&topic.name))
            .cloned()
            .collect(),
        brokers: cluster.brokers,
    }
}

async fn inspect_couchdb(
    server: &Couchdb,
    user: &str,
    topics: &[&Topic],
    deadline: Instant,
) -> CouchdbView {
    let rules = access_rules(user);
    let greeting = server.get_json("", &[], left(deadline));
    let databases = join_all(
        topics
            .iter()
            .map(|topic| inspect_database(server, topic, &rules, deadline)),
    );
    let (greeting, databases) = join(greeting, databases).await;
    // What all say is said once.
    let failed = databases
        .iter()
        .map(|database| database.as_ref().err().map(ToString::to_string))
        .reduce(|one, other| one.filter(|one| other.as_ref() == Some(one)))
        .flatten();
    // A database that did not answer in time is not one that is missing.
    let silent = databases
        .iter()
        .any(|database| matches!(database, Err(Trouble::Away(_))));
    match greeting {
        Ok(greeting) => CouchdbView {
            reachable: !silent,
            error: failed,
            vendor: Some(Vendor::of(&greeting).to_string()),
            databases: databases
                .into_iter()
                .zip(topics)
                .map(|(view, topic)| view.unwrap_or_else(|trouble| unknown(topic, Some(trouble))))
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

fn unknown(topic: &Topic, trouble: Option<Trouble>) -> DatabaseView {
    DatabaseView {
        name: topic.database.clone(),
        topic: topic.name.clone(),
        documents: None,
        newest: None,
        dead_letters: None,
        lost_events: None,
        put_away: None,
        access_kept: None,
        error: trouble.map(|trouble| trouble.to_string()),
    }
}

/// What a database says of itself; `None`: it does not exist.
fn present(answer: Answer) -> Result<Option<Value>, Trouble> {
    match answer.status {
        StatusCode::OK => Ok(Some(answer.body)),
        StatusCode::NOT_FOUND => Ok(None),
        _ => Err(answer.trouble()),
    }
}

/// A database's access rules as they are; `None`: they are not told.
async fn rules_of(server: &Couchdb, path: &str, deadline: Instant) -> Option<Value> {
    let path = format!("{path}/_security");
    server.get_json(&path, &[], left(deadline)).await.ok()
}

async fn inspect_database(
    server: &Couchdb,
    topic: &Topic,
    rules: &Value,
    deadline: Instant,
) -> Result<DatabaseView, Trouble> {
    let (path, dead_letters) = (path_of(&topic.database), path_of(&topic.dead_letters()));
    let design_path = format!("{path}/_all_docs");
    let design_range = [("startkey", r#""_design/""#), ("endkey", r#""_design0""#)];
    let (info, designs, (dead, put_away, newest), access) = join4(
        server.request(Method::GET, &path, &[], None, left(deadline)),
        server.get_json(&design_path, &design_range, left(deadline)),
        join3(
            server.request(Method::GET, &dead_letters, &[], None, left(deadline)),
            count_put_away(server, topic, left(deadline)),
            newest_of(server, &topic.database, 1, left(deadline)),
        ),
        join(
            rules_of(server, &path, deadline),
            rules_of(server, &dead_letters, deadline),
        ),
    )
    .await;
    let Some(info) = present(info?)? else {
        return Ok(unknown(topic, None));
    };
    // They may be missing alone.
    let dead = present(dead?)?;
    let put_away = match dead {
        Some(_) => Some(put_away?),
        None => None,
    };
    let has_letters = dead
        .as_ref()
        .and_then(|dead| dead.get("doc_count")?.as_u64())
        > Some(0);
    let lost = if has_letters {
        let range = [
            ("startkey", r#""lost-""#),
            ("endkey", r#""lost.""#),
            ("include_docs", "true"),
        ];
        let path = format!("{dead_letters}/_all_docs");
        server.get_json(&path, &range, left(deadline)).await?
    } else {
        Value::Null
    };
    let rows = lost.get("rows").and_then(Value::as_array);
    // Where the number is not known it is one at least.
    let number = |row: &Value| row["doc"]["lost_events"].as_u64().unwrap_or(1);
    let rules_kept = |there: Option<Value>| there.map(|there| there == *rules);
    let count = |info: &Value| info.get("doc_count").and_then(Value::as_u64);
    let designs = designs?
        .get("rows")
        .and_then(Value::as_array)
        .map_or(0, Vec::len) as u64;
    Ok(DatabaseView {
        name: topic.database.clone(),
        topic: topic.name.clone(),
        documents: count(&info).map(|documents| documents.saturating_sub(designs)),
        newest: newest?
            .first()
            .and_then(|newest| timestamp(&newest.document)),
        dead_letters: dead
            .as_ref()
            .and_then(count)
            .zip(put_away)
            .map(|(dead, put_away)| dead.saturating_sub(put_away)),
        lost_events: Some(rows.into_iter().flatten().map(number).sum()),
        put_away,
        access_kept: match (rules_kept(access.0), rules_kept(access.1)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        error: None,
    })
}
