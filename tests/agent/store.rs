//! The writer against the double: what each answer makes of a batch.

use std::sync::Arc;
use std::time::Duration;

use agent::config::Topic;
use agent::consumer::Metrics;
use agent::consumer::writer::Writer;
use agent::consumer::written::Written;
use agent::sink::couchdb::{Couchdb, Documents, Row, Server, Store, Trouble};
use agent::sink::document::Document;
use agent::sink::{Record, Sink};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::double::{Double, Fault};

fn topic() -> Topic {
    Topic {
        name: "t1".into(),
        database: "t1".into(),
        epoch: "e0".into(),
        canary: false,
        replace: false,
    }
}

fn client(double: &Double) -> Couchdb {
    Server::at(&double.url).login("consumer", "sesame").unwrap()
}

fn documents(double: &Double) -> Arc<dyn Sink> {
    Arc::new(Documents::new(client(double)))
}

fn records(values: &[Value]) -> Vec<Record> {
    let record = |(offset, value): (usize, &Value)| Record {
        partition: 0,
        offset: i64::try_from(offset).unwrap(),
        timestamp: Some(1),
        key: None,
        value: Some(value.to_string().into_bytes()),
        ..Record::default()
    };
    values.iter().enumerate().map(record).collect()
}

fn event(sequence: u64, more: &Value) -> Value {
    let mut event = json!({"schema": 1, "client": "c", "run": "r", "sequence": sequence});
    event["more"] = more.clone();
    event
}

async fn write(double: &Double, values: &[Value]) -> Written {
    let writer = Writer::new(documents(double), Metrics::default());
    tokio::time::timeout(
        Duration::from_secs(30),
        writer.write(&topic(), &records(values)),
    )
    .await
    .expect("it settles")
}

fn written(stored: usize, repeated: usize, dead: usize) -> Written {
    Written {
        stored,
        repeated,
        dead,
    }
}

#[tokio::test]
async fn true_statuses_are_seen() {
    let double = Double::with_databases(&["t1"]);
    let store = client(&double);
    let document = Document {
        id: "a".into(),
        json: r#"{"_id":"a","x":1}"#.into(),
    };
    for (status, expected) in [
        (202, "away"),
        (400, "rejected"),
        (401, "denied"),
        (403, "denied"),
        (404, "denied"),
        (409, "away"),
        (412, "away"),
        (413, "rejected"),
        (429, "away"),
        (500, "away"),
        (503, "away"),
    ] {
        double.fail_next(&[Fault::Status(status)]);
        let trouble = store.put("t1", &[&document]).await.unwrap_err();
        let (name, text) = match &trouble {
            Trouble::Away(text) => ("away", text),
            Trouble::Denied(text) => ("denied", text),
            Trouble::Rejected(text) => ("rejected", text),
        };
        assert_eq!(name, expected, "{status}");
        assert!(
            text.contains(&status.to_string()) && text.contains("wanted by a test"),
            "{text}"
        );
    }
    assert_eq!(double.count("t1"), 0);
    assert_eq!(
        store.put("t1", &[&document]).await.unwrap()["a"],
        Row::Stored
    );
    assert_eq!(
        store.put("t1", &[&document]).await.unwrap()["a"],
        Row::Conflict
    );
    double.fail_next(&[Fault::ResetBefore]);
    assert!(matches!(
        store.put("t1", &[&document]).await,
        Err(Trouble::Away(_))
    ));
    assert!(matches!(
        store.put("missing", &[&document]).await,
        Err(Trouble::Denied(_))
    ));
    let wrong = Server::at(&double.url).login("consumer", "geheim").unwrap();
    let trouble = wrong.put("t1", &[&document]).await.unwrap_err().to_string();
    assert!(
        trouble.contains("401") && !trouble.contains("geheim"),
        "{trouble}"
    );
}

#[tokio::test]
async fn one_bad_document_is_found_in_a_refused_batch_and_the_rest_is_stored() {
    for bad_at in [0, 1, 63, 99] {
        let double = Double::with_databases(&["t1"]);
        double.state().max_document = 1000;
        let mut values: Vec<Value> = (0..100)
            .map(|sequence| event(sequence, &json!(0)))
            .collect();
        values[bad_at]["more"] = json!("x".repeat(2000));
        assert_eq!(write(&double, &values).await, written(99, 0, 1));
        assert_eq!(double.count("t1"), 99);
        let letters = double.documents("t1-dead-letters");
        let letter = &letters[&format!("e0-0000-{bad_at:012x}")];
        assert!(
            letter["reason"]
                .as_str()
                .unwrap()
                .contains("document_too_large"),
            "{letter}"
        );
        let requests = double
            .state()
            .log
            .iter()
            .filter(|(_, path, _)| path == "t1/_bulk_docs")
            .count();
        assert!(
            requests <= 16,
            "{requests} requests for one bad document in 100"
        );
    }
}

#[tokio::test]
async fn a_conflict_is_the_same_another_or_gone() {
    let double = Double::with_databases(&["t1"]);
    let values: Vec<Value> = (0..4)
        .map(|sequence| event(sequence, &json!({"cpu": 0.1 + 0.2, "whole": 1.0})))
        .collect();
    assert_eq!(write(&double, &values[..3]).await, written(3, 0, 0));
    {
        let mut state = double.state();
        let database = state.databases.get_mut("t1").unwrap();
        database.overwrite("c-r-000000000001", json!({"somebody": "else"}));
        database.delete("c-r-000000000002");
    }
    // 0 is the same, 1 is another, 2 was deleted and is made again, 3 is new.
    assert_eq!(write(&double, &values).await, written(2, 1, 1));
    let documents = double.documents("t1");
    assert_eq!(documents["c-r-000000000001"], json!({"somebody": "else"}));
    assert_eq!(documents["c-r-000000000002"]["sequence"], 2);
    assert!(
        double.documents("t1-dead-letters")["e0-0000-000000000001"]["reason"]
            .as_str()
            .unwrap()
            .starts_with("conflict")
    );
}

#[tokio::test]
async fn an_id_twice_in_a_batch_is_told_apart() {
    let double = Double::with_databases(&["t1"]);
    let values = [
        event(1, &json!("a")),
        event(2, &json!("b")),
        event(1, &json!("a")),
        event(2, &json!("other")),
        event(1, &json!("a")),
    ];
    assert_eq!(write(&double, &values).await, written(2, 2, 1));
    let letters = double.documents("t1-dead-letters");
    assert_eq!(letters.keys().collect::<Vec<_>>(), ["e0-0000-000000000003"]);
    assert_eq!(double.documents("t1")["c-r-000000000002"]["more"], "b");
}

#[tokio::test]
async fn an_answer_that_was_lost_stores_nothing_twice() {
    let double = Double::with_databases(&["t1"]);
    double.fail_next(&[Fault::ResetAfter]);
    let values: Vec<Value> = (0..10).map(|sequence| event(sequence, &json!(0))).collect();
    assert_eq!(write(&double, &values).await, written(0, 10, 0));
    assert_eq!(double.state().databases["t1"].last_sequence(), 10);
}

#[tokio::test]
async fn a_missing_row_is_asked_for_again() {
    let double = Double::with_databases(&["t1"]);
    double.fail_next(&[Fault::RowMissing]);
    assert_eq!(
        write(&double, &[event(1, &json!(0)), event(2, &json!(0))]).await,
        written(1, 1, 0)
    );
}

#[tokio::test]
async fn a_dead_letter_waits_for_its_database_and_is_there_once() {
    let double = Double::with_databases(&["t1"]);
    double.fail_next(&[Fault::ResetAfter, Fault::Status(413)]);
    let broken = Record {
        partition: 0,
        offset: 7,
        timestamp: None,
        key: None,
        value: Some(b"{".to_vec()),
        ..Record::default()
    };
    let writer = Writer::new(documents(&double), Metrics::default());
    let result = tokio::time::timeout(Duration::from_secs(30), writer.write(&topic(), &[broken]))
        .await
        .expect("it settles");
    assert_eq!(result, written(0, 0, 1));
    assert_eq!(
        double.state().databases["t1-dead-letters"].last_sequence(),
        1
    );
}

#[tokio::test]
async fn a_deleted_database_is_never_taken_for_done() {
    let double = Double::with_databases(&["t1"]);
    double.state().databases.remove("t1");
    let writer = Writer::new(documents(&double), Metrics::default());
    let records = records(&[event(1, &json!(0))]);
    let topic = topic();
    let waiting = writer.write(&topic, &records);
    let remade = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        double.make("t1");
    };
    let (result, ()) = tokio::time::timeout(Duration::from_secs(30), async {
        tokio::join!(waiting, remade)
    })
    .await
    .expect("it settles");
    assert_eq!(result, written(1, 0, 0));
}

/// librdkafka's mock hands out no record of this size, so the writer gets it directly.
#[tokio::test]
async fn an_event_of_nine_megabytes_is_a_dead_letter_with_as_much_of_it_as_fits() {
    let double = Double::with_databases(&["t1"]);
    let large = json!({"large": "x".repeat(9_000_000)});
    assert_eq!(
        write(&double, &[json!(1), large.clone(), json!(2)]).await,
        written(2, 0, 1)
    );
    let letters = double.documents("t1-dead-letters");
    let letter = &letters["e0-0000-000000000001"];
    assert!(
        letter["reason"]
            .as_str()
            .unwrap()
            .contains("document_too_large")
    );
    assert_eq!(letter["value_bytes"], large.to_string().len());
    let kept = STANDARD
        .decode(letter["value_base64"].as_str().unwrap())
        .unwrap();
    assert_eq!(kept, large.to_string().as_bytes()[..5 << 20]);
}
