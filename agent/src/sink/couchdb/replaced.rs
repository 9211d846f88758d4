//! A document for each key: a record takes the place of an older one of its key, and never that of a newer one.
//!
//! A document says which record it is of. It is only written over the revision that was compared, so that whoever else
//! writes it meanwhile (another consumer, after a rebalance) makes a conflict, and it is compared again.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;

use super::{Row, Store, Trouble};
use crate::config::topic::Topic;
use crate::sink::document::Document;
use crate::sink::event_fields::EventFields;
use crate::sink::place::{Place, key, newest};
use crate::sink::{Later, Outcome, Record};

/// How often documents that others write, too, are compared again before that waits.
const ROUNDS: usize = 5;

/// A record that may become the document of its key.
struct Entry<'a> {
    index: usize,
    place: Place,
    /// The fields of its value, with the brace behind them.
    fields: &'a str,
}

/// The records of each key, in the order in which they came.
type Keys<'a> = BTreeMap<&'a str, Vec<Entry<'a>>>;

/// Writes the newest record of each key, where no newer one is there. Those that are passed over count as being there.
pub(super) async fn write(store: &impl Store, topic: &Topic, records: &[&Record]) -> Vec<Outcome> {
    let mut outcomes = vec![None; records.len()];
    let mut keys = Keys::new();
    for (index, record) in records.iter().enumerate() {
        match entry(topic, index, record) {
            Ok((key, entry)) => keys.entry(key).or_default().push(entry),
            Err(reason) => outcomes[index] = Some(Outcome::Never(reason)),
        }
    }
    let mut later = Later::Away("others write the same documents".to_owned());
    for _ in 0..ROUNDS {
        if keys.is_empty() {
            break;
        }
        if let Err(trouble) = round(store, &topic.database, &mut keys, &mut outcomes).await {
            later = trouble.into();
            break;
        }
    }
    let outcomes = outcomes.into_iter();
    outcomes
        .map(|one| one.unwrap_or_else(|| Outcome::Later(later.clone())))
        .collect()
}

/// Reads a record: its key, and what its document would be made of.
fn entry<'a>(
    topic: &Topic,
    index: usize,
    record: &'a Record,
) -> Result<(&'a str, Entry<'a>), String> {
    let key = key(record)?;
    if key.starts_with('_') {
        return Err(format!("the key {key:?} begins with '_': it can be no id"));
    }
    let value = record.value.as_deref().ok_or("the record has no value")?;
    let text =
        std::str::from_utf8(value).map_err(|error| format!("the value is not UTF-8: {error}"))?;
    let fields: EventFields = serde_json::from_str(text)
        .map_err(|error| format!("the value is not JSON that can be stored: {error}"))?;
    let Some(text) = text.trim().strip_prefix('{') else {
        return Err("the value is no object, and a document is made of its fields".to_owned());
    };
    if fields.has_kafka || fields.has_own_of_couchdb {
        return Err(
            "the value has a field `kafka`, or one that begins with '_': these are the document's own"
                .to_owned(),
        );
    }
    let place = Place::of(topic, record);
    let fields = text.trim_start();
    let entry = Entry {
        index,
        place,
        fields,
    };
    Ok((key, entry))
}

/// What a document that is there says of itself.
#[derive(Deserialize)]
struct Stored {
    #[serde(rename = "_rev")]
    revision: String,
    kafka: Place,
}

/// Compares and writes once. Keys that are settled leave, those whose document was changed meanwhile stay.
async fn round(
    store: &impl Store,
    database: &str,
    keys: &mut Keys<'_>,
    outcomes: &mut [Option<Outcome>],
) -> Result<(), Trouble> {
    let ids: Vec<&str> = keys.keys().copied().collect();
    let stored = store.get(database, &ids).await?;
    let mut documents = Vec::new();
    keys.retain(|key, entries| {
        let Some(newest) = newest(entries, |entry| &entry.place) else {
            return false;
        };
        let revision = match stored.get(*key).map(Stored::deserialize) {
            None => None,
            Some(Ok(stored)) if newest.place.age(&stored.kafka) == Ordering::Greater => {
                Some(stored.revision)
            }
            Some(Ok(_)) => {
                settle(entries, outcomes, &Outcome::Already);
                return false;
            }
            Some(Err(_)) => {
                let reason = format!("conflict: another document has the id {key}");
                settle(entries, outcomes, &Outcome::Never(reason));
                return false;
            }
        };
        documents.push(document(key, newest, revision.as_deref()));
        true
    });
    for (id, row) in put(store, database, documents).await? {
        let Some(entries) = keys.get_mut(id.as_str()) else {
            continue;
        };
        let newest = newest(entries, |entry| &entry.place).map(|newest| newest.index);
        match row {
            Row::Stored => {
                settle(entries, outcomes, &Outcome::Already);
                if let Some(newest) = newest {
                    outcomes[newest] = Some(Outcome::Done);
                }
                keys.remove(id.as_str());
            }
            Row::Conflict => {}
            Row::Refused(reason) => {
                // The one before it is the document's then.
                entries.retain(|entry| Some(entry.index) != newest);
                if let Some(newest) = newest {
                    outcomes[newest] = Some(Outcome::Never(reason));
                }
                if entries.is_empty() {
                    keys.remove(id.as_str());
                }
            }
            Row::Failed(reason) => {
                let later = Outcome::Later(Later::Away(reason));
                settle(entries, outcomes, &later);
                keys.remove(id.as_str());
            }
        }
    }
    Ok(())
}

fn settle(entries: &[Entry<'_>], outcomes: &mut [Option<Outcome>], outcome: &Outcome) {
    for entry in entries {
        outcomes[entry.index] = Some(outcome.clone());
    }
}

/// The value's own fields, with all digits of their numbers, behind the id and the place.
fn document(key: &str, entry: &Entry<'_>, revision: Option<&str>) -> Document {
    let word = |text: &str| Value::from(text).to_string();
    let revision = revision.map(|revision| format!(r#""_rev":{},"#, word(revision)));
    #[expect(
        clippy::expect_used,
        reason = "strings and numbers always have a JSON form"
    )]
    let place = serde_json::to_string(&entry.place).expect("a place is JSON");
    let comma = if entry.fields.starts_with('}') {
        ""
    } else {
        ","
    };
    let json = format!(
        r#"{{"_id":{},{}"kafka":{place}{comma}{}"#,
        word(key),
        revision.unwrap_or_default(),
        entry.fields,
    );
    Document {
        id: key.to_owned(),
        json,
    }
}

/// Writes documents; where the request is refused as it is, in parts, until it is known which are.
async fn put(
    store: &impl Store,
    database: &str,
    documents: Vec<Document>,
) -> Result<HashMap<String, Row>, Trouble> {
    let mut rows = HashMap::new();
    let mut work = vec![documents];
    while let Some(mut batch) = work.pop() {
        if batch.is_empty() {
            continue;
        }
        let asked: Vec<&Document> = batch.iter().collect();
        match store.put(database, &asked).await {
            Ok(answered) => {
                let missing = || Row::Failed("a document is missing from the answer".to_owned());
                let ids = batch.into_iter().map(|document| (document.id, missing()));
                rows.extend(ids);
                rows.extend(answered);
            }
            Err(Trouble::Rejected(reason)) if batch.len() == 1 => {
                let refused = Row::Refused(format!("CouchDB refuses the document: {reason}"));
                rows.extend(
                    batch
                        .into_iter()
                        .map(|document| (document.id, refused.clone())),
                );
            }
            Err(Trouble::Rejected(_)) => {
                work.push(batch.split_off(batch.len() / 2));
                work.push(batch);
            }
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_the_fields_of_the_value_or_there_is_a_reason_why_not() {
        let topic = Topic {
            name: "t".into(),
            database: "t".into(),
            epoch: "e1".into(),
            canary: false,
            replace: true,
        };
        let made = |key: Option<&str>, value: &str| {
            let record = Record {
                partition: 3,
                offset: 7,
                timestamp: Some(5),
                key: key.map(|key| key.as_bytes().to_vec()),
                value: Some(value.as_bytes().to_vec()),
                ..Record::default()
            };
            let (key, entry) = entry(&topic, 0, &record)?;
            Ok::<_, String>(document(key, &entry, Some("1-a")).json)
        };
        let kafka = r#""kafka":{"epoch":"e1","partition":3,"offset":7,"timestamp":5}"#;
        for (value, rest) in [(" {} \n", "}"), ("{ \"n\":1.50 }", ",\"n\":1.50 }")] {
            let expected = format!(r#"{{"_id":"2022-03","_rev":"1-a",{kafka}{rest}"#);
            assert_eq!(made(Some("2022-03"), value), Ok(expected));
        }
        for (key, value, reason) in [
            (None, "{}", "no key"),
            (Some(""), "{}", "no key"),
            (Some("_design/x"), "{}", "begins with '_'"),
            (Some("k"), "[1]", "no object"),
            (Some("k"), "{", "not JSON"),
            (Some("k"), r#"{"kafka":1}"#, "`kafka`"),
            (Some("k"), r#"{"_rev":"1-x"}"#, "`kafka`"),
        ] {
            let refused = made(key, value).expect_err("is refused");
            assert!(refused.contains(reason), "{refused}");
        }
    }
}
