//! Events that are made up: the same over restarts as without one, and runs by a schedule.

use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::lab::{Agent, Lab, json, wait_until};

/// How many events a run has.
const EVENTS: usize = 20_000;

fn events(lab: &Lab, topic: &str) -> Vec<Value> {
    let records = lab.records(topic).into_iter();
    records
        .map(|record| serde_json::from_slice(&record).unwrap())
        .collect()
}

#[test]
fn a_truck_that_is_killed_again_and_again_goes_on_where_it_was() {
    let lab = Lab::new(&["t1", "t2"]);
    let source = format!("kind = \"trucks\"\ncount = {EVENTS}\ninterval_ms = 0\nseed = 7");
    let undisturbed = lab.producer_config("c1", "t1", &source);
    json("producer", &undisturbed, &[], "");
    let killed = lab.producer_config("c2", "t2", &source);
    // Most of these kills meet it before the end; it is enough that some do.
    for milliseconds in [700, 900, 1100, 1300] {
        let mut producer = Agent::start("producer", &killed, Stdio::null());
        std::thread::sleep(Duration::from_millis(milliseconds));
        producer.kill();
    }
    json("producer", &killed, &[], "");
    let figures = |event: &Value| {
        ["distance_covered", "engine_speed", "fuel_consumed"]
            .map(|name| event["truck"][name].as_f64().unwrap().to_bits())
    };
    let whole = events(&lab, "t1");
    assert_eq!(whole.len(), EVENTS);
    assert_eq!(whole[0]["schema"], 2);
    assert_eq!(whole[0]["kind"], "truck");
    let state = lab.state("c2");
    // What a kill met between Kafka and the state is there twice, under its own number.
    let mut seen = vec![false; EVENTS];
    for event in events(&lab, "t2") {
        assert_eq!(event["run"], state["run"], "it is one run");
        let place = usize::try_from(event["sequence"].as_u64().unwrap()).unwrap() - 1;
        assert_eq!(figures(&event), figures(&whole[place]), "event {place}");
        seen[place] = true;
    }
    assert!(seen.iter().all(|seen| *seen), "an event is missing");
}

#[test]
fn a_run_begins_when_the_schedule_says_and_the_next_one_waits() {
    let lab = Lab::new(&["t1"]);
    let source = "kind = \"logs\"\ncount = 3\ninterval_ms = 10\nseed = 1\nschedule = \"* * * * *\"";
    let config = lab.producer_config("c1", "t1", source);
    let started = Timestamp::now();
    let mut producer = Agent::start("producer", &config, Stdio::null());
    wait_until("a run", || {
        lab.path("state-c1/state.json").exists() && lab.records("t1").len() == 3
    });
    let first = events(&lab, "t1");
    let at: Timestamp = first[0]["timestamp"].as_str().unwrap().parse().unwrap();
    let minute = |at: Timestamp| at.as_second().div_euclid(60);
    assert_eq!(minute(at), minute(started) + 1, "at the next full minute");
    assert!(at.as_second() % 60 < 20, "{at}");
    wait_until("the next run", || lab.state("c1")["run"] != first[0]["run"]);
    let state = lab.state("c1");
    assert_eq!(
        (&state["produced"], &state["finished"]),
        (&0.into(), &false.into())
    );
    assert!(producer.terminate().success());
}
