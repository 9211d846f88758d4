//! Where events come from: each source fills a channel with payloads until nobody takes them any more.

pub mod file;
mod lines;
mod position;
mod rotation;
pub mod snapshot;
pub mod stdin;
mod table;
pub mod top;
mod troubles;

use std::path::PathBuf;

use tokio::sync::mpsc;

use crate::config::{SourceKind, SourceSettings};
use crate::event::Taken;
pub use troubles::Troubles;

/// How many batches of lines wait between a source and the producer.
const WAITING: usize = 4;

/// Where a source begins.
#[derive(Debug, Default)]
pub struct Start {
    /// The marks of what was taken last, one of each of its parts; the last is the latest.
    pub marks: Vec<[u64; 2]>,
    /// A directory of its own, made when there is something to be kept in it.
    pub directory: PathBuf,
}

/// Starts a source; the channel closes when the source has no more to give.
pub fn start(
    settings: &SourceSettings,
    start: Start,
    troubles: Troubles,
) -> mpsc::Receiver<Vec<Taken>> {
    match settings.kind {
        SourceKind::Top => {
            // One at a time: a snapshot that waits gets old, a missed one is logged.
            let (sender, receiver) = mpsc::channel(1);
            tokio::spawn(top::run(
                settings.clone(),
                start.directory,
                sender,
                troubles,
            ));
            receiver
        }
        SourceKind::Stdin => {
            let (sender, receiver) = mpsc::channel(WAITING);
            tokio::spawn(stdin::run(tokio::io::stdin(), sender, troubles));
            receiver
        }
        SourceKind::File => {
            let (sender, receiver) = mpsc::channel(WAITING);
            tokio::spawn(file::run(
                settings.path.clone(),
                start.marks,
                sender,
                troubles,
            ));
            receiver
        }
    }
}
