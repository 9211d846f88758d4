//! What can be asked of a sink: what it holds of a topic, the newest of it, and its letters.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::Later;
use crate::config::topic::Topic;
use crate::event::format_timestamp;

/// How many letters are read at once: each may have megabytes.
pub(super) const PAGE: usize = 20;

/// Tells what a sink holds, and changes nothing. What a kind cannot tell it says in words.
pub trait Asked: Send + Sync {
    /// Counts what it holds of a topic; `None`: there is no place for it yet.
    fn holding<'a>(
        &'a self,
        topic: &'a Topic,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<Holding>, Later>>;

    /// Returns the newest `n` documents of a topic, newest first.
    fn newest<'a>(
        &'a self,
        topic: &'a Topic,
        n: usize,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Vec<Newest>, Later>>;

    /// Returns the canaries of a run, as documents; of a kind that takes none there are none.
    fn canaries<'a>(&'a self, _run: &'a str) -> BoxFuture<'a, Result<Vec<Value>, Later>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Removes the canaries of a run, and what earlier ones left.
    fn remove_canaries<'a>(&'a self, _run: &'a str) -> BoxFuture<'a, Result<(), Later>> {
        Box::pin(async { Ok(()) })
    }

    /// Returns some of a topic's letters, those after one, in the order of their ids; none: there are no more.
    fn letters<'a>(
        &'a self,
        topic: &'a Topic,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<Value>, Later>>;
}

/// What a sink holds of a topic. `None`: not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// Records.
    pub records: Option<u64>,
    /// When the newest was made.
    pub newest: Option<String>,
    /// Letters, but for those that were put away.
    pub dead_letters: Option<u64>,
    /// Events that Kafka deleted before they were read, by the letters that say so.
    pub lost_events: Option<u64>,
    /// Letters that were put away.
    pub put_away: Option<u64>,
    /// The tables of its database, each with its columns' types.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: Tables,
}

/// Table → column → its type: the word of ours for it, else the database's own.
pub type Tables = BTreeMap<String, BTreeMap<String, String>>;

/// A document, understood and as it is: read as a value, a long number loses digits.
pub struct Newest {
    /// Understood.
    pub document: Value,
    /// As it is.
    pub raw: Box<RawValue>,
}

impl Newest {
    /// Reads a document.
    pub(super) fn read(raw: Box<RawValue>) -> Option<Self> {
        let document = serde_json::from_str(raw.get()).ok()?;
        Some(Self { document, raw })
    }
}

/// Says how many events a letter about lost ones stands for. Where the number is not known it is one at least.
pub(super) fn lost_events(letter: &Value) -> u64 {
    letter["lost_events"].as_u64().unwrap_or(1)
}

/// Puts the newest first.
pub(crate) fn sort(documents: &mut [Newest]) {
    documents.sort_by_cached_key(|Newest { document, .. }| {
        std::cmp::Reverse((timestamp(document), id(document)))
    });
}

fn id(document: &Value) -> String {
    document
        .get("_id")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// Returns when a document's event was made, or when Kafka got it where the event does not say.
pub(crate) fn timestamp(document: &Value) -> Option<String> {
    let own = document
        .get("timestamp")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let kafka = || {
        let millis = document.pointer("/kafka/timestamp")?.as_i64()?;
        Timestamp::from_millisecond(millis)
            .ok()
            .map(format_timestamp)
    };
    own.or_else(kafka)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_comes_first_whoever_made_it() {
        let texts = [
            r#"{"_id":"a","timestamp":"2026-11-21T08:34:00.123Z"}"#,
            r#"{"_id":"n"}"#,
            r#"{"_id":"k","kafka":{"timestamp":1795247600000},"event":1}"#,
        ];
        let newest = |text: &str| Newest {
            document: serde_json::from_str(text).expect("is JSON"),
            raw: RawValue::from_string(text.to_owned()).expect("is JSON"),
        };
        let mut documents = texts.map(newest);
        sort(&mut documents);
        let ids = documents.each_ref().map(|newest| id(&newest.document));
        assert_eq!(ids, ["a", "k", "n"]);
        assert_eq!(
            timestamp(&documents[1].document).as_deref(),
            Some("2026-11-21T07:53:20.000Z")
        );
    }
}
