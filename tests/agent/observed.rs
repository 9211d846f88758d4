//! What agents tell about themselves: figures, health, and their signs of life to systemd.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::cluster::free;
use crate::lab::{Agent, Lab, PATIENCE, get, wait_until};

fn has(listen: SocketAddr, figures: &[&str]) -> bool {
    let text = get(listen, "/metrics");
    figures
        .iter()
        .all(|figure| text.lines().any(|line| line == *figure))
}

fn is_ill(listen: SocketAddr, reason: &str) -> bool {
    let text = get(listen, "/healthz");
    text.starts_with("HTTP/1.1 503") && text.contains(reason)
}

fn is_well(listen: SocketAddr) -> bool {
    get(listen, "/healthz").starts_with("HTTP/1.1 200")
}

#[test]
fn both_agents_count_what_they_do_and_say_what_is_wrong() {
    let lab = Lab::new(&["t1"]);
    let (producer_at, consumer_at) = (free(), free());
    let listen = |listen| format!("[metrics]\nlisten = \"{listen}\"");
    let source = format!(
        "kind = \"stdin\"\ncount = 0\n[spool]\nbytes = 1048576\n{}",
        listen(producer_at)
    );
    let mut producer = Agent::start(
        "producer",
        &lab.producer_config("c1", "t1", &source),
        Stdio::piped(),
    );
    let mut stdin = producer.stdin();
    for line in 0..100 {
        writeln!(stdin, "{line}").unwrap();
    }
    let consumer = Agent::consumer(&lab.consumer_config("g", &listen(consumer_at)));
    wait_until("the producer counts", || {
        has(
            producer_at,
            &[
                "producer_events_in_total 100",
                "producer_events_out_total 100",
                "producer_event_to_kafka_seconds_count 100",
                "producer_spool_events 0",
                "producer_queue_events 0",
                "producer_spool_limit_bytes 1048576",
            ],
        )
    });
    lab.send("t1", &[b"no JSON"]);
    wait_until("the consumer counts", || {
        has(
            consumer_at,
            &[
                "consumer_events_in_total 101",
                "consumer_events_out_total 100",
                "consumer_dead_letters_total 1",
                "consumer_lag_events{topic=\"t1\",partition=\"0\"} 0",
                "consumer_event_to_document_seconds_count 101",
            ],
        )
    });
    assert!(is_well(producer_at) && is_well(consumer_at));
    let told = |listen| {
        let answer = get(listen, "/figures");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()
    };
    let producer_told = told(producer_at);
    assert_eq!(producer_told["spool"]["events"], 0, "{producer_told}");
    let limit = &producer_told["spool"]["limit_bytes"];
    assert_eq!(*limit, 1_048_576, "{producer_told}");
    assert_eq!(producer_told["wrong"], json!([]), "{producer_told}");
    assert_eq!(
        told(consumer_at),
        json!({"wrong": [], "sinks": [{"name": null, "lag": {"t1": 0}, "dead_letters": 1, "lost": {}}]})
    );
    lab.double.state().databases.remove("t1");
    lab.set_kafka(false);
    for line in 0..4 {
        writeln!(stdin, "{line} {}", "x".repeat(300_000)).unwrap();
    }
    wait_until("the producer is full", || {
        is_ill(producer_at, "spool: is full")
    });
    lab.set_kafka(true);
    wait_until("the producer is well", || is_well(producer_at));
    wait_until("the consumer is not let in", || {
        is_ill(consumer_at, "t1: HTTP 404")
    });
    lab.double.make("t1");
    wait_until("the consumer is well", || is_well(consumer_at));
    wait_until("it goes on", || lab.double.count("t1") > 4);
    drop((producer, consumer));
}

#[test]
fn systemd_is_told_of_the_start_and_that_the_loop_turns() {
    let lab = Lab::new(&["t1"]);
    let producer = lab.producer_config("c1", "t1", "kind = \"stdin\"\ncount = 0");
    for (name, config) in [
        ("producer", producer),
        ("consumer", lab.consumer_config("g", "")),
    ] {
        let path = lab.path(&format!("{name}.socket"));
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut agent = Agent::watched(name, &config, &path);
        let mut told = Vec::new();
        while told.len() < 3 {
            let mut bytes = [0; 100];
            let size = socket.recv(&mut bytes).unwrap();
            told.push(String::from_utf8_lossy(&bytes[..size]).trim().to_owned());
        }
        assert_eq!(told, ["READY=1", "WATCHDOG=1", "WATCHDOG=1"], "{name}");
        assert!(agent.terminate().success());
    }
}
