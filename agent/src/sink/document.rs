//! From a Kafka record to a document: the id and the body depend on the record's event alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::event_fields::EventFields;
use super::headers::Header;
use super::record::Record;
use crate::event::{NESTED, SCHEMA};

/// The most bytes of a value that a dead letter keeps: as base64 they fit into what `CouchDB` takes by default
/// (`max_document_size`, 8 MB).
pub const KEPT_BYTES: usize = 5 << 20;

/// A document ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its id.
    pub id: String,
    /// The whole document as JSON, `_id` included.
    pub json: String,
}

#[derive(Serialize)]
struct Foreign<'a> {
    #[serde(rename = "_id")]
    id: &'a str,
    kafka: Place<'a>,
    event: &'a RawValue,
}

#[derive(Serialize)]
struct Place<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp: Option<i64>,
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "<[Header]>::is_empty")]
    headers: &'a [Header],
}

#[derive(Serialize)]
struct DeadLetter<'a> {
    #[serde(rename = "_id")]
    id: &'a str,
    reason: &'a str,
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp: Option<i64>,
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "<[Header]>::is_empty")]
    headers: &'a [Header],
    value_base64: Option<String>,
    value_bytes: Option<usize>,
    value_sha256: Option<String>,
}

/// Makes a record's document.
///
/// # Errors
/// The reason why the record can never be one.
pub fn document(topic: &str, epoch: &str, record: &Record) -> Result<Document, String> {
    let bytes = record.value.as_deref().ok_or("the record has no value")?;
    let text =
        std::str::from_utf8(bytes).map_err(|error| format!("the value is not UTF-8: {error}"))?;
    let not_json = |error| format!("the value is not JSON that can be stored: {error}");
    let fields: EventFields = serde_json::from_str(text).map_err(not_json)?;
    let is_free = record.headers.is_empty() || !fields.has_kafka;
    if let Some(id) = own_id(&fields).filter(|_| is_free) {
        // The event's own bytes, so that no number changes its digits on the way.
        let rest = text
            .trim_start()
            .strip_prefix('{')
            .ok_or("the value is not an object")?;
        let word = Value::from(id.as_str());
        let json = if record.headers.is_empty() {
            format!(r#"{{"_id":{word},{rest}"#)
        } else {
            let headers = serde_json::to_string(&record.headers).map_err(not_json)?;
            format!(r#"{{"_id":{word},"kafka":{{"headers":{headers}}},{rest}"#)
        };
        return Ok(Document { id, json });
    }
    let id = record.place(epoch);
    let event: &RawValue = serde_json::from_str(text).map_err(not_json)?;
    let key = record.key.as_deref();
    let not_text = key.filter(|key| std::str::from_utf8(key).is_err());
    let Record {
        partition,
        offset,
        timestamp,
        ..
    } = *record;
    let foreign = Foreign {
        id: &id,
        kafka: Place {
            topic,
            partition,
            offset,
            timestamp,
            key: key.map(|key| String::from_utf8_lossy(key).into_owned()),
            key_base64: not_text.map(|key| STANDARD.encode(key)),
            headers: &record.headers,
        },
        event,
    };
    let json = serde_json::to_string(&foreign).map_err(not_json)?;
    Ok(Document { id, json })
}

/// Returns the id of one of our own events: `CLIENT-RUN-SEQUENCE`. An event with a field or a client that `CouchDB`
/// would take for one of its own (`_…`) counts as somebody else's.
fn own_id(fields: &EventFields) -> Option<String> {
    let word = |field: &'_ Option<String>| field.clone().filter(|word| !word.is_empty());
    let (client, run) = (word(&fields.client)?, word(&fields.run)?);
    let ours = [SCHEMA, NESTED].map(|schema| Some(u64::from(schema)));
    let is_ours =
        ours.contains(&fields.schema) && !client.starts_with('_') && !fields.has_own_of_couchdb;
    is_ours.then_some(document_id(&client, &run, fields.sequence?))
}

/// Returns the id of the document of one of our events.
pub fn document_id(client: &str, run: &str, sequence: u64) -> String {
    format!("{client}-{run}-{sequence:012}")
}

/// Makes the document that keeps a record which can never be stored, with up to `kept` bytes of its value.
pub fn dead_letter(
    topic: &str,
    epoch: &str,
    record: &Record,
    reason: &str,
    kept: usize,
) -> Document {
    let id = record.place(epoch);
    let value = record.value.as_deref();
    let letter = DeadLetter {
        id: &id,
        reason,
        topic,
        partition: record.partition,
        offset: record.offset,
        timestamp: record.timestamp,
        key_base64: record.key.as_ref().map(|key| STANDARD.encode(key)),
        headers: &record.headers,
        value_base64: value.map(|value| STANDARD.encode(&value[..value.len().min(kept)])),
        value_bytes: value.map(<[u8]>::len),
        value_sha256: value.map(|value| format!("{:x}", Sha256::digest(value))),
    };
    #[expect(
        clippy::expect_used,
        reason = "strings and numbers always have a JSON form"
    )]
    let json = serde_json::to_string(&letter).expect("a dead letter is JSON");
    Document { id, json }
}

/// How the ids of letters begin that are of no record, but of events that Kafka deleted.
pub const LOST: &str = "lost-";

/// Makes the letter that says that events of a partition are lost.
pub(super) fn lost_letter(
    topic: &str,
    epoch: &str,
    partition: i32,
    from: i64,
    events: Option<i64>,
    reason: &str,
) -> Document {
    let record = Record {
        partition,
        offset: from,
        ..Record::default()
    };
    let id = format!("{LOST}{}", record.place(epoch));
    let json = serde_json::json!({
        "_id": id,
        "reason": reason,
        "topic": topic,
        "partition": partition,
        "offset": from,
        "lost_events": events,
    });
    Document {
        id,
        json: json.to_string(),
    }
}

/// Returns whether a stored document says the same as the JSON it is to be made of. `CouchDB`'s own fields do not
/// count, and numbers are compared by value: a stand-in writes `1.0` as `1` and rounds beyond 2^53.
pub fn is_same(stored: &Value, json: &str) -> bool {
    let (Some(stored), Ok(Value::Object(wanted))) =
        (stored.as_object(), serde_json::from_str(json))
    else {
        return false;
    };
    let own = |name: &&String| !name.starts_with('_');
    stored.keys().filter(own).count() == wanted.keys().filter(own).count()
        && wanted
            .iter()
            .filter(|(name, _)| own(name))
            .all(|(name, value)| stored.get(name).is_some_and(|other| equal(other, value)))
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| equal(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, value)| right.get(name).is_some_and(|other| equal(value, other)))
        }
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: &[u8]) -> Record {
        Record {
            partition: 3,
            offset: 255,
            timestamp: Some(1_700_000_000_000),
            key: Some(b"k".to_vec()),
            value: Some(value.to_vec()),
            headers: Vec::new(),
        }
    }

    fn made(value: &str) -> Document {
        document("t", "e1", &record(value.as_bytes())).expect("a document")
    }

    #[test]
    fn our_event_is_the_body_and_gives_the_id() {
        let event = r#"{"schema":1,"client":"vm1-1","run":"r","sequence":12,"cpu":1.50,"big":123456789012345678901234567890}"#;
        let document = made(&format!(" {event}\n"));
        assert_eq!(document.id, "vm1-1-r-000000000012");
        assert_eq!(
            document.json.trim_end(),
            event.replacen('{', r#"{"_id":"vm1-1-r-000000000012","#, 1)
        );
    }

    #[test]
    fn any_other_value_is_wrapped_under_its_place() {
        let others = [
            "[1]",
            "1.50",
            "null",
            "\"x\"",
            "{}",
            r#"{"_id":"x"}"#,
            r#"{"schema":3,"client":"c","run":"r","sequence":1}"#,
            r#"{"schema":1,"client":"c","run":"r","sequence":-1}"#,
            r#"{"schema":1,"client":"c","run":"r","sequence":"1"}"#,
            r#"{"schema":1,"client":"c","run":"r","sequence":1,"_rev":"1-x"}"#,
            r#"{"schema":1,"client":"_c","run":"r","sequence":1}"#,
            r#"{"schema":1,"client":"","run":"r","sequence":1}"#,
        ];
        for other in others {
            let document = made(other);
            assert_eq!(document.id, "e1-0003-0000000000ff");
            assert_eq!(
                document.json,
                format!(
                    r#"{{"_id":"e1-0003-0000000000ff","kafka":{{"topic":"t","partition":3,"offset":255,"timestamp":1700000000000,"key":"k"}},"event":{other}}}"#
                )
            );
        }
    }

    #[test]
    fn headers_and_a_key_that_is_no_text_are_kept() {
        let mut record = record(b"1");
        record.key = Some(vec![0xff]);
        record.headers = vec![
            Header::new("trace", Some("ö".as_bytes())),
            Header::new("trace", Some(&[0, 0xff])),
            Header::new("none", None),
            Header::new("", Some(b"")),
        ];
        let headers = r#""headers":[{"name":"trace","value":"ö"},{"name":"trace","value_base64":"AP8="},{"name":"none"},{"name":"","value":""}]"#;
        let made = document("t", "e1", &record).expect("a document");
        assert_eq!(
            made.json,
            format!(
                r#"{{"_id":"e1-0003-0000000000ff","kafka":{{"topic":"t","partition":3,"offset":255,"timestamp":1700000000000,"key":"�","key_base64":"/w==",{headers}}},"event":1}}"#
            )
        );
        let own = r#""schema":1,"client":"c","run":"r","sequence":1"#;
        record.value = Some(format!("{{{own}}}").into_bytes());
        let made = document("t", "e1", &record).expect("a document");
        assert_eq!(
            made.json,
            format!(r#"{{"_id":"c-r-000000000001","kafka":{{{headers}}},{own}}}"#)
        );
        // An event of ours that has such a field of its own keeps it.
        record.value = Some(format!(r#"{{{own},"kafka":1}}"#).into_bytes());
        let made = document("t", "e1", &record).expect("a document");
        assert_eq!(made.id, "e1-0003-0000000000ff");
        let letter = dead_letter("t", "e1", &record, "x", KEPT_BYTES);
        assert!(letter.json.contains(headers));
    }

    #[test]
    fn what_is_not_json_has_a_reason() {
        let deep = "[".repeat(500) + &"]".repeat(500);
        for (value, reason) in [
            (&b"\xff{}"[..], "UTF-8"),
            (b"", "JSON"),
            (b"{\"a\":", "JSON"),
            (b"{} {}", "JSON"),
            (b"1e400", "JSON"),
            (br#""\ud800""#, "JSON"),
            (deep.as_bytes(), "JSON"),
        ] {
            let error = document("t", "e1", &record(value)).expect_err("no document");
            assert!(error.contains(reason), "{error}");
        }
        let none = Record {
            value: None,
            ..record(b"")
        };
        assert!(document("t", "e1", &none).is_err());
    }

    #[test]
    fn a_dead_letter_keeps_the_value_up_to_its_limit() {
        let value = vec![0xff; KEPT_BYTES + 10];
        let letter = dead_letter("t", "e1", &record(&value), "not UTF-8", KEPT_BYTES);
        let json: Value = serde_json::from_str(&letter.json).expect("is JSON");
        assert_eq!(json["_id"], "e1-0003-0000000000ff");
        assert_eq!(json["value_bytes"], KEPT_BYTES + 10);
        assert_eq!(json["key_base64"], "aw==");
        assert_eq!(
            STANDARD
                .decode(json["value_base64"].as_str().expect("text"))
                .expect("base64")
                .len(),
            KEPT_BYTES
        );
        let empty = dead_letter("t", "e1", &record(b""), "x", KEPT_BYTES);
        let json: Value = serde_json::from_str(&empty.json).expect("is JSON");
        assert_eq!(
            json["value_sha256"],
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn comparing_is_by_value_without_couchdbs_own_fields() {
        let json = r#"{"_id":"a","x":1.0,"y":[0.1,{"z":9007199254740993}],"s":"1"}"#;
        let same = |stored: &str| is_same(&serde_json::from_str(stored).expect("is JSON"), json);
        assert!(same(
            r#"{"_id":"a","_rev":"1-x","s":"1","y":[0.1,{"z":9007199254740992}],"x":1}"#
        ));
        assert!(!same(
            r#"{"_id":"a","_rev":"1-x","s":"1","y":[0.1,{"z":9007199254740993}],"x":1,"more":null}"#
        ));
        assert!(!same(
            r#"{"_id":"a","s":1,"y":[0.1,{"z":9007199254740993}],"x":1}"#
        ));
        assert!(!same(
            r#"{"_id":"a","s":"1","y":[0.1000001,{"z":9007199254740993}],"x":1}"#
        ));
        assert!(!same("null"));
    }
}
