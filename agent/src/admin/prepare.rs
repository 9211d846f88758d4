//! `prepare`: Kafka's topics, users and rights and `CouchDB`'s databases made ready for the agents.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::AdminError;
use super::access::{self, Access};
use super::aloud::aloud;
use super::couchdb_setup::{self, Credentials};
use super::in_sync::wait_for;
use super::metadata::{Cluster, Expected, client};
use super::readers::Reader;
use super::rights::{self, Right};
use super::topics::{self, Topics, Wanted};
use super::users::{self, User};
use crate::config::{Connection, ConsumerConfig};
use crate::sink::couchdb::Server;

/// What is to be prepared, as read from the standard input; it holds passwords.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    couchdb: Option<Credentials>,
    /// All who read documents and write none: others whom this call has made go.
    #[serde(default)]
    readers: Vec<Reader>,
    brokers: usize,
    topics: Vec<Wanted>,
    /// All who log in to Kafka by a password: others are removed. None: they are left alone.
    users: Option<Arc<[User]>>,
    /// All that users may do: other rights are taken. None: they are left alone.
    rights: Option<Vec<Right>>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<users::Changed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rights: Option<rights::Changed>,
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
                let setup = couchdb_setup::prepare(
                    &server,
                    credentials,
                    &names,
                    Some(&request.readers),
                    deadline,
                );
                aloud("CouchDB, its databases and users", setup).await
            }
            None => Ok(Vec::new()),
        }
    };
    let (kafka, databases) = tokio::try_join!(prepare_kafka(config, request, deadline), databases)?;
    let (topics, users, rights) = kafka;
    Ok(Report {
        topics,
        users,
        rights,
        databases,
    })
}

/// What became of topics, users and rights.
type Kafka = (
    Vec<topics::Prepared>,
    Option<users::Changed>,
    Option<rights::Changed>,
);

async fn prepare_kafka(
    config: &ConsumerConfig,
    request: &Request,
    deadline: Instant,
) -> Result<Kafka, AdminError> {
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
    let connection = Connection::of_consumer(config)?;
    let topics = Topics::new(&connection, deadline)?;
    let preparing = async {
        tokio::try_join!(
            topics.prepare(&request.topics, &cluster),
            prepare_access(&connection, request, deadline),
        )
    };
    let (prepared, (users, rights)) = aloud(
        "Kafka's controller, which makes topics and users",
        preparing,
    )
    .await?;
    let whole = wait_for(&client, deadline, |cluster| {
        unready(cluster, request, &expected)
    });
    let (_, missing) = aloud("a whole copy of every topic", whole).await;
    if missing.is_empty() {
        Ok((prepared, users, rights))
    } else {
        Err(timeout("a whole copy of every topic")(missing))
    }
}

/// Users and rights, as far as the request says something of them.
async fn prepare_access(
    connection: &Connection,
    request: &Request,
    deadline: Instant,
) -> Result<(Option<users::Changed>, Option<rights::Changed>), AdminError> {
    if request.users.is_none() && request.rights.is_none() {
        return Ok((None, None));
    }
    let access = Access::new(access::client(connection)?, deadline);
    let users = async {
        match &request.users {
            Some(users) => access.set_users(Arc::clone(users)).await.map(Some),
            None => Ok(None),
        }
    };
    let rights = async {
        match &request.rights {
            Some(rights) => access.set_rights(rights).await.map(Some),
            None => Ok(None),
        }
    };
    tokio::try_join!(users, rights)
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
