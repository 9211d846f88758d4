//! What real brokers refuse or delete: batches and events that are too large, times they do not take, events whose time
//! in Kafka is over. Everything is sent, set aside with its reason, or said to be lost.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, Producer};
use serde_json::{Value, json};

use crate::cluster::{Cluster, free};
use crate::double::Double;
use crate::lab::{Agent, events_of, get, json, record, secret, wait_until};

const TOPICS: [&str; 6] = ["small", "packed", "lowered", "young", "kept", "anew"];
/// No batch of the size that librdkafka makes by itself fits into this.
const LIMIT: &str = "65536";

struct World {
    // Ends before the directory goes.
    cluster: Cluster,
    double: Double,
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let cluster = Cluster::start(directory.path(), "small", 1);
        cluster.alter("small", &[("max.message.bytes", LIMIT)]);
        for topic in &TOPICS[1..] {
            cluster.make(topic, 1);
        }
        let packed = [
            ("max.message.bytes", LIMIT),
            ("compression.type", "uncompressed"),
        ];
        cluster.alter("packed", &packed);
        cluster.alter("young", &[("message.timestamp.before.max.ms", "10000")]);
        secret(directory.path(), "password", "sesame\n");
        Self {
            cluster,
            double: Double::with_databases(&TOPICS),
            directory,
        }
    }

    fn producer(&self, topic: &str, source: &str) -> PathBuf {
        let state = self.state(topic);
        self.write(
            &format!("{topic}.toml"),
            &format!(
                "client = \"c-{topic}\"\n[kafka]\nbootstrap = {:?}\ntopic = {topic:?}\n[source]\n{source}\n[state]\ndirectory = \"{}\"\n",
                self.cluster.bootstrap(),
                state.display()
            ),
        )
    }

    fn consumer(&self, listen: std::net::SocketAddr) -> PathBuf {
        let mut text = format!(
            "group = \"g\"\n[kafka]\nbootstrap = {:?}\n[couchdb]\nurl = {:?}\nuser = \"consumer\"\npassword_file = \"{}\"\n[metrics]\nlisten = \"{listen}\"\n",
            self.cluster.bootstrap(),
            self.double.url,
            self.path("password").display()
        );
        for topic in TOPICS {
            write!(
                text,
                "[[topics]]\nname = {topic:?}\ndatabase = {topic:?}\nepoch = \"e\"\n"
            )
            .unwrap();
        }
        self.write("consumer.toml", &text)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn state(&self, topic: &str) -> PathBuf {
        self.path(&format!("state-{topic}"))
    }

    fn refused(&self, topic: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.state(topic).join("refused.jsonl"));
        let text = text.unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn state_says(&self, topic: &str, key: &str) -> Value {
        let text = std::fs::read(self.state(topic).join("state.json")).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()[key].clone()
    }

    /// Returns the lines that are documents of a topic, by their sequences.
    fn lines(&self, topic: &str) -> BTreeMap<u64, String> {
        let documents = self.double.documents(topic);
        let line = |document: &Value| {
            let line = document["line"].as_str().unwrap().to_owned();
            (document["sequence"].as_u64().unwrap(), line)
        };
        documents.values().map(line).collect()
    }
}

/// Lines of 500 bytes that do not get smaller, and some that alone are too large.
fn random_lines(number: usize, large_at: &[usize]) -> Vec<String> {
    let mut chance = StdRng::seed_from_u64(7);
    let mut line = |bytes: usize| {
        let bytes: Vec<u8> = (0..bytes).map(|_| chance.random()).collect();
        STANDARD.encode(bytes)
    };
    (0..number)
        .map(|at| line(if large_at.contains(&at) { 90_000 } else { 375 }))
        .collect()
}

fn feed(producer: &mut Agent, lines: &[String]) {
    let mut stdin = producer.stdin();
    stdin
        .write_all((lines.join("\n") + "\n").as_bytes())
        .unwrap();
}

const STDIN: &str = "kind = \"stdin\"\ncount = 0";

#[test]
fn what_brokers_refuse_is_set_aside_and_what_they_delete_is_said() {
    let world = World::new();
    let listen = free();
    let config = world.consumer(listen);
    let mut consumer = Agent::consumer(&config);
    // Both need a while.
    let young = too_old(&world);
    too_large(&world);
    young();
    deleted(&world, &config, &mut consumer, listen);
    assert!(consumer.terminate().success());
}

/// Only an event that alone is too large is set aside, whatever the size of its batch.
fn too_large(world: &World) {
    let large = [100, 3000, 5999];
    let lines = random_lines(6000, &large);
    let mut small = Agent::start("producer", &world.producer("small", STDIN), Stdio::piped());
    feed(&mut small, &lines);
    // They get larger in the broker, which unpacks them.
    let soft: Vec<String> = (0..3000)
        .map(|at| format!("{at} {}", "x".repeat(500)))
        .collect();
    let mut packed = Agent::start("producer", &world.producer("packed", STDIN), Stdio::piped());
    feed(&mut packed, &soft);
    // The limit falls while events are on their way.
    let mut lowered = Agent::start(
        "producer",
        &world.producer("lowered", STDIN),
        Stdio::piped(),
    );
    let (first, rest) = lines[..3000].split_at(50);
    let mut stdin = lowered.stdin();
    stdin
        .write_all((first.join("\n") + "\n").as_bytes())
        .unwrap();
    wait_until("the first are there", || {
        world.double.count("lowered") == first.len()
    });
    world
        .cluster
        .alter("lowered", &[("max.message.bytes", LIMIT)]);
    stdin
        .write_all((rest.join("\n") + "\n").as_bytes())
        .unwrap();
    drop(stdin);
    for producer in [&mut small, &mut packed, &mut lowered] {
        assert!(producer.wait().success());
        assert!(producer.log().contains("max.message.bytes"));
    }
    let expect = |topic: &str, lines: &[String]| {
        let (kept, aside): (Vec<_>, Vec<_>) = (1..)
            .zip(lines.iter().cloned())
            .partition(|(_, line)| line.len() < 65_536);
        wait_until(topic, || world.double.count(topic) >= kept.len());
        assert!(world.lines(topic) == kept.into_iter().collect());
        let refused = world.refused(topic);
        assert_eq!(refused.len(), aside.len(), "{topic}");
        for ((sequence, line), refused) in aside.iter().zip(&refused) {
            assert_eq!(refused["event"]["sequence"], *sequence);
            assert!(refused["event"]["line"] == line.as_str());
            assert_eq!(refused["topic"], topic);
            let reason = refused["reason"].as_str().unwrap();
            assert!(reason.contains("max.message.bytes"), "{reason}");
        }
        assert_eq!(world.state_says(topic, "refused"), aside.len());
    };
    expect("small", &lines);
    expect("packed", &soft);
    expect("lowered", &lines[..3000]);
    forgotten(world);
}

/// Events that are set aside are counted until somebody has removed the file.
fn forgotten(world: &World) {
    let config = world.producer("small", STDIN);
    let run = || {
        let mut producer = Agent::start("producer", &config, Stdio::null());
        assert!(producer.wait().success());
        world.state_says("small", "refused")
    };
    json("producer", &config, &["new-run"], "");
    assert_eq!(run(), 3);
    std::fs::remove_file(world.state("small").join("refused.jsonl")).unwrap();
    json("producer", &config, &["new-run"], "");
    assert_eq!(run(), 0);
}

/// An event that waited too long is set aside, and those behind it are sent.
fn too_old(world: &World) -> impl FnOnce() + use<'_> {
    let file = world.write("young.lines", "");
    let config = world.producer(
        "young",
        &format!("kind = \"file\"\ncount = 0\npath = \"{}\"", file.display()),
    );
    let mut producer = Agent::start("producer", &config, Stdio::null());
    append(&file, "first\n");
    wait_until("the first is a document", || {
        world.double.count("young") == 1
    });
    let cut = |cut| {
        world
            .cluster
            .gates
            .iter()
            .for_each(|gate| gate.set_cut(cut));
    };
    cut(true);
    append(&file, "old 1\nold 2\n");
    wait_until("they are kept", || spooled(world) == 3);
    std::thread::sleep(Duration::from_secs(12));
    append(&file, "new 1\nnew 2\n");
    cut(false);
    move || {
        wait_until("the new ones are there", || {
            let lines = world.lines("young");
            lines.get(&4).is_some_and(|line| line == "new 1")
                && lines.get(&5).is_some_and(|line| line == "new 2")
        });
        let lines = world.lines("young");
        let refused = world.refused("young");
        assert_eq!(lines.len() + refused.len(), 5, "{lines:?} {refused:?}");
        assert!(!refused.is_empty());
        for refused in &refused {
            let line = refused["event"]["line"].as_str().unwrap();
            assert!(line.starts_with("old"), "{line}");
            let reason = refused["reason"].as_str().unwrap();
            assert!(
                reason.contains("message.timestamp.before.max.ms"),
                "{reason}"
            );
        }
        assert!(producer.terminate().success());
        assert_eq!(world.state_says("young", "refused"), refused.len());
        assert_eq!(world.state_says("young", "acked"), 5);
    }
}

/// Returns how many events are in a producer's spool.
fn spooled(world: &World) -> usize {
    let directory = world.state("young").join("spool");
    let entries = std::fs::read_dir(directory).unwrap();
    let events = |entry: std::io::Result<std::fs::DirEntry>| {
        events_of(&std::fs::read(entry.unwrap().path()).unwrap()).len()
    };
    entries.map(events).sum()
}

fn append(path: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Unread events that Kafka deletes are counted where somebody looks.
fn deleted(world: &World, config: &Path, consumer: &mut Agent, listen: std::net::SocketAddr) {
    let send = |topic: &str, values: &[&str]| {
        let producer: BaseProducer = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", world.cluster.bootstrap())
            .create()
            .unwrap();
        for value in values {
            let headers = OwnedHeaders::new()
                .insert(Header {
                    key: "trace",
                    value: Some("1"),
                })
                .insert(Header {
                    key: "trace",
                    value: Some(&[0xff_u8][..]),
                });
            let sent = record(topic, value.as_bytes()).headers(headers);
            producer.send(sent).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(Duration::from_mins(1)).unwrap();
    };
    send("kept", &["123456789012345678901234567890"; 10]);
    send("anew", &["1"; 4]);
    wait_until("the first are documents", || {
        world.double.count("kept") == 10 && world.double.count("anew") == 4
    });
    let headers =
        json!([{"name": "trace", "value": "1"}, {"name": "trace", "value_base64": "/w=="}]);
    let place = |offset: u64| format!("e-0000-{offset:012x}");
    assert_eq!(
        world.double.documents("kept")[&place(9)]["kafka"]["headers"],
        headers
    );
    assert!(consumer.terminate().success());
    let view = |words: &str, list: &str, topic: &str, key: &str| {
        let seen = json("consumer", config, &["inspect", "--timeout", "20"], "");
        let list = seen[0][words][list].as_array().unwrap();
        let found = list.iter().find(|one| one["name"] == topic);
        found.unwrap()[key].clone()
    };
    send("kept", &["1"; 5]);
    world.cluster.delete_before("kept", 15);
    assert_eq!(view("kafka", "topics", "kept", "deleted"), 5);
    assert_eq!(view("kafka", "topics", "kept", "lag"), 0);
    world.cluster.make_anew("anew");
    send("anew", &["2"]);
    *consumer = Agent::consumer(config);
    send("kept", &["\"after\""]);
    wait_until("the loss is said", || {
        // Kafka forgets the group's place with a topic; its events are in conflict with those of the former one.
        world.double.count("kept-dead-letters") == 1 && world.double.count("anew-dead-letters") == 1
    });
    let letters = world.double.documents("kept-dead-letters");
    let letter = &letters[&format!("lost-{}", place(10))];
    assert_eq!(letter["lost_events"], 5);
    let reason = letter["reason"].as_str().unwrap();
    assert!(
        reason.contains("retention.ms") && reason.contains("clock"),
        "{reason}"
    );
    wait_until("what came after is there", || {
        world.double.count("kept") == 11
    });
    let figure = "consumer_events_lost_total{topic=\"kept\"} 5";
    assert!(get(listen, "/metrics").lines().any(|line| line == figure));
    // What is lost is no record to be tried again, and it is said once.
    let tried = json(
        "consumer",
        config,
        &["dead-letters", "--retry", "--topic", "kept"],
        "",
    );
    assert_eq!((tried.len(), &tried[0]["outcome"]), (1, &json!("dead")));
    assert!(consumer.terminate().success());
    *consumer = Agent::consumer(config);
    send("kept", &["\"again\""]);
    wait_until("it goes on", || world.double.count("kept") == 12);
    assert_eq!(world.double.count("kept-dead-letters"), 1);
    assert_eq!(view("couchdb", "databases", "kept", "lost_events"), 5);
    assert_eq!(view("couchdb", "databases", "small", "lost_events"), 0);
    assert_eq!(view("kafka", "topics", "kept", "deleted"), 0);
}
