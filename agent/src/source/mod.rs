//! Where events come from: a source gives out batches, and hears when they are safe.
//!
//! A new source is a file here and a row in [`KINDS`].

mod bucket;
mod checkpoint;
mod drive;
pub mod file;
mod generator;
mod lines;
mod logins;
mod logs;
mod position;
mod rotation;
pub mod scheduled;
pub mod snapshot;
pub mod stdin;
mod table;
pub mod top;
mod troubles;
mod trucks;

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;

use crate::config::error::ConfigError;
use crate::config::kinds;
use crate::event::Taken;
pub use checkpoint::Checkpoint;
pub use drive::{Running, start};
pub use troubles::Troubles;

/// The kinds of sources, each with how its settings are read.
const KINDS: &[(&str, Read)] = &[
    ("top", read::<top::Settings>),
    ("stdin", read::<stdin::Settings>),
    ("file", read::<file::Settings>),
    ("bucket", read::<crate::bucket::Settings>),
    ("logins", read::<generator::Settings<logins::Logins>>),
    ("trucks", read::<generator::Settings<trucks::Journey>>),
    ("logs", read::<generator::Settings<logs::Logs>>),
];

/// Gives out events.
pub trait Source: Send {
    /// Waits for what comes next; `None` is the end. A source that must hear soon what is safe gives an empty batch now and
    /// then: it is told between two calls. The call is given up where nobody takes events any more.
    fn next(&mut self) -> BoxFuture<'_, Option<Batch>>;

    /// Hears that every event up to a checkpoint is confirmed by Kafka. It may hear the same again after a restart.
    fn safe<'a>(&'a mut self, _checkpoint: &'a Checkpoint) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// How many batches may wait for the producer.
    fn waiting(&self) -> usize {
        4
    }
}

/// Events that are kept together, and where their source is after them.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The events, in their order.
    pub events: Vec<Taken>,
    /// Where the source goes on after a restart.
    pub checkpoint: Checkpoint,
}

/// What a source begins with.
#[derive(Debug, Default)]
pub struct Start {
    /// Where it was after the last event that was kept; empty where there was none.
    pub checkpoint: Checkpoint,
    /// A directory of its own, made when there is something to be kept in it.
    pub directory: PathBuf,
    /// Where it counts what it cannot give out as it is.
    pub troubles: Troubles,
}

/// The settings of a kind of source.
pub trait Settings: Debug + Send + Sync {
    /// Names the first key whose value cannot work, with the reason.
    ///
    /// # Errors
    /// The key and the reason.
    fn check(&self) -> Result<(), (String, String)> {
        Ok(())
    }

    /// Opens whatever the source reads.
    ///
    /// # Errors
    /// When it cannot be read.
    fn check_files(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    /// Whether it makes its events itself, so that a run can begin at any time.
    fn makes_events(&self) -> bool {
        true
    }

    /// Whether each batch is a transaction, so that its events are in the topic once also for who reads that. A batch must then be
    /// small enough to be on its way as a whole.
    fn is_in_transactions(&self) -> bool {
        false
    }

    /// What makes a run of so many events this run: where it changes, a new run begins.
    fn identity(&self, count: u64) -> String;

    /// Makes the source.
    fn open(&self, start: Start) -> Box<dyn Source>;
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
    let read = kinds::find(KINDS, kind).map_err(|unknown| format!("source.{unknown}"))?;
    read(table).map_err(|error| format!("source: {}", error.message()))
}
