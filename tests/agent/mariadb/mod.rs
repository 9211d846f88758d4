//! Rows of a real `MariaDB`: each event is one, or each key's newest; what can never be one is kept; whatever is killed.

mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use agent::config::topic::Topic;
use agent::sink::{self, Letter, Outcome, Record, Settings, Sink};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::lab::{Agent, PATIENCE, json, wait_until};
use server::Mariadb;

/// The columns of most tests.
const COLUMNS: &str = "columns = [\"n integer event.n\", \"x double event.x\", \"at datetime event.at\", \"words text event.words\"]\n";

fn topic() -> Topic {
    Topic {
        name: "t".into(),
        database: String::new(),
        epoch: "e0".into(),
        canary: false,
        replace: false,
    }
}

fn settings(text: &str) -> std::sync::Arc<dyn Settings> {
    sink::settings("mariadb", toml::from_str(text).unwrap()).unwrap()
}

fn record(offset: i64, value: &str) -> Record {
    Record {
        partition: 1,
        offset,
        timestamp: Some(1_700_000_000_000 + offset),
        value: Some(value.as_bytes().to_vec()),
        ..Record::default()
    }
}

async fn write(sink: &dyn Sink, records: &[Record]) -> Vec<Outcome> {
    let records: Vec<&Record> = records.iter().collect();
    sink.write(&topic(), &records).await
}

fn is_never(outcome: &Outcome, words: &str) -> bool {
    matches!(outcome, Outcome::Never(reason) if reason.contains(words))
}

#[test]
fn each_event_is_one_row_and_what_cannot_be_one_is_said_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut mariadb = Mariadb::start(&directory.path().join("m"));
    let text = format!("{}table = \"rows\"\n{COLUMNS}", mariadb.access());
    let settings = settings(&text);
    settings.check().unwrap();
    settings.check_files().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sink = runtime.block_on(async { settings.open().unwrap() });
    let first = record(
        0,
        r#"{"n": 9007199254740993, "x": 1.5, "at": "2026-11-30T04:09:45.123456Z", "words": "é '\"\\ 😀"}"#,
    );
    let too_large = format!("{{\"words\": \"{}\"}}", "x".repeat(2 << 20));
    let records = [
        first.clone(),
        record(1, "{}"),
        record(2, r#"{"n": "seven"}"#),
        record(3, "no JSON"),
        // The same event sent twice, and another with its id.
        record(
            4,
            r#"{"schema": 1, "client": "c", "run": "r", "sequence": 1, "n": 1}"#,
        ),
        record(
            5,
            r#"{"schema": 1, "client": "c", "run": "r", "sequence": 1, "n": 1}"#,
        ),
        record(6, &too_large),
    ];
    let outcomes = runtime.block_on(write(&*sink, &records));
    assert_eq!(outcomes[..2], [Outcome::Done, Outcome::Done]);
    assert!(
        is_never(&outcomes[2], "`event.n` is \"seven\": no whole number"),
        "{outcomes:?}"
    );
    assert!(is_never(&outcomes[3], "not JSON"), "{outcomes:?}");
    assert_eq!(outcomes[4..6], [Outcome::Done, Outcome::Already]);
    assert!(
        is_never(&outcomes[6], "larger than 1048576 bytes"),
        "{outcomes:?}"
    );
    let again = runtime.block_on(write(&*sink, &records[..2]));
    assert_eq!(again, [Outcome::Already, Outcome::Already]);
    assert_eq!(mariadb.number("SELECT COUNT(*) FROM `rows`"), 3);
    assert_eq!(
        mariadb.number(
            "SELECT COUNT(*) FROM `rows` WHERE id = 'e0-0001-000000000000' AND n = 9007199254740993 AND x = 1.5 \
             AND at = '2026-11-30 04:09:45.123456' AND words = 'é \\'\"\\\\ 😀' AND kafka_offset = 0 AND kafka_partition = 1"
        ),
        1
    );
    let other = record(0, r#"{"n": 8}"#);
    let outcome = runtime.block_on(write(&*sink, &[other]));
    assert!(
        is_never(
            &outcome[0],
            "conflict: another row has the id e0-0001-000000000000"
        ),
        "{outcome:?}"
    );
    // A column that came later: rows of before have nothing there, and are the same still.
    let wider = text.replace("columns = [", "columns = [\"later double event.x\", ");
    let wider = self::settings(&wider);
    let outcome = runtime.block_on(async { write(&*wider.open().unwrap(), &[first]).await });
    assert_eq!(outcome, [Outcome::Already]);
    let other = text.replace("n integer", "n text");
    let other = self::settings(&other);
    let outcome =
        runtime.block_on(async { write(&*other.open().unwrap(), &[record(20, "{}")]).await });
    let words = "the column `n` of the table `rows` is bigint(20), and LONGTEXT is wanted";
    assert!(
        matches!(&outcome[0], Outcome::Later(later) if later.to_string().contains(words)),
        "{outcome:?}"
    );

    let letters = [
        Letter::Dead {
            record: &records[3],
            reason: "no JSON".into(),
        },
        Letter::Dead {
            record: &records[6],
            reason: "too large".into(),
        },
        Letter::Lost {
            partition: 1,
            from: 7,
            events: Some(5),
            reason: "gone".into(),
        },
    ];
    for _ in 0..2 {
        let kept = runtime.block_on(sink.keep(&topic(), &letters));
        assert_eq!(kept, vec![Outcome::Done; 3]);
    }
    let asked = runtime.block_on(async { settings.asked().unwrap() });
    let topic = topic();
    runtime.block_on(async {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let holding = asked.holding(&topic, deadline).await.unwrap().unwrap();
        assert_eq!(
            (holding.records, holding.dead_letters, holding.lost_events),
            (Some(3), Some(3), Some(5))
        );
        let newest = asked.newest(&topic, 2, PATIENCE).await.unwrap();
        let ids: Vec<&Value> = newest
            .iter()
            .map(|newest| &newest.document["_id"])
            .collect();
        assert_eq!(
            ids,
            [&json!("c-r-000000000001"), &json!("e0-0001-000000000001")]
        );
        let letters = asked.letters(&topic, None).await.unwrap();
        assert_eq!(letters.len(), 3);
        let last = letters[2]["_id"].as_str().unwrap();
        assert_eq!(
            asked.letters(&topic, Some(last)).await.unwrap(),
            Vec::<Value>::new()
        );
    });
    // Away, and there again.
    mariadb.kill();
    let records = [record(10, "{}")];
    let outcome = runtime.block_on(write(&*sink, &records));
    assert!(matches!(outcome[0], Outcome::Later(_)), "{outcome:?}");
    mariadb.up();
    assert_eq!(runtime.block_on(write(&*sink, &records)), [Outcome::Done]);
}

#[test]
fn a_key_has_the_row_of_its_newest_record() {
    let directory = tempfile::tempdir().unwrap();
    let mariadb = Mariadb::start(&directory.path().join("m"));
    let text = format!(
        "{}table = \"totals\"\nreplace = true\ncolumns = [\"n integer n\"]\n",
        mariadb.access()
    );
    let settings = settings(&text);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sink = runtime.block_on(async { settings.open().unwrap() });
    let keyed = |offset: i64, key: &str, value: &str| Record {
        key: Some(key.as_bytes().to_vec()),
        ..record(offset, value)
    };
    let n = |key: &str| mariadb.number(&format!("SELECT n FROM totals WHERE id = '{key}'"));
    let outcomes = runtime.block_on(write(
        &*sink,
        &[
            keyed(3, "a", r#"{"n": 3}"#),
            keyed(4, "b", r#"{"n": 4}"#),
            keyed(5, "a", r#"{"n": 5}"#),
            keyed(6, "A", r#"{"n": 6}"#),
            keyed(7, "", r#"{"n": 7}"#),
            keyed(8, "a", "[8]"),
        ],
    ));
    assert_eq!(
        outcomes[..4],
        [
            Outcome::Already,
            Outcome::Done,
            Outcome::Done,
            Outcome::Done
        ]
    );
    assert!(
        is_never(&outcomes[4], "no key") && is_never(&outcomes[5], "no object"),
        "{outcomes:?}"
    );
    assert_eq!((n("a"), n("b"), n("A")), (5, 4, 6));
    // What is older never takes its place, what is newer does.
    let again = [keyed(4, "a", r#"{"n": 44}"#), keyed(9, "b", r#"{"n": 9}"#)];
    let outcomes = runtime.block_on(write(&*sink, &again));
    assert_eq!(outcomes, [Outcome::Already, Outcome::Done]);
    assert_eq!((n("a"), n("b")), (5, 9));
}

#[test]
fn whoever_is_not_trusted_or_not_let_in_gets_and_gives_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mariadb = Mariadb::start(&directory.path().join("m"));
    let other = crate::certificates::Authority::new(directory.path(), "other");
    let good = format!("{}table = \"rows\"\n{COLUMNS}", mariadb.access());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let wrong = crate::lab::secret(directory.path(), "wrong", "another word");
    let right_file = mariadb.authority.file().display().to_string();
    let right_password = mariadb.password().display().to_string();
    for (what, text) in [
        (
            "another authority",
            good.replace(&right_file, &other.file().display().to_string()),
        ),
        ("another name", good.replace("127.0.0.1", "localhost")),
        (
            "another password",
            good.replace(&right_password, &wrong.display().to_string()),
        ),
        ("another database", good.replace("\"d\"", "\"mysql\"")),
    ] {
        let settings = settings(&text);
        let outcome =
            runtime.block_on(async { write(&*settings.open().unwrap(), &[record(0, "{}")]).await });
        let Outcome::Later(later) = &outcome[0] else {
            panic!("{what}: {outcome:?}")
        };
        assert!(
            !later.to_string().contains("r word") && !later.to_string().contains("the word"),
            "{what}: {later}"
        );
        println!("{what}: {later}");
    }
    let outcome = runtime
        .block_on(async { write(&*settings(&good).open().unwrap(), &[record(0, "{}")]).await });
    assert_eq!(outcome, [Outcome::Done]);
}

#[test]
fn canaries_have_a_place_of_their_own_and_leave_it_empty() {
    let directory = tempfile::tempdir().unwrap();
    let mariadb = Mariadb::start(&directory.path().join("m"));
    let text = format!("{}table = \"rows\"\n{COLUMNS}", mariadb.access());
    assert!(!settings(&text).takes_canaries());
    let settings = settings(&format!("{text}canaries = \"c\"\n"));
    assert!(settings.takes_canaries());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let canaries = Topic {
        canary: true,
        ..topic()
    };
    let canary = |run: &str, sequence: i64| {
        let event =
            json!({"schema": 1, "client": "c", "run": run, "sequence": sequence, "kind": "canary"});
        record(sequence, &event.to_string())
    };
    runtime.block_on(async {
        let (sink, asked) = (settings.open().unwrap(), settings.asked().unwrap());
        assert_eq!(asked.canaries("r").await, Ok(Vec::new()), "no table yet");
        assert_eq!(asked.remove_canaries("r").await, Ok(()));
        let now = jiff::Timestamp::now().as_millisecond();
        let mut other = canary("other", 3);
        other.timestamp = Some(now);
        let records = [canary("r", 1), canary("r", 2), other];
        for outcome in [Outcome::Done, Outcome::Already] {
            let written = sink.write(&canaries, &records.each_ref()).await;
            assert_eq!(written, vec![outcome; 3]);
        }
        let found = asked.canaries("r").await.unwrap();
        let numbers: Vec<&Value> = found.iter().map(|canary| &canary["sequence"]).collect();
        assert_eq!(numbers, [&json!(1), &json!(2)]);
        assert_eq!(found[0]["_id"], "c-r-000000000001");
        asked.remove_canaries("r").await.unwrap();
        assert_eq!(asked.canaries("r").await, Ok(Vec::new()));
        assert_eq!(asked.canaries("other").await.unwrap().len(), 1, "another's");
    });
    let events = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'rows' AND table_schema = 'd'";
    assert_eq!(mariadb.number(events), 0);
}

/// How often the consumer or the server is killed.
const KILLS: usize = 6;
/// How many records there are more at each turn.
const RECORDS: usize = 20_000;

fn send(bootstrap: &str, numbers: std::ops::Range<usize>) {
    let mut config = ClientConfig::new();
    let producer: BaseProducer = config.set("bootstrap.servers", bootstrap).create().unwrap();
    for number in numbers {
        let value = match number % 1000 {
            0 => format!("broken {number}"),
            _ => json!({"n": number, "words": "x".repeat(100)}).to_string(),
        };
        let mut record = BaseRecord::<str, str>::to("t")
            .partition(i32::try_from(number % 2).unwrap())
            .payload(&value);
        while let Err((_, back)) = producer.send(record) {
            producer.poll(Duration::from_millis(10));
            record = back;
        }
    }
    producer.flush(PATIENCE).unwrap();
}

#[test]
fn rows_are_there_once_however_often_consumer_and_server_are_killed() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let mut mariadb = Mariadb::start(&directory.join("m"));
    let cluster = Cluster::start(directory, "t", 2);
    let sink = format!("{}table = \"rows\"\n{COLUMNS}", mariadb.access());
    let config = directory.join("consumer.toml");
    let text = format!(
        "group = \"g\"\n[kafka]\nbootstrap = {:?}\n[[topics]]\nname = \"t\"\nepoch = \"e0\"\n\
         [sinks.rows]\nkind = \"mariadb\"\nfrom = [\"t\"]\n{sink}",
        cluster.bootstrap(),
    );
    std::fs::write(&config, text).unwrap();
    let count = |mariadb: &Mariadb| {
        let there = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'rows'";
        match mariadb.number(there) {
            0 => 0,
            _ => mariadb.number("SELECT COUNT(*) FROM `rows`"),
        }
    };
    let mut sent = 1;
    let mut consumer = Agent::consumer(&config);
    for turn in 0..KILLS {
        let before = count(&mariadb);
        send(&cluster.bootstrap(), sent..sent + RECORDS);
        sent += RECORDS;
        wait_until("rows are written", || count(&mariadb) > before);
        if turn % 2 == 0 {
            mariadb.kill();
            mariadb.up();
        } else {
            consumer.kill();
            consumer = Agent::consumer(&config);
        }
    }
    let broken = (1..sent).filter(|number| number % 1000 == 0).count();
    let expected = i64::try_from(sent - 1 - broken).unwrap();
    wait_until("all rows are there", || count(&mariadb) >= expected);
    wait_until("all letters are there", || {
        mariadb.number("SELECT COUNT(*) FROM rows_dead_letters") >= i64::try_from(broken).unwrap()
    });
    assert!(consumer.terminate().success());
    assert_eq!(count(&mariadb), expected);
    assert_eq!(
        mariadb.number("SELECT COUNT(DISTINCT n) FROM `rows`"),
        expected
    );
    let sum: i64 = (1..i64::try_from(sent).unwrap())
        .filter(|number| number % 1000 != 0)
        .sum();
    assert_eq!(
        mariadb.number("SELECT CAST(SUM(n) AS INT) FROM `rows`"),
        sum
    );
    let seen = json("consumer", &config, &["inspect", "--timeout", "20"], "").remove(0);
    println!("{}", seen["sinks"]);
    let by_partition: BTreeMap<i64, i64> = (0..2)
        .map(|partition| {
            let question =
                format!("SELECT COUNT(*) FROM `rows` WHERE kafka_partition = {partition}");
            (partition, mariadb.number(&question))
        })
        .collect();
    assert_eq!(by_partition.values().sum::<i64>(), expected);
}
