//! `prepare`: Kafka's topics and `CouchDB`'s databases made ready for the agents.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::AdminError;
use super::aloud::aloud;
use super::couchdb_setup::{self, Credentials};
use super::in_sync::wait_for;
use super::metadata::{Cluster, Expected, client};
use super::topics::{self, Topics, Wanted};
use crate::config::{Connection, ConsumerConfig};
use crate::sink::couchdb::Server;

/// What is to be prepared, as read from the standard input; it holds passwords.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    couchdb: Option<Credentials>,
    brokers: usize,
    topics: Vec<Wanted>,
    #[serde(default = "default_timeout")]
    timeout_seconds: u64,
}

fn default_timeout() -> u64 {
    120
}

/// What `prepare` prints.
#[derive(Debug, Serialize)]
pub struct Report {
    topics: Vec<topics::Prepared>,
    databases: Vec<couchdb_setup::Prepared>,
}

/// Waits for Kafka and `CouchDB`, and makes what is missing in both at the same time.
///
/// # Errors
/// When either is not there in time or refuses.
pub async fn prepare(config: &ConsumerConfig, request: &Request) -> Result<Report, AdminError> {
    let deadline = Instant::now() + Duration::from_secs(request.timeout_seconds.min(86_400));
    let databases = async {
        match &request.couchdb {
            Some(credentials) => {
                let server = Server::of(config.couchdb()?)?;
                let names: Vec<String> = config
                    .documented()
                    .into_iter()
                    .flat_map(|topic| [topic.database.clone(), topic.dead_letters()])
                    .collect();
                let setup = couchdb_setup::prepare(&server, credentials, &names, deadline);
                aloud("CouchDB, its databases and users", setup).await
            }
            None => Ok(Vec::new()),
        }
    };
    let (topics, databases) =
        tokio::try_join!(prepare_topics(config, request, deadline), databases)?;
    Ok(Report { topics, databases })
}

async fn prepare_topics(
    config: &ConsumerConfig,
    request: &Request,
    deadline: Instant,
) -> Result<Vec<topics::Prepared>, AdminError> {
    let timeout = |subject| {
        move |missing: Vec<String>| AdminError::Timeout {
            subject,
            seconds: request.timeout_seconds,
            last: missing.join("; "),
        }
    };
    let client = client(config)?;
    let expected = Expected::new(config, request.brokers);
    let brokers = wait_for(&client, deadline, |cluster| {
        cluster.missing(&expected, |_| false)
    });
    let (cluster, missing) = aloud("Kafka's brokers", brokers).await;
    if !missing.is_empty() {
        return Err(timeout("Kafka")(missing));
    }
    let topics = Topics::new(&Connection::of_consumer(config)?, deadline)?;
    let preparing = topics.prepare(&request.topics, &cluster);
    let prepared = aloud("Kafka's controller, which makes topics", preparing).await?;
    let whole = wait_for(&client, deadline, |cluster| {
        unready(cluster, request, &expected)
    });
    let (_, missing) = aloud("a whole copy of every topic", whole).await;
    if missing.is_empty() {
        Ok(prepared)
    } else {
        Err(timeout("a whole copy of every topic")(missing))
    }
}

/// Says what is missing until every wanted topic has its partitions, each with a leader and all its copies.
fn unready(cluster: &Cluster, request: &Request, expected: &Expected) -> Vec<String> {
    let mut missing = cluster.missing(expected, |name| {
        request.topics.iter().any(|topic| topic.name == name)
    });
    for topic in &request.topics {
        let present = cluster
            .topic(&topic.name)
            .map_or(0, |topic| topic.partitions.len());
        if usize::try_from(topic.partitions).is_ok_and(|wanted| present < wanted) {
            missing.push(format!(
                "{}: {present} of {} partitions are there",
                topic.name, topic.partitions
            ));
        }
    }
    missing
}
