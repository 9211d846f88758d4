//! What holds for whatever bytes an event or a configuration is made of. The tests try some thousands of them, the fuzz
//! targets in `agent/fuzz` as many as one likes.

use agent::config::{Checked, ConsumerConfig, ProducerConfig, parse};
use agent::error::chain;
use agent::sink::Record;
use agent::sink::document::{dead_letter, document, is_same};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Takes a record from the input: its first byte says whether it has a key, a time and a value, the second how long the
/// key is.
fn record(input: &[u8]) -> Record {
    let (&[kind, length], rest) = input.split_first_chunk().unwrap_or((&[4, 0], input));
    let (key, value) = rest.split_at(usize::from(length).min(rest.len()));
    let times = [
        None,
        Some(-62_167_219_200_000),
        Some(i64::MIN),
        Some(i64::MAX),
    ];
    Record {
        partition: i32::from(kind),
        offset: i64::from(length),
        timestamp: times[usize::from(kind & 3)],
        key: (kind & 8 == 0).then(|| key.to_vec()),
        value: (kind & 0xf0 != 0xf0).then(|| value.to_vec()),
        ..Record::default()
    }
}

/// Makes a document or a dead letter of a record; returns whether it is a document. The id is the event's own wherever
/// the record lies, or else the record's place.
pub fn event(input: &[u8]) -> bool {
    let here = record(input);
    let there = Record {
        partition: i32::MAX,
        offset: i64::MAX,
        timestamp: None,
        key: None,
        ..here.clone()
    };
    let (made, moved) = (document("t", "e1", &here), document("t", "e2", &there));
    match (made, moved) {
        (Ok(made), Ok(moved)) => {
            let json: Value = serde_json::from_str(&made.json).expect("a document is JSON");
            let fields = json.as_object().expect("a document is an object");
            assert_eq!(json["_id"], made.id);
            assert_eq!(
                fields.keys().filter(|name| name.starts_with('_')).count(),
                1
            );
            assert!(is_same(&json, &made.json), "read back, it is another");
            if made.id == moved.id {
                assert_eq!(made, moved);
            } else {
                assert!(made.id.starts_with("e1-") && moved.id.starts_with("e2-"));
                assert_eq!(fields["kafka"]["offset"], here.offset);
            }
            true
        }
        (Err(reason), Err(other)) => {
            assert!(!reason.is_empty() && reason == other);
            let letter = dead_letter("t", "e1", &here, &reason, 1000).json;
            let letter: Value = serde_json::from_str(&letter).expect("a dead letter is JSON");
            assert_eq!(letter["reason"], reason);
            let kept = letter["value_base64"].as_str();
            let kept = kept.map(|text| STANDARD.decode(text).expect("base64"));
            let wanted = here
                .value
                .map(|value| value[..value.len().min(1000)].to_vec());
            assert_eq!(kept, wanted);
            false
        }
        _ => panic!("where a record lies must not decide whether it is a document"),
    }
}

/// Reads a configuration of either agent; returns whether either takes it. What is refused is refused in one line.
pub fn configuration(input: &[u8]) -> bool {
    std::str::from_utf8(input)
        .is_ok_and(|text| taken::<ProducerConfig>(text) | taken::<ConsumerConfig>(text))
}

fn taken<C: Checked>(text: &str) -> bool {
    match parse::<C>("agent.toml", text) {
        Ok(_) => true,
        Err(error) => {
            let line = chain(&error);
            assert!(
                line.starts_with("agent.toml") && line.lines().count() == 1,
                "{line:?}"
            );
            false
        }
    }
}
