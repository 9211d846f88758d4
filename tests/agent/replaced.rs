//! A document for each key, from real brokers: whatever kills consumers and however partitions go from one to the other, it
//! is of the newest record at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::double::{Double, Fault};
use crate::lab::{Agent, PATIENCE, secret, wait_until};

/// How many keys there are.
const KEYS: usize = 200;
/// How many records there are more at each turn.
const RECORDS: usize = 4000;
/// How often a consumer is killed.
const KILLS: usize = 5;

/// Sends numbers, each under one of the keys; every thousandth is no object.
fn send(bootstrap: &str, numbers: std::ops::Range<usize>) {
    let mut config = ClientConfig::new();
    let producer: BaseProducer = config.set("bootstrap.servers", bootstrap).create().unwrap();
    for number in numbers {
        let key = format!("k{}", number % KEYS);
        let value = match number % 1000 {
            0 => number.to_string(),
            _ => json!({"n": number, "x": "x".repeat(100)}).to_string(),
        };
        let mut record = BaseRecord::to("t").key(&key).payload(&value);
        while let Err((_, back)) = producer.send(record) {
            producer.poll(Duration::from_millis(10));
            record = back;
        }
    }
    producer.flush(PATIENCE).unwrap();
}

#[test]
fn each_key_has_the_document_of_its_newest_record_whoever_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let cluster = Cluster::start(directory, "t", 4);
    let double = Double::with_databases(&["t"]);
    secret(directory, "password", "sesame\n");
    let text = format!(
        "group = \"g\"\n[kafka]\nbootstrap = {:?}\n[couchdb]\nurl = {:?}\nuser = \"consumer\"\npassword_file = \"{}\"\n\
         [batch]\ndocuments = 50\n[[topics]]\nname = \"t\"\ndatabase = \"t\"\nepoch = \"e0\"\nreplace = true\n",
        cluster.bootstrap(),
        double.url,
        directory.join("password").display()
    );
    let configs = ["one", "two"].map(|name| {
        let path = directory.join(format!("consumer-{name}.toml"));
        std::fs::write(&path, &text).unwrap();
        path
    });
    let mut consumers = configs.each_ref().map(|config| Agent::consumer(config));
    let mut sent = 1;
    for turn in 0..KILLS {
        double.fail_next(&[Fault::ResetAfter, Fault::HalfThen500, Fault::RowMissing]);
        let before = double.state().databases["t"].last_sequence();
        send(&cluster.bootstrap(), sent..sent + RECORDS);
        sent += RECORDS;
        wait_until("documents are written", || {
            double.state().databases["t"].last_sequence() > before
        });
        // The other one takes over what this one had not committed, or this one comes back to it.
        consumers[turn % 2].kill();
        consumers[turn % 2] = Agent::consumer(&configs[turn % 2]);
    }
    let newest = |key: usize| {
        let numbers = (1..sent).rev();
        let mut numbers = numbers.filter(|number| number % KEYS == key && number % 1000 != 0);
        numbers.next().unwrap()
    };
    let expected: BTreeMap<String, usize> = (0..KEYS)
        .map(|key| (format!("k{key}"), newest(key)))
        .collect();
    let found = || -> BTreeMap<String, usize> {
        let number = |document: &Value| usize::try_from(document["n"].as_u64().unwrap()).unwrap();
        let documents = double.documents("t").into_iter();
        documents
            .map(|(id, document)| (id, number(&document)))
            .collect()
    };
    wait_until("the newest of each key", || found() == expected);
    let broken = (1..sent).filter(|number| number % 1000 == 0).count();
    wait_until("dead letters", || double.count("t-dead-letters") == broken);
    let places = double.documents("t");
    let place = &places["k1"]["kafka"];
    assert_eq!(place["epoch"], "e0");
    assert!(place["partition"].is_i64() && place["offset"].is_i64() && place["timestamp"].is_i64());
    // Nothing is written any more once all is read, also where it is read again.
    let written = double.state().databases["t"].last_sequence();
    for consumer in &mut consumers {
        assert!(consumer.terminate().success());
    }
    assert_eq!(double.state().databases["t"].last_sequence(), written);
}
