//! Named sinks: each has a group and figures of its own, and files have each record once, whatever kills the consumer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;

use crate::cluster::{Cluster, free};
use crate::lab::{Agent, Lab, PATIENCE, get, json, run, wait_until};

/// How often the consumer is killed.
const KILLS: usize = 6;
/// How many records there are more at each start, in both partitions.
const RECORDS: usize = 30_000;
/// Every so many records one is no JSON.
const BROKEN: usize = 1000;

/// Returns the files of a topic's rows, in the order of their names.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .filter(|path| !path.ends_with("dead-letters.jsonl"))
        .collect();
    found.sort();
    found
}

fn lines(directory: &Path, ending: &str) -> Vec<String> {
    let texts = files(directory, ending).into_iter();
    let texts = texts.map(|path| std::fs::read_to_string(path).unwrap());
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// How many bytes a topic's files have.
fn size(directory: &Path, ending: &str) -> u64 {
    let files = files(directory, ending);
    files
        .iter()
        .map(|path| path.metadata().map_or(0, |metadata| metadata.len()))
        .sum()
}

/// Sends numbers from one on, every thousandth of them broken.
fn send(bootstrap: &str, numbers: std::ops::Range<usize>) {
    let mut config = ClientConfig::new();
    let producer: BaseProducer = config.set("bootstrap.servers", bootstrap).create().unwrap();
    for number in numbers {
        let value = match number % BROKEN {
            0 => format!("broken {number}"),
            _ => format!("{{\"n\":\n{number}}}"),
        };
        let partition = i32::try_from(number % 2).unwrap();
        let mut record = BaseRecord::<str, str>::to("t")
            .partition(partition)
            .payload(&value);
        while let Err((_, back)) = producer.send(record) {
            producer.poll(Duration::from_millis(10));
            record = back;
        }
    }
    producer.flush(PATIENCE).unwrap();
}

/// Counts how often each number is there.
fn count(numbers: impl Iterator<Item = u64>) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    numbers.for_each(|number| *counts.entry(number).or_default() += 1);
    counts
}

#[test]
fn files_have_each_record_once_however_often_the_consumer_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let cluster = Cluster::start(directory, "t", 2);
    let config = directory.join("consumer.toml");
    let text = format!(
        "group = \"g\"\n[kafka]\nbootstrap = {:?}\n[batch]\ndocuments = 100\n[[topics]]\nname = \"t\"\nepoch = \"e0\"\n\
         [sinks.lines]\nkind = \"files\"\nfrom = [\"t\"]\ndirectory = \"{d}/lines\"\nroll_bytes = 200000\n\
         [sinks.table]\nkind = \"files\"\nfrom = [\"t\"]\ndirectory = \"{d}/table\"\nformat = \"csv\"\ncolumns = [\"event.n\", \"kafka.offset\"]\n",
        cluster.bootstrap(),
        d = directory.display()
    );
    std::fs::write(&config, text).unwrap();
    let (rows, table) = (directory.join("lines/t"), directory.join("table/t"));
    let mut chance = StdRng::seed_from_u64(std::process::id().into());
    let mut sent = 1;
    for _ in 0..KILLS {
        send(&cluster.bootstrap(), sent..sent + RECORDS);
        sent += RECORDS;
        let before = (size(&rows, "jsonl"), size(&table, "csv"));
        let mut consumer = Agent::consumer(&config);
        wait_until("both sinks are written to", || {
            size(&rows, "jsonl") > before.0 && size(&table, "csv") > before.1
        });
        std::thread::sleep(Duration::from_micros(chance.random_range(0..300_000)));
        consumer.kill();
    }
    let mut consumer = Agent::consumer(&config);
    let broken = (1..sent).filter(|number| number % BROKEN == 0).count();
    let expected = sent - 1 - broken;
    let letters = |directory: &Path| {
        let text = std::fs::read_to_string(directory.join("dead-letters.jsonl"));
        text.map_or(0, |text| text.lines().count())
    };
    wait_until("all rows are there", || {
        let csv = lines(&table, "csv").len() - files(&table, "csv").len();
        lines(&rows, "jsonl").len() >= expected
            && csv >= expected
            && letters(&rows) >= broken
            && letters(&table) >= broken
    });
    assert!(consumer.terminate().success());
    let of_lines = lines(&rows, "jsonl");
    let numbers = of_lines.iter().map(|line| {
        let document: Value = serde_json::from_str(line).unwrap();
        document["event"]["n"].as_u64().unwrap()
    });
    let wanted: BTreeMap<u64, usize> = (1..sent)
        .filter(|number| number % BROKEN != 0)
        .map(|number| (u64::try_from(number).unwrap(), 1))
        .collect();
    assert!(count(numbers) == wanted, "a row is missing or there twice");
    let mut heads = 0;
    let of_table = lines(&table, "csv");
    let numbers = of_table.iter().filter_map(|line| match line.as_str() {
        "event.n,kafka.offset" => {
            heads += 1;
            None
        }
        line => Some(line.split(',').next().unwrap().parse().unwrap()),
    });
    assert!(count(numbers) == wanted, "a row is missing or there twice");
    assert_eq!(heads, files(&table, "csv").len());
    assert_eq!((letters(&rows), letters(&table)), (broken, broken));
    assert!(files(&rows, "jsonl").len() > 10, "they are rolled");
    // What is noted of them is true, also of a sink without one of its files.
    let inspect = || {
        let seen = json("consumer", &config, &["inspect", "--timeout", "20"], "").remove(0);
        [0, 1].map(|sink| {
            let sink = &seen["sinks"][sink];
            assert_eq!(sink["lag"], 0, "{sink}");
            sink["records"].as_u64().unwrap()
        })
    };
    let expected = u64::try_from(expected).unwrap();
    assert_eq!(inspect(), [expected, expected]);
    let first = &files(&rows, "jsonl")[0];
    let gone = std::fs::read_to_string(first).unwrap().lines().count();
    std::fs::remove_file(first).unwrap();
    let rest = expected - u64::try_from(gone).unwrap();
    assert_eq!(inspect(), [rest, expected]);
}

#[test]
fn a_sink_that_is_away_stops_no_other_and_the_group_of_couchdb_is_what_it_was() {
    let lab = Lab::new(&["t1", "t2"]);
    let listen = free();
    let config = lab.consumer_config("g", &format!("[metrics]\nlisten = \"{listen}\""));
    lab.send("t1", &[b"1", b"2"]);
    // As a consumer without named sinks was: what it has read is not read again.
    let mut consumer = Agent::consumer(&config);
    wait_until("two documents", || lab.double.count("t1") == 2);
    assert!(consumer.terminate().success());
    lab.double
        .state()
        .databases
        .get_mut("t1")
        .unwrap()
        .delete("e0-0000-000000000000");
    let closed = lab.path("closed");
    std::fs::write(&closed, "a file is no directory").unwrap();
    let mut text = std::fs::read_to_string(&config).unwrap();
    for (name, from, directory) in [
        ("archive", "[\"t1\", \"t2\"]", lab.path("archive")),
        ("closed", "[\"t1\"]", closed.join("x")),
    ] {
        write!(
            text,
            "[sinks.{name}]\nkind = \"files\"\nfrom = {from}\ndirectory = \"{}\"\n",
            directory.display()
        )
        .unwrap();
    }
    std::fs::write(&config, text).unwrap();
    lab.double.state().databases.remove("t2");
    lab.send("t2", &[b"3"]);
    let consumer = Agent::consumer(&config);
    let archive = |topic: &str| lines(&lab.path("archive").join(topic), "jsonl");
    wait_until("the archive has all", || {
        archive("t1").len() == 2 && archive("t2").len() == 1
    });
    lab.send("t1", &[b"4"]);
    wait_until("both have what is new", || {
        lab.double.count("t1") == 2 && archive("t1").len() == 3
    });
    let documents = lab.double.documents("t1");
    let ids: Vec<&String> = documents.keys().collect();
    assert_eq!(
        ids,
        ["e0-0000-000000000001", "e0-0000-000000000002"],
        "{}",
        consumer.log()
    );
    let figure = |name: &str| {
        let text = get(listen, "/metrics");
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map(|value| value.parse::<u64>().unwrap())
    };
    // What was stored is counted a moment later.
    wait_until("figures", || {
        figure("consumer_events_out_total{sink=\"archive\"}") == Some(4)
            && figure("consumer_events_out_total") == Some(1)
    });
    assert_eq!(
        figure("consumer_events_out_total{sink=\"closed\"}"),
        Some(0)
    );
    wait_until("both that are away are said", || {
        let health = get(listen, "/healthz");
        health.contains("closed/x/t1: ") && health.contains("\nt2: ")
    });
}

#[test]
fn what_cannot_be_a_sink_is_refused_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("consumer.toml");
    let good = "kind = \"files\"\nfrom = [\"t\"]\ndirectory = \"/files\"\n";
    for (sink, words) in [
        (good.to_owned(), ""),
        // A topic that no sink reads stays in Kafka.
        (good.to_owned() + "[[topics]]\nname = \"u\"\nepoch = \"e\"\n", ""),
        (good.replace("files\"\nfrom", "filez\"\nfrom"), "couchdb, files"),
        (good.replace("[\"t\"]", "[\"u\"]"), "sinks.x.from"),
        (good.replace("[\"t\"]", "[]"), "sinks.x.from"),
        (good.replace("\"/files\"", "\"files\""), "sinks.x.directory"),
        (good.to_owned() + "colour = 1\n", "colour"),
        (good.to_owned() + "format = \"csv\"\n", "sinks.x.columns"),
        (good.to_owned() + "columns = [\"a\"]\n", "sinks.x.columns"),
        (good.to_owned() + "roll_bytes = 1\n", "sinks.x.roll_bytes"),
        ("kind = \"couchdb\"\nfrom = [\"t\"]\nurl = \"http://h:1\"\nuser = \"u\"\npassword_file = \"/p\"\n".to_owned(), "topics[0].database"),
    ] {
        let text = format!("group = \"g\"\n[kafka]\nbootstrap = \"a:1\"\n[[topics]]\nname = \"t\"\nepoch = \"e\"\n[sinks.x]\n{sink}");
        std::fs::write(&config, text).unwrap();
        let output = run("consumer", &config, &["--check"], "");
        let said = String::from_utf8(output.stderr).unwrap();
        let code = if words.is_empty() { 0 } else { 78 };
        assert_eq!(output.status.code(), Some(code), "{sink}{said}");
        assert!(said.contains(words) && said.lines().count() <= 1, "{sink}{said}");
    }
}
