//! Letters: what is kept beside a sink because it can never be in it.

use super::document::{Document, dead_letter, lost_letter};
use super::record::Record;
use crate::config::topic::Topic;

/// What can never be in a sink.
#[derive(Debug, Clone)]
pub enum Letter<'a> {
    /// A record, and why.
    Dead {
        /// The record.
        record: &'a Record,
        /// Why it can never be there.
        reason: String,
    },
    /// Events that Kafka deleted before they were read.
    Lost {
        /// The partition they were in.
        partition: i32,
        /// The first offset of them.
        from: i64,
        /// How many; none where that cannot be known.
        events: Option<i64>,
        /// What happened.
        reason: String,
    },
}

impl Letter<'_> {
    /// Makes the document that says it, with up to `kept` bytes of a record's value.
    pub fn document(&self, topic: &Topic, kept: usize) -> Document {
        match self {
            Self::Dead { record, reason } => {
                dead_letter(&topic.name, &topic.epoch, record, reason, kept)
            }
            Self::Lost {
                partition,
                from,
                events,
                reason,
            } => lost_letter(
                &topic.name,
                &topic.epoch,
                *partition,
                *from,
                *events,
                reason,
            ),
        }
    }
}
