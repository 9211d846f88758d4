//! Where events go: a sink takes records and says what became of each.
//!
//! A new sink is a folder or file here and a row in [`KINDS`].

mod alert;
pub mod asked;
pub mod couchdb;
mod disk;
pub mod document;
mod event_fields;
pub mod files;
pub mod headers;
mod letter;
mod letters;
pub mod mariadb;
mod place;
mod record;

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::error::ConfigError;
use crate::config::kinds;
use crate::config::topic::Topic;
use crate::observe::Health;
use asked::Asked;
pub use letter::Letter;
pub use record::Record;

/// The kinds of sinks, each with how its settings are read.
const KINDS: &[(&str, Read)] = &[
    ("alert", read::<alert::Settings>),
    ("couchdb", read::<couchdb::Settings>),
    ("files", read::<files::Settings>),
    ("mariadb", read::<mariadb::Settings>),
];

/// Takes records. A call may be given up at any moment: the records then come again.
pub trait Sink: Send + Sync {
    /// What a topic's records go to, as the log and the alarms name it.
    fn place(&self, topic: &Topic) -> String;

    /// Takes records of a topic that were not settled yet. Returns what became of each, in their order.
    fn write<'a>(
        &'a self,
        topic: &'a Topic,
        records: &'a [&'a Record],
    ) -> BoxFuture<'a, Vec<Outcome>>;

    /// Keeps letters beside a topic's records, each once. There is no other place for them: none is `Never`.
    fn keep<'a>(
        &'a self,
        topic: &'a Topic,
        letters: &'a [Letter<'a>],
    ) -> BoxFuture<'a, Vec<Outcome>>;

    /// Does what goes by the clock and not by records, as long as the consumer runs. What is wrong is raised there. It may be
    /// given up at any moment.
    fn work<'a>(&'a self, _health: &'a Health) -> BoxFuture<'a, ()> {
        Box::pin(std::future::pending())
    }

    /// Tells how it is, for its deployer; `None`: the figures of all sinks tell it.
    fn told(&self) -> Option<Value> {
        None
    }
}

/// What became of a record or a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is there now.
    Done,
    /// It was there already, or a newer one is in its place.
    Already,
    /// It can never be there, for this reason.
    Never(String),
    /// It is not there yet, and may be tried again.
    Later(Later),
}

/// Why something is tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Later {
    /// The sink is away, overloaded or failing.
    #[error("{0}")]
    Away(String),
    /// The sink does not let us in: somebody must act.
    #[error("{0}")]
    Denied(String),
}

/// The settings of a kind of sink.
pub trait Settings: Debug + Send + Sync {
    /// Names the first key whose value cannot work, with the reason.
    ///
    /// # Errors
    /// The key and the reason.
    fn check(&self) -> Result<(), (String, String)>;

    /// Reads every file that a key names.
    ///
    /// # Errors
    /// When one cannot be used.
    fn check_files(&self) -> Result<(), ConfigError>;

    /// Says why a topic cannot go there.
    ///
    /// # Errors
    /// The topic's key and the reason.
    fn check_topic(&self, _topic: &Topic) -> Result<(), (&'static str, String)> {
        Ok(())
    }

    /// Whether records can be found there again.
    fn keeps_records(&self) -> bool {
        true
    }

    /// Returns whether it has a place for the canaries, which then come to every sink of it.
    fn takes_canaries(&self) -> bool {
        false
    }

    /// Makes the sink; nothing is written yet.
    ///
    /// # Errors
    /// When a file of the configuration cannot be used.
    fn open(&self) -> Result<Box<dyn Sink>, OpenError>;

    /// Makes what answers for the sink; nothing is asked yet.
    ///
    /// # Errors
    /// When a file of the configuration cannot be used.
    fn asked(&self) -> Result<Box<dyn Asked>, OpenError>;
}

/// Says why there can be no sink.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There can be no client of `CouchDB`.
    #[error(transparent)]
    Couchdb(#[from] couchdb::OpenError),
    /// A file of the configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Reads the settings of a kind.
type Read = fn(toml::Table) -> Result<Arc<dyn Settings>, toml::de::Error>;

fn read<S: Settings + DeserializeOwned + 'static>(
    table: toml::Table,
) -> Result<Arc<dyn Settings>, toml::de::Error> {
    Ok(Arc::new(table.try_into::<S>()?))
}

/// Reads the settings of the kind with this name.
///
/// # Errors
/// When there is no such kind, or a key is none of its own.
pub fn settings(kind: &str, table: toml::Table) -> Result<Arc<dyn Settings>, String> {
    let read = kinds::find(KINDS, kind)?;
    read(table).map_err(|error| error.message().to_owned())
}
