//! Crashes: an agent that is killed at any moment loses nothing and makes nothing twice.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::double::Fault;
use crate::lab::{Agent, Lab, run, sequences, wait_until};

const STDIN: &str = "kind = \"stdin\"\ncount = 0";

/// Returns a topic's events by sequence; two different bodies under one sequence fail the test.
fn events(lab: &Lab, topic: &str) -> BTreeMap<u64, Vec<u8>> {
    let mut events: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for record in lab.records(topic) {
        let event: Value = serde_json::from_slice(&record).unwrap();
        let sequence = event["sequence"].as_u64().unwrap();
        let known = events.entry(sequence).or_insert_with(|| record.clone());
        assert_eq!(*known, record, "two bodies under sequence {sequence}");
    }
    events
}

#[test]
fn a_consumer_killed_in_the_middle_of_batches_loses_nothing() {
    let lab = Lab::new(&["t1"]);
    let event =
        |sequence| format!(r#"{{"schema":1,"client":"c","run":"r","sequence":{sequence}}}"#);
    let values: Vec<String> = (1..=2000).map(event).collect();
    lab.send(
        "t1",
        &values.iter().map(String::as_bytes).collect::<Vec<_>>(),
    );
    let config = lab.consumer_config("g", "documents = 50");
    for kill_at in [1, 700] {
        lab.double
            .fail_next(&[Fault::HalfThen500, Fault::ResetAfter, Fault::HalfRowsFail]);
        let mut consumer = Agent::consumer(&config);
        wait_until("some documents", || lab.double.count("t1") >= kill_at);
        consumer.kill();
    }
    let _consumer = Agent::consumer(&config);
    wait_until("all documents", || lab.double.count("t1") == 2000);
    assert_eq!(
        sequences(&lab.double.documents("t1")),
        (1..=2000).collect::<Vec<_>>()
    );
    assert_eq!(lab.double.count("t1-dead-letters"), 0);
}

#[test]
fn a_producer_killed_while_kafka_is_away_sends_its_events_byte_for_byte() {
    let lab = Lab::new(&["t1"]);
    let config = lab.producer_config("c1", "t1", STDIN);
    lab.set_kafka(false);
    let mut producer = Agent::start("producer", &config, Stdio::piped());
    let mut stdin = producer.stdin();
    for line in 1..=20 {
        writeln!(stdin, "{line} \u{1f980} \t").unwrap();
    }
    wait_until("20 events are kept", || lab.spooled("c1").len() == 20);
    producer.kill();
    let pending = lab.spooled("c1");
    lab.set_kafka(true);
    let mut producer = Agent::start("producer", &config, Stdio::piped());
    writeln!(producer.stdin(), "one more").unwrap();
    assert!(producer.wait().success());
    let events = events(&lab, "t1");
    assert_eq!(
        events.keys().copied().collect::<Vec<_>>(),
        (1..=21).collect::<Vec<_>>()
    );
    let sent: Vec<&str> = events
        .values()
        .map(|event| std::str::from_utf8(event).unwrap())
        .collect();
    assert_eq!(sent[..20], pending);
    assert_eq!(lab.unconfirmed("c1"), 0);
    assert_eq!(lab.state("c1")["acked"], 21);
}

#[test]
fn a_producer_killed_again_and_again_uses_no_number_twice() {
    let lab = Lab::new(&["t1"]);
    let config = lab.producer_config("c1", "t1", STDIN);
    let mut given_out = Vec::new();
    for round in 0..8_u64 {
        let mut producer = Agent::start("producer", &config, Stdio::piped());
        let mut stdin = producer.stdin();
        // A different moment in each round: before the first event, among sends, among confirmations.
        let end = Instant::now() + Duration::from_millis(150 + round * 130);
        let mut line = 0;
        while Instant::now() < end {
            line += 1;
            writeln!(stdin, "round {round} line {line}").unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        producer.kill();
        given_out.extend(lab.spooled("c1"));
    }
    let mut producer = Agent::start("producer", &config, Stdio::null());
    assert!(producer.wait().success());
    let events = events(&lab, "t1");
    let last = lab.state("c1")["produced"].as_u64().unwrap();
    assert!(last > 100, "only {last} events were made");
    assert_eq!(
        events.keys().copied().collect::<Vec<_>>(),
        (1..=last).collect::<Vec<_>>()
    );
    for event in given_out {
        let sequence = serde_json::from_str::<Value>(&event).unwrap()["sequence"]
            .as_u64()
            .unwrap();
        assert_eq!(
            events[&sequence],
            event.as_bytes(),
            "what was given out is what Kafka has"
        );
    }
}

#[test]
fn a_producer_asked_to_end_while_kafka_is_away_keeps_what_it_has() {
    let lab = Lab::new(&["t1"]);
    let config = lab.producer_config("c1", "t1", STDIN);
    lab.set_kafka(false);
    let mut producer = Agent::start("producer", &config, Stdio::piped());
    let mut stdin = producer.stdin();
    writeln!(stdin, "kept").unwrap();
    wait_until("it is kept", || lab.spooled("c1").len() == 1);
    let second = run("producer", &config, &[], "");
    assert!(
        !second.status.success()
            && String::from_utf8_lossy(&second.stderr).contains("another producer is running")
    );
    let start = Instant::now();
    assert!(producer.terminate().success());
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(lab.unconfirmed("c1"), 1);
    lab.set_kafka(true);
    assert!(
        Agent::start("producer", &config, Stdio::null())
            .wait()
            .success()
    );
    assert_eq!(events(&lab, "t1").len(), 1);
}

#[test]
fn events_of_an_older_run_are_sent_before_a_new_one() {
    let lab = Lab::new(&["t1", "t2"]);
    lab.set_kafka(false);
    let mut producer = Agent::start(
        "producer",
        &lab.producer_config("c1", "t1", STDIN),
        Stdio::piped(),
    );
    let mut stdin = producer.stdin();
    writeln!(stdin, "old").unwrap();
    wait_until("it is kept", || lab.spooled("c1").len() == 1);
    producer.kill();
    let old = lab.state("c1")["run"].clone();
    lab.set_kafka(true);
    // Another topic is another run; the old event still goes where it was meant to.
    let mut producer = Agent::start(
        "producer",
        &lab.producer_config("c1", "t2", STDIN),
        Stdio::piped(),
    );
    writeln!(producer.stdin(), "new").unwrap();
    assert!(producer.wait().success());
    let of = |topic| serde_json::from_slice::<Value>(&events(&lab, topic)[&1]).unwrap();
    assert_eq!(
        (&of("t1")["run"], &of("t1")["line"]),
        (&old, &Value::from("old"))
    );
    assert_eq!(
        (&of("t2")["run"], &of("t2")["line"]),
        (&lab.state("c1")["run"], &Value::from("new"))
    );
    assert_ne!(of("t2")["run"], old);
}

/// A megabyte holds some two thousand of these lines.
#[test]
fn a_full_spool_stops_the_source_and_loses_nothing() {
    let lab = Lab::new(&["t1"]);
    let config = lab.producer_config("c1", "t1", &format!("{STDIN}\n[spool]\nbytes = 1048576"));
    lab.set_kafka(false);
    let mut producer = Agent::start("producer", &config, Stdio::piped());
    let mut stdin = producer.stdin();
    let lines = std::thread::spawn(move || {
        for line in 1..=10_000 {
            writeln!(stdin, "{line} {}", "x".repeat(400)).unwrap();
        }
    });
    wait_until("the spool is full", || {
        producer.log().contains("the spool is full")
    });
    assert!(!lines.is_finished() && lab.spooled("c1").len() < 5000);
    // Neither a crash nor the end of the outage changes that.
    producer.kill();
    assert!(lines.join().is_err(), "nobody reads the lines any more");
    let kept = lab.spooled("c1");
    lab.set_kafka(true);
    let mut producer = Agent::start("producer", &config, Stdio::null());
    assert!(producer.wait().success());
    let events = events(&lab, "t1");
    let expected: Vec<&[u8]> = kept.iter().map(String::as_bytes).collect();
    assert_eq!(events.values().collect::<Vec<_>>(), expected);
    assert!(
        lab.spooled("c1").len() < kept.len(),
        "confirmed segments are gone"
    );
}
