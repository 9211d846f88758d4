//! A backlog of more than the consumer takes into its memory.

use crate::cluster::free;
use crate::lab::{Agent, Lab, get, wait_until};

const PARTITIONS: usize = 8;
/// Of 100 KB each: more than a partition's share of the consumer's memory, and less than the mock keeps.
const EVENTS: usize = 40;

#[test]
fn what_does_not_fit_in_waits_in_kafka_and_holds_nobody_up() {
    let lab = Lab::with_partitions(&["t1", "t2"], i32::try_from(PARTITIONS).unwrap());
    lab.double.state().databases.remove("t1");
    let large = format!("\"{}\"", "x".repeat(100_000));
    for partition in (0..).take(PARTITIONS) {
        lab.send_to("t1", partition, &[large.as_bytes(); EVENTS]);
        lab.send_to("t2", partition, &["1".as_bytes(); EVENTS]);
    }
    let listen = free();
    let batch = format!("bytes = 200000\n[metrics]\nlisten = \"{listen}\"");
    let _consumer = Agent::consumer(&lab.consumer_config("g", &batch));
    let all = PARTITIONS * EVENTS;
    wait_until("the open database has its documents", || {
        lab.double.count("t2") == all
    });
    let read = || {
        let text = get(listen, "/metrics");
        let mut figure = text.lines();
        let figure = figure.find_map(|line| line.strip_prefix("consumer_events_in_total "));
        figure.map_or(0, |figure| figure.parse::<usize>().unwrap()) - all
    };
    wait_until("the queues are full", || read() > all / 4);
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(read() < all, "all {all} were read");
    lab.double.make("t1");
    wait_until("all are documents", || lab.double.count("t1") == all);
    assert_eq!(lab.double.count("t1-dead-letters"), 0);
}

/// As values that were taken apart, these events would be sixteen times their size.
#[test]
fn large_events_take_a_few_times_their_bytes_and_no_more() {
    let lab = Lab::with_partitions(&["t1"], 4);
    lab.double.state().max_document = 16_000_000;
    // The mock keeps no more of a partition.
    let large = format!("[{}1]", "1,".repeat(2_200_000));
    for partition in 0..4 {
        lab.send_to("t1", partition, &[large.as_bytes()]);
    }
    let consumer = Agent::consumer(&lab.consumer_config("g", ""));
    wait_until("all are documents", || lab.double.count("t1") == 4);
    // In the client, as records, as documents and in requests, of all four partitions at once.
    assert!(consumer.peak() < 180, "{} MiB", consumer.peak());
}
