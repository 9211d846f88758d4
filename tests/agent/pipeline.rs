//! Producer, Kafka, consumer, `CouchDB`: every event is exactly one document, whatever goes wrong on the way.

use std::io::Write;
use std::process::Stdio;

use base64::Engine;
use serde_json::json;

use crate::double::Fault;
use crate::lab::{Agent, Lab, json, record, sequences, wait_until};

#[test]
fn every_line_is_exactly_one_document_through_resets_and_failures() {
    let lab = Lab::new(&["t1"]);
    lab.double.fail_next(&[
        Fault::ResetBefore,
        Fault::Status(503),
        Fault::HalfThen500,
        Fault::ResetAfter,
        Fault::BelowQuorum,
        Fault::Status(429),
        Fault::HalfRowsFail,
        Fault::RowMissing,
        Fault::Status(409),
        Fault::ResetAfter,
    ]);
    let mut consumer = Agent::consumer(&lab.consumer_config("g", "documents = 97"));
    let mut producer = Agent::start(
        "producer",
        &lab.producer_config("c1", "t1", "kind = \"stdin\"\ncount = 0"),
        Stdio::piped(),
    );
    let mut stdin = producer.stdin();
    for line in 1..=1000 {
        writeln!(stdin, "line {line} \u{f6}\t\"\\").unwrap();
    }
    drop(stdin);
    assert!(producer.wait().success());
    wait_until("1000 documents", || lab.double.count("t1") == 1000);
    assert!(consumer.terminate().success());
    let documents = lab.double.documents("t1");
    assert_eq!(sequences(&documents), (1..=1000).collect::<Vec<_>>());
    let state = lab.state("c1");
    let run = state["run"].as_str().unwrap();
    let twelfth = &documents[&format!("c1-{run}-000000000012")];
    assert_eq!(twelfth["line"], "line 12 \u{f6}\t\"\\");
    assert_eq!(twelfth["schema"], 1);
    assert_eq!(
        (&state["produced"], &state["acked"], &state["finished"]),
        (&json!(1000), &json!(1000), &json!(true))
    );
    assert_eq!(lab.unconfirmed("c1"), 0);
    assert_eq!(lab.double.count("t1-dead-letters"), 0);
    assert!(lab.double.state().faults.is_empty(), "every fault was met");
}

#[test]
fn a_finished_run_stays_finished_until_a_new_one_is_asked_for() {
    let lab = Lab::new(&["t1"]);
    let config = lab.producer_config("c1", "t1", "kind = \"top\"\ncount = 3\ninterval_ms = 10");
    assert!(json("producer", &config, &[], "").is_empty());
    let first = lab.state("c1");
    assert_eq!(
        (&first["produced"], &first["finished"]),
        (&json!(3), &json!(true))
    );
    assert!(json("producer", &config, &[], "").is_empty());
    assert_eq!(lab.state("c1"), first);
    let answer = json("producer", &config, &["new-run"], "");
    assert!(answer[0]["run"] != first["run"] && answer[0]["client"] == "c1");
    json("producer", &config, &[], "");
    assert_eq!(lab.state("c1")["run"], answer[0]["run"]);
    // Changed settings begin a new run too.
    let config = lab.producer_config(
        "c1",
        "t1",
        "kind = \"top\"\ncount = 2\ninterval_ms = 10\nraw = true",
    );
    json("producer", &config, &[], "");
    let third = lab.state("c1");
    assert_eq!(third["produced"], 2);
    let records = lab.records("t1");
    assert_eq!(records.len(), 8);
    let last: serde_json::Value = serde_json::from_slice(&records[7]).unwrap();
    assert_eq!(
        (&last["run"], &last["sequence"], &last["kind"]),
        (&third["run"], &json!(2), &json!("top"))
    );
    assert!(
        last["raw"].as_str().unwrap().contains("load average")
            && last["processes"][0]["pid"].is_u64()
    );
}

#[test]
fn a_replay_by_another_group_makes_no_second_document() {
    let lab = Lab::new(&["t1"]);
    let event = |sequence| {
        format!(
            r#"{{"schema":1,"client":"c","run":"r","sequence":{sequence},"cpu":0.1,"big":1.0}}"#
        )
    };
    let mut values: Vec<String> = (1..=50).map(event).collect();
    values.push(event(7));
    values.push("[1,2]".into());
    values.push("not json".into());
    lab.send(
        "t1",
        &values.iter().map(String::as_bytes).collect::<Vec<_>>(),
    );
    let mut first = Agent::consumer(&lab.consumer_config("first", "documents = 20"));
    wait_until("51 documents and a dead letter", || {
        lab.double.count("t1") == 51 && lab.double.count("t1-dead-letters") == 1
    });
    assert!(first.terminate().success());
    let before = (
        lab.double.documents("t1"),
        lab.double.documents("t1-dead-letters"),
    );
    let changes = lab.double.state().databases["t1"].last_sequence();
    lab.double.state().log.clear();
    let mut second = Agent::consumer(&lab.consumer_config("second", "documents = 20"));
    let dead_letters = |double: &crate::double::Double| {
        double
            .state()
            .log
            .iter()
            .filter(|(_, path, _)| path == "t1-dead-letters/_bulk_docs")
            .count()
    };
    wait_until("the last record comes again", || {
        dead_letters(&lab.double) == 1
    });
    assert!(second.terminate().success());
    assert_eq!(
        (
            lab.double.documents("t1"),
            lab.double.documents("t1-dead-letters")
        ),
        before
    );
    assert_eq!(
        lab.double.state().databases["t1"].last_sequence(),
        changes,
        "nothing was written again"
    );
}

#[test]
fn what_is_not_our_event_is_kept_and_what_is_no_document_is_a_dead_letter() {
    let lab = Lab::new(&["t1"]);
    lab.double.state().max_document = 2000;
    let large = format!(r#"{{"large":"{}"}}"#, "x".repeat(3000));
    let values: [&[u8]; 9] = [
        b"{\"a\":1}",
        b"{\"_id\":\"mine\",\"_weird\":1}",
        b"42",
        b"\xff\xfe",
        large.as_bytes(),
        b"{\"broken\":",
        b"{\"schema\":1,\"client\":\"c\",\"run\":\"r\",\"sequence\":1,\"forbidden\":true}",
        b"",
        b"\"last\"",
    ];
    lab.send("t1", &values);
    let _consumer = Agent::consumer(&lab.consumer_config("g", ""));
    wait_until("all records are settled", || {
        lab.double.count("t1") == 4 && lab.double.count("t1-dead-letters") == 5
    });
    let documents = lab.double.documents("t1");
    let ids: Vec<&String> = documents.keys().collect();
    assert_eq!(
        ids,
        [
            "e0-0000-000000000000",
            "e0-0000-000000000001",
            "e0-0000-000000000002",
            "e0-0000-000000000008"
        ]
    );
    assert_eq!(
        documents["e0-0000-000000000001"]["event"],
        json!({"_id": "mine", "_weird": 1})
    );
    let place = &documents["e0-0000-000000000002"]["kafka"];
    assert_eq!(
        (
            &place["topic"],
            &place["partition"],
            &place["offset"],
            &place["key"]
        ),
        (&json!("t1"), &json!(0), &json!(2), &json!("k"))
    );
    assert!(place["timestamp"].as_i64().unwrap() > 1_600_000_000_000);
    let letters = lab.double.documents("t1-dead-letters");
    for (offset, reason) in [
        (3, "UTF-8"),
        (4, "document_too_large"),
        (5, "JSON"),
        (6, "forbidden"),
        (7, "JSON"),
    ] {
        let letter = &letters[&format!("e0-0000-{offset:012x}")];
        assert!(
            letter["reason"].as_str().unwrap().contains(reason),
            "{letter}"
        );
        let value = base64::engine::general_purpose::STANDARD
            .decode(letter["value_base64"].as_str().unwrap())
            .unwrap();
        // The double finds the letter of the large one too large as well, and gets less of it.
        let kept = value.len();
        assert!(if offset == 4 {
            (100..3000).contains(&kept)
        } else {
            kept == values[offset].len()
        });
        assert_eq!(value, values[offset][..kept]);
        assert_eq!(letter["value_bytes"], values[offset].len());
    }
}

#[test]
fn a_database_that_is_closed_or_missing_stops_only_its_own_topic() {
    let lab = Lab::new(&["t1", "t2", "t3"]);
    lab.double.state().databases.remove("t2");
    lab.double
        .state()
        .databases
        .get_mut("t3")
        .unwrap()
        .members
        .clear();
    for topic in ["t1", "t2", "t3"] {
        let values: Vec<String> = (0..40).map(|value| value.to_string()).collect();
        lab.send(
            topic,
            &values.iter().map(String::as_bytes).collect::<Vec<_>>(),
        );
    }
    let config = lab.consumer_config("g", "documents = 5");
    let mut consumer = Agent::consumer(&config);
    wait_until("the open database has its documents", || {
        lab.double.count("t1") == 40
    });
    lab.send("t1", &[b"\"later\""]);
    wait_until("and new ones", || lab.double.count("t1") == 41);
    assert!(consumer.is_running() && consumer.log().contains("somebody must act"));
    // A restart in the middle must not take the unwritten ones for done.
    assert!(consumer.terminate().success());
    let _consumer = Agent::consumer(&config);
    lab.double.make("t2");
    lab.double
        .state()
        .databases
        .get_mut("t3")
        .unwrap()
        .members
        .push("consumer".into());
    wait_until("the others have theirs", || {
        lab.double.count("t2") == 40 && lab.double.count("t3") == 40
    });
    assert_eq!(lab.double.count("t1"), 41);
}

#[test]
fn a_lone_event_does_not_wait_for_others() {
    let lab = Lab::new(&["t1"]);
    let _consumer = Agent::consumer(&lab.consumer_config("g", "documents = 500\nage_ms = 60000"));
    lab.send("t1", &[b"1"]);
    wait_until("the consumer has its partition", || {
        lab.double.count("t1") == 1
    });
    let start = std::time::Instant::now();
    lab.send("t1", &[b"2"]);
    wait_until("it is there", || lab.double.count("t1") == 2);
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn events_of_every_compression_are_documents() {
    let lab = Lab::new(&["t1"]);
    let compressions = ["none", "gzip", "snappy", "lz4", "zstd"];
    for compression in compressions {
        let values: Vec<String> = (0..50)
            .map(|number| format!("\"{compression} {number} {}\"", "again ".repeat(100)))
            .collect();
        let records = values.iter().map(|value| record("t1", value.as_bytes()));
        lab.send_compressed(compression, records);
    }
    let _consumer = Agent::consumer(&lab.consumer_config("g", ""));
    wait_until("all are documents", || {
        lab.double.count("t1") == 50 * compressions.len()
    });
}
