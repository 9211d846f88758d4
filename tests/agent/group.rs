//! Two consumers in one group: they share the partitions, and take each other's over.

use std::collections::BTreeSet;

use crate::lab::{Agent, Lab, wait_until};

const PARTITIONS: i32 = 4;

/// Sends events with these sequences, spread over all partitions.
fn send(lab: &Lab, sequences: std::ops::Range<u64>) {
    for partition in 0..PARTITIONS {
        let values: Vec<String> = sequences
            .clone()
            .filter(|sequence| i32::try_from(sequence % 4).unwrap() == partition)
            .map(|sequence| {
                format!(r#"{{"schema":1,"client":"c","run":"r","sequence":{sequence}}}"#)
            })
            .collect();
        let values: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
        lab.send_to("t1", partition, &values);
    }
}

#[test]
fn two_consumers_share_the_work_and_take_over_from_each_other() {
    let lab = Lab::with_partitions(&["t1"], PARTITIONS);
    let config = lab.consumer_config("g", "documents = 50");
    let other = config.with_file_name("consumer-other.toml");
    std::fs::copy(&config, &other).unwrap();
    let mut first = Agent::consumer(&config);
    send(&lab, 0..1000);
    wait_until("the first has documents", || lab.double.count("t1") > 0);
    let second = Agent::consumer(&other);
    wait_until("the second has partitions", || {
        second
            .log()
            .contains("partitions are assigned partitions=2")
    });
    send(&lab, 1000..2000);
    wait_until("2000 documents", || lab.double.count("t1") == 2000);
    // Leaving is a request: the other takes all over without waiting for the session's end.
    assert!(first.terminate().success());
    send(&lab, 2000..3000);
    wait_until("3000 documents", || lab.double.count("t1") == 3000);
    let found: BTreeSet<u64> = lab
        .double
        .documents("t1")
        .values()
        .map(|document| document["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(found, (0..3000).collect());
    assert_eq!(lab.double.count("t1-dead-letters"), 0);
}
