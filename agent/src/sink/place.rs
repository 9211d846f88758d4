//! Where a record was, and which of two of one key is newer.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::Record;
use crate::config::topic::Topic;

/// Where a record was, as what was made of it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Of the topic: it changes when that is made anew.
    pub(super) epoch: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// Kafka's timestamp in milliseconds, if it has one.
    pub(super) timestamp: Option<i64>,
}

impl Place {
    /// The place of a topic's record.
    pub(super) fn of(topic: &Topic, record: &Record) -> Self {
        Self {
            epoch: topic.epoch.clone(),
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
        }
    }

    /// Compares the ages of two records of one key.
    pub(super) fn age(&self, other: &Self) -> Ordering {
        if self.partition != other.partition {
            // A key changes its partition when there are more of them. No two consumers may disagree on two of one moment.
            let moment = |place: &Self| (place.timestamp, place.partition);
            return moment(self).cmp(&moment(other));
        }
        if self.epoch != other.epoch {
            // The topic was made anew, and only the new one is read.
            return Ordering::Greater;
        }
        self.offset.cmp(&other.offset)
    }
}

/// The newest of some records.
pub(super) fn newest<E>(entries: &[E], place: impl Fn(&E) -> &Place) -> Option<&E> {
    entries.iter().reduce(|newest, entry| {
        if place(entry).age(place(newest)) == Ordering::Greater {
            entry
        } else {
            newest
        }
    })
}

/// Reads a record's key, which is the id of what is made of it.
pub(super) fn key(record: &Record) -> Result<&str, String> {
    let key = record.key.as_deref().unwrap_or_default();
    let key = std::str::from_utf8(key).map_err(|error| format!("the key is not UTF-8: {error}"))?;
    if key.is_empty() {
        return Err("the record has no key, and its key is the id of what is kept".to_owned());
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(epoch: &str, partition: i32, offset: i64, timestamp: i64) -> Place {
        Place {
            epoch: epoch.into(),
            partition,
            offset,
            timestamp: Some(timestamp),
        }
    }

    #[test]
    fn within_a_partition_offsets_tell_the_age_and_between_partitions_the_time() {
        let there = place("a", 1, 10, 500);
        for (place, age) in [
            (place("a", 1, 10, 500), Ordering::Equal),
            (place("a", 1, 11, 400), Ordering::Greater),
            (place("a", 1, 9, 600), Ordering::Less),
            (place("b", 1, 0, 400), Ordering::Greater),
            (place("a", 2, 0, 501), Ordering::Greater),
            (place("a", 2, 99, 499), Ordering::Less),
            (place("a", 2, 0, 500), Ordering::Greater),
            (place("a", 0, 0, 500), Ordering::Less),
        ] {
            assert_eq!(place.age(&there), age, "{place:?}");
        }
    }
}
