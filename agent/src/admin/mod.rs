//! The calls the deployer makes on the consumer's node: each asks or prepares Kafka and `CouchDB`, and answers in JSON.

mod access;
mod aloud;
pub mod await_canaries;
pub mod compare;
pub mod couchdb_setup;
pub mod dead_letters;
pub mod export;
pub mod import;
pub mod in_sync;
pub mod inspect;
pub mod metadata;
pub mod newest;
mod offsets;
pub mod prepare;
pub mod readers;
pub mod rights;
pub mod send;
mod settings;
pub mod tail;
pub mod topics;
pub mod users;

use std::io::Read;

use rdkafka::error::KafkaError;
use serde::de::DeserializeOwned;

use crate::config::ConfigError;
use crate::sink;
use crate::sink::Later;
use crate::sink::couchdb::OpenError;
use crate::sink::couchdb::Trouble;

/// Says why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration names no topic for this call.
    #[error("the configuration has no topic {0}")]
    NoTopic(String),
    /// The topic's letters are beside a sink that can only show them.
    #[error("the dead letters of {0} are beside sinks, where they are only shown")]
    OnlyShown(String),
    /// There can be no client of `CouchDB`.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A sink cannot be asked.
    #[error(transparent)]
    Asked(#[from] sink::OpenError),
    /// What was read from the standard input is not a request.
    #[error("the request on the standard input is not understood")]
    Request(#[source] serde_json::Error),
    /// A database that is none of ours was named.
    #[error("{0:?} is not the name of a database that may be written to")]
    Database(String),
    /// What `CouchDB` answered is not what it was asked for.
    #[error("CouchDB's answer is not understood")]
    Answer(#[source] serde_json::Error),
    /// The standard input could not be read.
    #[error("the standard input cannot be read")]
    Input(#[source] std::io::Error),
    /// The Kafka client could not be made, or Kafka refused.
    #[error("Kafka: {subject}")]
    Kafka {
        /// What was asked.
        subject: String,
        /// Why not.
        source: KafkaError,
    },
    /// Kafka does not tell who may use it, or does not change it.
    #[error("Kafka")]
    Access(#[source] kafka_admin::Error),
    /// `CouchDB` refused.
    #[error("CouchDB: {subject}")]
    Couchdb {
        /// What was asked.
        subject: String,
        /// Why not.
        source: Trouble,
    },
    /// A sink did not answer.
    #[error("{sink}: {subject}")]
    Sink {
        /// The sink.
        sink: String,
        /// What was asked.
        subject: String,
        /// Why not.
        source: Later,
    },
    /// What was waited for did not come.
    #[error("{subject} was not there after {seconds} s: {last}")]
    Timeout {
        /// What was waited for.
        subject: &'static str,
        /// How long.
        seconds: u64,
        /// What was seen last.
        last: String,
    },
    /// A thread of this program failed.
    #[error("a thread did not end as it should")]
    Thread(#[from] tokio::task::JoinError),
}

/// Reads a request to the end of the input.
///
/// # Errors
/// When the input cannot be read or is not such a request.
pub fn read_request<R: DeserializeOwned>(mut input: impl Read) -> Result<R, AdminError> {
    let mut text = String::new();
    input.read_to_string(&mut text).map_err(AdminError::Input)?;
    serde_json::from_str(&text).map_err(AdminError::Request)
}

impl AdminError {
    fn kafka(subject: impl Into<String>) -> impl FnOnce(KafkaError) -> Self {
        let subject = subject.into();
        move |source| Self::Kafka { subject, source }
    }

    fn sink(sink: impl Into<String>, subject: impl Into<String>) -> impl FnOnce(Later) -> Self {
        let (sink, subject) = (sink.into(), subject.into());
        move |source| Self::Sink {
            sink,
            subject,
            source,
        }
    }

    fn couchdb(subject: impl Into<String>) -> impl FnOnce(Trouble) -> Self {
        let subject = subject.into();
        move |source| Self::Couchdb { subject, source }
    }
}
