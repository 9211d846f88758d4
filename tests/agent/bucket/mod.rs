//! A bucket as a source: each line of its objects is in the topic once, whatever fails meanwhile.

mod store;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::lab::{Agent, Lab, PATIENCE, secret, wait_until};
use store::{Bucket, Way};

/// An object is whole at once, and never.
const AT_ONCE: &str = "settled_ms = 100";
const NEVER: &str = "settled_ms = 86400000";

/// A producer of a bucket, before a Kafka in this process.
struct Course {
    lab: Lab,
    bucket: Bucket,
    config: PathBuf,
}

impl Course {
    fn new(name: &str, more: &str) -> Option<Self> {
        let bucket = Bucket::new(name)?;
        let lab = Lab::new(&["t"]);
        let config = lab.producer_config("c", "t", &bucket.source(&keys(&lab), more));
        Some(Self {
            lab,
            bucket,
            config,
        })
    }

    fn start(&self) -> Agent {
        Agent::start("producer", &self.config, Stdio::null())
    }

    fn lines(&self) -> Vec<String> {
        self.lab
            .records("t")
            .iter()
            .map(|value| line(value))
            .collect()
    }

    fn wait_for(&self, lines: &[&str]) {
        let what = format!("the lines are {lines:?}");
        wait_until(&what, || self.lines().len() >= lines.len());
        assert_eq!(self.lines(), lines);
    }
}

fn keys(lab: &Lab) -> PathBuf {
    let text = "[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = geheim\n";
    secret(lab.directory.path(), "keys", text)
}

/// How many events a producer's state knows as confirmed.
fn confirmed(lab: &Lab, client: &str) -> usize {
    let Ok(text) = std::fs::read(lab.path(&format!("state-{client}/state.json"))) else {
        return 0;
    };
    let state: Value = serde_json::from_slice(&text).unwrap();
    usize::try_from(state["acked"].as_u64().unwrap()).unwrap()
}

fn line(value: &[u8]) -> String {
    let event: Value = serde_json::from_slice(value).unwrap();
    event["line"].as_str().unwrap().to_owned()
}

#[test]
fn an_object_that_grows_is_read_on_and_another_one_under_its_key_is_read_as_new() {
    let Some(course) = Course::new("grows", NEVER) else {
        return;
    };
    let bucket = &course.bucket;
    bucket.put("in/a.log", b"1\n2\nhal");
    let mut agent = course.start();
    course.wait_for(&["1", "2"]);
    bucket.put("in/a.log", b"1\n2\nhalf\n3\n");
    course.wait_for(&["1", "2", "half", "3"]);
    // This Kafka shows also what is not committed yet.
    wait_until("they are committed", || confirmed(&course.lab, "c") == 4);
    agent.kill();
    bucket.put("in/a.log", b"1\n2\nhalf\n3\n4\n");
    bucket.put("in/b.log", b"other\n");
    let mut agent = course.start();
    course.wait_for(&["1", "2", "half", "3", "4", "other"]);
    // Longer, and not what was read.
    bucket.put("in/a.log", b"new 1\nnew 2\nnew 3\nnew 4\n");
    let all = [
        "1", "2", "half", "3", "4", "other", "new 1", "new 2", "new 3", "new 4",
    ];
    course.wait_for(&all);
    assert!(
        agent.log().contains("is read as a new one"),
        "{}",
        agent.log()
    );
    // Compressed ones are told; deleted ones were read; what has no lines is no trouble.
    bucket.put("in/c.gz", &[0x1f, 0x8b, 8, 0, b'\n']);
    bucket.put("in/empty", b"");
    bucket.delete("in/b.log");
    wait_until("it says that an object is compressed", || {
        agent.log().contains("is compressed (gzip)")
    });
    bucket.put("in/d.log", b"last\n");
    let all = [&all[..], &["last"]].concat();
    course.wait_for(&all);
    assert!(agent.terminate().success());
    // Nothing of all that is read again.
    let mut agent = course.start();
    bucket.put("in/e.log", b"after\n");
    course.wait_for(&[&all[..], &["after"]].concat());
    assert!(agent.terminate().success());
}

#[test]
fn a_last_line_without_its_end_counts_once_the_object_has_been_so_for_a_while() {
    let Some(course) = Course::new("settles", AT_ONCE) else {
        return;
    };
    course.bucket.put("a.log", b"1\nhal");
    let mut agent = course.start();
    course.wait_for(&["1", "hal"]);
    course.bucket.put("a.log", b"1\nhalf\n2\n");
    course.wait_for(&["1", "hal", "f", "2"]);
    assert!(
        agent.log().contains("grown within a line"),
        "{}",
        agent.log()
    );
    assert!(agent.terminate().success());
}

#[test]
fn a_list_of_several_pages_and_an_object_of_several_pieces_are_read_to_their_ends() {
    let Some(course) = Course::new("pages", NEVER) else {
        return;
    };
    // Most of them have nothing to read: each that has is a transaction.
    for number in 0..1003 {
        let text = if number % 100 == 0 {
            format!("{number}\n")
        } else {
            String::new()
        };
        course
            .bucket
            .put(&format!("in/{number:04}"), text.as_bytes());
    }
    let large: String = (0..50_000)
        .map(|number| format!("{number} {}\n", "x".repeat(100)))
        .collect();
    course.bucket.put("in/large", large.as_bytes());
    course.bucket.put("out/no", b"not below the prefix\n");
    let source = course
        .bucket
        .source(&keys(&course.lab), &format!("{NEVER}\nprefix = \"in/\""));
    let config = course.lab.producer_config("p", "t", &source);
    let mut agent = Agent::start("producer", &config, Stdio::null());
    wait_until("all are read", || confirmed(&course.lab, "p") == 50_011);
    let mut numbers: Vec<u64> = course
        .lines()
        .iter()
        .map(|line| line.split(' ').next().unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    let mut expected: Vec<u64> = (0..1003).step_by(100).chain(0..50_000).collect();
    expected.sort_unstable();
    assert!(numbers == expected, "{} lines", numbers.len());
    assert!(course.bucket.front.asked("continuation-token") > 0);
    assert!(agent.terminate().success());
}

#[test]
fn whatever_the_store_answers_is_said_and_nothing_is_lost() {
    let Some(course) = Course::new("fails", NEVER) else {
        return;
    };
    let error = |code: &str, more: &str| {
        format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message>{more}</Error>"
        )
    };
    let ways = [
        (Way::Answer(503, error("SlowDown", "")), "cannot answer now"),
        (Way::Reset, "does not answer as it should"),
        (
            Way::Answer(
                301,
                error("PermanentRedirect", "<Region>eu-north-1</Region>"),
            ),
            "say `region: eu-north-1`",
        ),
        (
            Way::Answer(403, error("AccessDenied", "")),
            "somebody else's",
        ),
        (
            Way::Answer(404, error("NoSuchBucket", "")),
            "no bucket fails",
        ),
        (
            Way::Answer(200, "<html/>".to_owned()),
            "list of objects cannot be read",
        ),
    ];
    let mut agent = course.start();
    let mut lines = Vec::new();
    for (number, (way, words)) in ways.into_iter().enumerate() {
        course.bucket.front.set(way.clone());
        course
            .bucket
            .put(&format!("{number}.log"), format!("{number}\n").as_bytes());
        wait_until(&format!("{way:?}: {words}"), || agent.log().contains(words));
        course.bucket.front.set(Way::Open);
        lines.push(number.to_string());
        course.wait_for(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    }
    // A slow answer is waited for.
    course.bucket.front.set(Way::Silent);
    let asked = course.bucket.front.asked("GET");
    course.bucket.put("slow.log", b"slow\n");
    wait_until("it is asked", || course.bucket.front.asked("GET") > asked);
    course.bucket.front.set(Way::Open);
    lines.push("slow".to_owned());
    course.wait_for(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let log = agent.log();
    for secret in ["geheim", "X-Amz-Signature"] {
        assert!(!log.contains(secret), "{log}");
    }
    assert!(agent.terminate().success());
}

#[test]
fn where_kafka_cannot_keep_its_log_of_transactions_that_is_said() {
    let Some(course) = Course::new("unbegun", AT_ONCE) else {
        return;
    };
    let refused = vec![RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE; 10_000];
    let finds = RDKafkaApiKey::FindCoordinator;
    course.lab.kafka.request_errors(finds, &refused);
    course.bucket.put("1.log", b"1\n");
    let mut agent = course.start();
    wait_until("it says why", || {
        agent
            .log()
            .contains("set `transaction.state.log.replication.factor=2`")
    });
    course.lab.kafka.clear_request_errors(finds);
    course.wait_for(&["1"]);
    assert!(agent.terminate().success());
}

#[test]
fn keys_of_the_machines_profile_are_asked_for_anew_before_they_end() {
    let Some(course) = Course::new("profile", NEVER) else {
        return;
    };
    let Some(machine) = Bucket::new("machine") else {
        return;
    };
    machine.front.set(Way::Answer(404, String::new()));
    let keys = format!(
        "{NEVER}\ninstance_profile = true\nmetadata = \"http://{}\"",
        machine.front.address
    );
    let source = course.bucket.source_by(&keys);
    course.lab.producer_config("c", "t", &source);
    let mut agent = course.start();
    wait_until("it says that there are no keys", || {
        agent.log().contains("the machine's profile gives no keys")
    });
    machine.front.set(Way::Profile(60));
    course.bucket.put("1.log", b"1\n");
    course.wait_for(&["1"]);
    let asked = || machine.front.asked("PUT /latest/api/token");
    let before = asked();
    wait_until("they are asked for again", || asked() > before + 1);
    machine.front.set(Way::Profile(3600));
    // One that began before that may still ask once.
    let listed = |more: usize| {
        let before = course.bucket.front.asked("list-type");
        wait_until("it looks again", || {
            course.bucket.front.asked("list-type") > before + more
        });
    };
    listed(2);
    let before = asked();
    listed(2);
    assert_eq!(asked(), before);
    // A machine that has got another role asks for its keys when those that it has are refused.
    course.bucket.front.set(Way::Answer(403, String::new()));
    wait_until("they are asked for at once", || asked() > before);
    assert!(agent.terminate().success());
}

const OBJECT_LINES: usize = 15_000;
const KILLS: usize = 4;

/// What a topic of one partition holds for those who read what is committed, or all.
struct Topic {
    config: ClientConfig,
    asks: BaseConsumer,
}

impl Topic {
    fn of(cluster: &Cluster, isolation: &str) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", cluster.bootstrap())
            .set("group.id", "reader")
            .set("enable.partition.eof", "true")
            .set("isolation.level", isolation);
        let asks = config.create().unwrap();
        Self { config, asks }
    }

    /// Where it ends at present.
    fn end(&self) -> i64 {
        self.asks.fetch_watermarks("t", 0, PATIENCE).unwrap().1
    }

    fn lines(&self) -> Vec<String> {
        let reads: BaseConsumer = self.config.create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("t", 0, Offset::Beginning)
            .unwrap();
        reads.assign(&list).unwrap();
        let (mut lines, deadline) = (Vec::new(), Instant::now() + PATIENCE);
        while Instant::now() < deadline {
            match reads.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => lines.push(line(message.payload().unwrap())),
                // Its end.
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => return lines,
                Some(Err(error)) => panic!("{error}"),
                None => {}
            }
        }
        panic!("the topic has no end");
    }
}

#[test]
fn a_producer_that_is_killed_within_transactions_gives_each_line_once() {
    let Some(bucket) = Bucket::new("killed") else {
        return;
    };
    let lab = Lab::new(&[]);
    let cluster = Cluster::start(lab.directory.path(), "t", 1);
    let config = lab.producer_config("c", "t", &bucket.source(&keys(&lab), NEVER));
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace(&lab.kafka.bootstrap_servers(), &cluster.bootstrap());
    std::fs::write(&config, text).unwrap();
    let (all, committed) = (
        Topic::of(&cluster, "read_uncommitted"),
        Topic::of(&cluster, "read_committed"),
    );
    let mut expected = Vec::new();
    let mut objects = 0;
    let mut add = |count: usize| {
        for _ in 0..count {
            let lines: Vec<String> = (0..OBJECT_LINES)
                .map(|line| format!("{objects} {line}"))
                .collect();
            bucket.put(
                &format!("vm{}/{objects}.log", objects % 3),
                (lines.join("\n") + "\n").as_bytes(),
            );
            expected.extend(lines);
            objects += 1;
        }
    };
    let (mut kills, mut rounds) = (0, 0);
    while kills < KILLS {
        rounds += 1;
        assert!(
            rounds < 50,
            "the producer is never met within a transaction"
        );
        add(2);
        let lines = (rounds * 2) * OBJECT_LINES;
        let mut agent = Agent::start("producer", &config, Stdio::null());
        wait_until("it is within a transaction, or has sent all", || {
            all.end() > committed.end() || confirmed(&lab, "c") == lines
        });
        agent.kill();
        // What is there and not committed stays so until the next one begins.
        kills += usize::from(all.end() > committed.end());
    }
    let mut agent = Agent::start("producer", &config, Stdio::null());
    // Another one with its name takes the place of its client, which then makes a new one.
    let other: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap())
        .set("transactional.id", "producer-c")
        .create()
        .unwrap();
    wait_until("it has begun", || committed.end() > 0);
    other.init_transactions(PATIENCE).unwrap();
    drop(other);
    add(5);
    wait_until("each line is there", || {
        confirmed(&lab, "c") == expected.len()
    });
    let mut found = committed.lines();
    assert_eq!(found.len(), expected.len(), "{}", agent.log());
    found.sort_unstable();
    expected.sort_unstable();
    assert!(
        found == expected,
        "some lines are there twice, others never"
    );
    assert!(agent.terminate().success());
    nothing_is_left_to_read(&lab, &cluster);
}

/// A consumer comes to the very end of a topic, which is the end of a transaction: Kafka's own tools say so.
fn nothing_is_left_to_read(lab: &Lab, cluster: &Cluster) {
    cluster.make("u", 2);
    let bootstrap = cluster.bootstrap();
    let client = |key: &str, value: &str| {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &bootstrap).set(key, value);
        config
    };
    let sends: BaseProducer = client("transactional.id", "u").create().unwrap();
    sends.init_transactions(PATIENCE).unwrap();
    for aborted in [false, true] {
        sends.begin_transaction().unwrap();
        for partition in [0, 1] {
            let record = BaseRecord::<(), str>::to("u")
                .payload("x")
                .partition(partition);
            sends.send(record).unwrap();
        }
        sends.flush(PATIENCE).unwrap();
        if aborted {
            sends.abort_transaction(PATIENCE).unwrap();
        } else {
            sends.commit_transaction(PATIENCE).unwrap();
        }
    }
    let directory = lab.path("u");
    std::fs::create_dir(&directory).unwrap();
    let config = lab.path("u.toml");
    let text = format!(
        "group = \"u\"\n[kafka]\nbootstrap = {bootstrap:?}\n[[topics]]\nname = \"u\"\nepoch = \"e0\"\n\
         [sinks.all]\nkind = \"files\"\nfrom = [\"u\"]\ndirectory = \"{}\"\n",
        directory.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut agent = Agent::consumer(&config);
    let asks: BaseConsumer = client("group.id", "u-all").create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_range("u", 0, 1);
    wait_until("the group is at the end of both partitions", || {
        let committed = asks.committed_offsets(list.clone(), PATIENCE).unwrap();
        committed.elements().iter().all(|element| {
            let (_, end) = asks
                .fetch_watermarks("u", element.partition(), PATIENCE)
                .unwrap();
            // A record and the end of its transaction, twice.
            assert_eq!(end, 4);
            element.offset() == Offset::Offset(end)
        })
    });
    assert!(agent.terminate().success());
}
