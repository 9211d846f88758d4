//! Where events come from: each source fills a channel with payloads until nobody takes them any more.

pub mod file;
mod lines;
pub mod snapshot;
pub mod stdin;
mod table;
pub mod top;

use tokio::sync::mpsc;

use crate::config::{SourceKind, SourceSettings};
use crate::event::Taken;

/// How many batches of lines wait between a source and the producer.
const WAITING: usize = 4;

/// Starts a source where it was at this mark; the channel closes when the source has no more to give.
pub fn start(settings: &SourceSettings, mark: [u64; 2]) -> mpsc::Receiver<Vec<Taken>> {
    match settings.kind {
        SourceKind::Top => {
            // One at a time: a snapshot that waits gets old, a missed one is logged.
            let (sender, receiver) = mpsc::channel(1);
            tokio::spawn(top::run(settings.clone(), sender));
            receiver
        }
        SourceKind::Stdin => {
            let (sender, receiver) = mpsc::channel(WAITING);
            tokio::spawn(stdin::run(tokio::io::stdin(), sender));
            receiver
        }
        SourceKind::File => {
            let (sender, receiver) = mpsc::channel(WAITING);
            tokio::spawn(file::run(settings.path.clone(), mark, sender));
            receiver
        }
    }
}
