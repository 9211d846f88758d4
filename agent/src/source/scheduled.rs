//! A source whose run begins at the next point of a schedule.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::{Batch, Checkpoint, Settings, Source, Start};
use crate::schedule::wait_until;

/// Waits, and then is the source that was asked for.
pub struct Scheduled {
    kind: Arc<dyn Settings>,
    begins: Timestamp,
    /// What the source begins with, until it has begun.
    start: Option<Start>,
    source: Option<Box<dyn Source>>,
}

impl Scheduled {
    /// Begins at a moment.
    pub fn at(begins: Timestamp, kind: Arc<dyn Settings>, start: Start) -> Box<dyn Source> {
        Box::new(Self {
            kind,
            begins,
            start: Some(start),
            source: None,
        })
    }

    async fn take(&mut self) -> Option<Batch> {
        if self.start.is_some() {
            wait_until(self.begins).await;
            self.source = self.start.take().map(|start| self.kind.open(start));
        }
        self.source.as_mut()?.next().await
    }
}

impl Source for Scheduled {
    fn next(&mut self) -> BoxFuture<'_, Option<Batch>> {
        Box::pin(self.take())
    }

    fn safe<'a>(&'a mut self, checkpoint: &'a Checkpoint) -> BoxFuture<'a, ()> {
        match &mut self.source {
            Some(source) => source.safe(checkpoint),
            None => Box::pin(std::future::ready(())),
        }
    }

    fn waiting(&self) -> usize {
        // What waits gets old in some of them.
        1
    }
}
