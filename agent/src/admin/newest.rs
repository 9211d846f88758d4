//! The newest documents of a topic's database.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;

use super::AdminError;
use crate::config::{ConsumerConfig, Topic};
use crate::event::format_timestamp;
use crate::sink::couchdb::Trouble;
use crate::sink::couchdb::{Couchdb, path_of};

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(10);
/// How many of the latest changes are looked at for each wanted document. Changes come from several shards, in the order
/// of each but not of all, so the newest is among the last ones rather than the last one.
const LOOK_BACK: usize = 20;

/// Returns the newest `n` documents of one topic, or of all, newest first.
///
/// # Errors
/// When the topic is not configured or `CouchDB` does not answer.
pub async fn newest(
    config: &ConsumerConfig,
    n: usize,
    topic: Option<&str>,
) -> Result<Vec<Box<RawValue>>, AdminError> {
    let with_database = config.documented().into_iter();
    let topics: Vec<&Topic> = match topic {
        Some(name) => with_database.filter(|topic| topic.name == name).collect(),
        None => with_database.filter(|topic| !topic.canary).collect(),
    };
    if topics.is_empty() {
        return Err(AdminError::NoTopic(topic.unwrap_or("of events").to_owned()));
    }
    let server = Couchdb::open(config.couchdb()?)?;
    let lists = topics
        .iter()
        .map(|topic| newest_of(&server, &topic.database, n, REQUEST));
    let lists = futures_util::future::try_join_all(lists)
        .await
        .map_err(AdminError::couchdb("the newest documents"))?;
    let mut documents: Vec<Newest> = lists.into_iter().flatten().collect();
    sort(&mut documents);
    documents.truncate(n);
    Ok(documents.into_iter().map(|newest| newest.raw).collect())
}

/// A document, understood and as it is: read as a value, a long number loses digits.
pub(super) struct Newest {
    pub(super) document: Value,
    raw: Box<RawValue>,
}

/// Returns the newest `n` documents of a database, newest first.
pub(super) async fn newest_of(
    server: &Couchdb,
    database: &str,
    n: usize,
    timeout: Duration,
) -> Result<Vec<Newest>, Trouble> {
    let limit = (n * 4).max(LOOK_BACK).to_string();
    let path = format!("{}/_changes", path_of(database));
    let changes = server
        .get_json(&path, &[("descending", "true"), ("limit", &limit)], timeout)
        .await?;
    let rows = changes
        .get("results")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let ids = rows
        .iter()
        .filter(|row| row.get("deleted").is_none())
        .filter_map(|row| row.get("id")?.as_str());
    let ids = last_of_each_series(ids.filter(|id| !id.starts_with('_')), n);
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = tokio::time::timeout(timeout, server.get_raw(database, &ids)).await;
    let found = found.map_err(|_| Trouble::Away("no answer in time".to_owned()))??;
    let newest = |raw: Box<RawValue>| {
        let document = serde_json::from_str(raw.get()).ok()?;
        Some(Newest { document, raw })
    };
    let mut documents: Vec<Newest> = found.into_values().filter_map(newest).collect();
    sort(&mut documents);
    documents.truncate(n);
    Ok(documents)
}

/// Keeps, of ids that differ only in their number, the `n` highest: only these can be the newest, and only these need
/// be read. Numbers have a fixed width, so the text's order is theirs.
fn last_of_each_series<'a>(ids: impl Iterator<Item = &'a str>, n: usize) -> Vec<&'a str> {
    let mut series: HashMap<&str, Vec<&str>> = HashMap::new();
    for id in ids {
        series
            .entry(id.rsplit_once('-').map_or("", |(series, _)| series))
            .or_default()
            .push(id);
    }
    for ids in series.values_mut() {
        ids.sort_unstable_by(|left, right| right.cmp(left));
        ids.truncate(n);
    }
    series.into_values().flatten().collect()
}

fn sort(documents: &mut [Newest]) {
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
pub(super) fn timestamp(document: &Value) -> Option<String> {
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
    fn only_the_highest_of_each_series_are_read() {
        let ids = [
            "a-r-000000000009",
            "a-r-000000000010",
            "b-r-000000000001",
            "e1-0000-00000000000f",
            "odd",
        ];
        let mut kept = last_of_each_series(ids.into_iter(), 1);
        kept.sort_unstable();
        assert_eq!(
            kept,
            [
                "a-r-000000000010",
                "b-r-000000000001",
                "e1-0000-00000000000f",
                "odd"
            ]
        );
        assert_eq!(last_of_each_series(ids.into_iter().take(2), 5).len(), 2);
    }

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
