//! Settings that are passed on to Kafka and CouchDB: what they would refuse is refused before, at its place in the file.

use std::collections::BTreeMap;

use deployer::component::couchdb;
use deployer::component::kafka::section;
use deployer::component::kafka::settings::{self as kafka, Scope};
use deployer::inventory::texts;
use deployer::layout;
use deployer::topology::{Ids, Options, Topology};

const VERDICTS: &str = include_str!("../fixtures/kafka-verdicts.tsv");

#[test]
fn kafkas_own_verdict_on_each_setting_is_ours() {
    let mut lines = VERDICTS.lines().skip(1);
    let samples: Vec<&str> = lines.next().expect("samples").split('\t').collect();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for line in lines {
        let cells: Vec<&str> = line.split('\t').collect();
        let [scope, name, verdicts] = cells[..] else {
            panic!("{line}");
        };
        let scope = if scope == "topic" {
            Scope::Topic
        } else {
            Scope::Broker
        };
        let definition = kafka::definition(scope, name).expect("a setting");
        // Which classes there are only Java knows. The quorum is never asked for: it is the deployer's.
        if definition.kind == "class" || name.starts_with("controller.quorum") {
            continue;
        }
        for (sample, verdict) in samples.iter().zip(verdicts.chars()) {
            let ours = definition.check(sample);
            seen += 1;
            if ours.is_ok() != (verdict == '+') {
                wrong.push(format!(
                    "{scope:?} {name} `{sample}`: Kafka {verdict}, {ours:?}"
                ));
            }
        }
    }
    assert!(seen > 10_000, "{seen}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What an inventory is told, or the settings that are rendered.
fn outcome(settings: &str) -> String {
    let text = format!(
        "name: x\nnodes:\n  vm1: {{ roles: [producer, zookeeper, kafka, couchdb, consumer] }}\n{settings}\n"
    );
    let inventory = match layout::parse(text.as_bytes(), "x.yaml") {
        Ok(inventory) => inventory,
        Err(problems) => return problems.to_string(),
    };
    match Topology::new(&inventory, &Options::default(), &Ids::default()) {
        Ok((topology, _)) => {
            let topic = &topology.topics["utilizations1"].config;
            let couchdb = couchdb::section(&topology).settings.iter();
            let topic = topic.iter().filter(|(name, _)| *name != "retention.ms");
            format!(
                "{:?} {:?} {:?}",
                texts(&section(&topology).settings),
                topic.collect::<Vec<_>>(),
                couchdb
                    .map(|(section, keys)| (section, texts(keys)))
                    .collect::<BTreeMap<_, _>>()
            )
        }
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn numbers_are_written_in_kafkas_types() {
    let cases = [
        ("log.retention.bytes: 1e9", "1000000000"),
        ("log.segment.bytes: 1E6", "1000000"),
        ("log.segment.bytes: 2.0e+6", "2000000"),
        ("log.segment.bytes: '1048576'", "1048576"),
        ("log.cleaner.min.cleanable.ratio: 0.10", "0.10"),
        ("log.cleaner.min.cleanable.ratio: 1e-7", "1e-7"),
        ("log.cleaner.min.cleanable.ratio: 1", "1"),
        ("log.cleaner.enable: true", "true"),
        ("log.cleaner.enable: 'true'", "true"),
        ("log.cleanup.policy: 'compact,delete'", "compact,delete"),
        ("broker.rack: 7", "7"),
        ("broker.rack: '1.10'", "1.10"),
        ("broker.rack: 1.10", "1.10"),
        ("listener.name.internal.ssl.keystore.type: PEM", "PEM"),
    ];
    for (line, text) in cases {
        let (name, _) = line.split_once(':').expect("a setting");
        let expected = format!("{{{name:?}: {text:?}}} [] {{}}");
        assert_eq!(
            outcome(&format!("kafka: {{replication: 1, settings: {{{line}}}}}")),
            expected
        );
    }
}

#[test]
fn what_kafka_would_refuse_is_refused_where_it_stands() {
    let cases = [
        (
            "num.io.threads: banana",
            "must be a whole number of 32 bits from 1, is `banana`",
        ),
        (
            "log.segment.bytes: 1e10",
            "must be a whole number of 32 bits from 14, is `10000000000`",
        ),
        (
            "log.segment.bytes: 0.5",
            "must be a whole number of 32 bits from 14, is `0.5`",
        ),
        ("log.cleaner.enable: yes", "must be true or false, is `yes`"),
        ("log.cleaner.enable: 1", "must be true or false, is `1`"),
        (
            "log.cleanup.policy: compcat",
            "must be a list with commas of compact, delete, is `compcat`; did you mean `compact`?",
        ),
        (
            "log.cleanup.policy: [compact]",
            "must be a text, a number, true or false, is a list",
        ),
        (
            "nonsense.setting: 1",
            "Kafka does not know it as a broker's setting",
        ),
        (
            "log.retention.byte: 1",
            "Kafka does not know it as a broker's setting; did you mean `log.retention.bytes`?",
        ),
        (
            "retention.bytes: 1",
            "Kafka does not know it as a broker's setting; it is a topic's: put it into `topics.settings`",
        ),
    ];
    for (line, told) in cases {
        let (name, _) = line.split_once(": ").expect("a setting");
        let column = 7 + name.len();
        let expected = format!("x.yaml:7:{column}: kafka.settings.{name}: {told}");
        assert_eq!(
            outcome(&format!(
                "kafka:\n  replication: 1\n  settings:\n    {line}"
            )),
            expected
        );
    }
    let topics = [
        (
            "nonsense.setting: 1",
            "Kafka does not know it as a topic's setting",
        ),
        (
            "cleanup.policy: what",
            "must be a list with commas of compact, delete, is `what`",
        ),
        (
            "num.io.threads: 1",
            "Kafka does not know it as a topic's setting; it is a broker's: put it into `kafka.settings`",
        ),
        (
            "max.mesage.bytes: 1",
            "Kafka does not know it as a topic's setting; did you mean `max.message.bytes`?",
        ),
        (
            "min.insync.replicas: 2",
            "2 copies in sync of only 1: nothing could ever be written; set it to 1 at most",
        ),
    ];
    for (line, told) in topics {
        let (name, _) = line.split_once(": ").expect("a setting");
        for (top, place) in [
            ("topics:\n  settings:\n    ", "topics"),
            (
                "topics:\n  extra:\n    orders: {settings: {",
                "topics.extra.orders",
            ),
        ] {
            let end = if place == "topics" { "" } else { "}}" };
            let outcome = outcome(&format!("kafka: {{replication: 1}}\n{top}{line}{end}"));
            let expected = format!("{place}.settings.{name}: {told}");
            assert!(outcome.starts_with("x.yaml:7:"), "{outcome}");
            assert!(outcome.ends_with(&expected), "{outcome}\n{expected}");
        }
    }
}

#[test]
fn what_couchdbs_ini_files_cannot_hold_is_refused() {
    let cases = [
        (
            "x: 'a ;b'",
            "holds ` ;`, where a comment begins in CouchDB's ini files: the rest would be cut off",
        ),
        (
            "x: ';b'",
            "holds ` ;`, where a comment begins in CouchDB's ini files: the rest would be cut off",
        ),
        (
            "x: ''",
            "is empty, and CouchDB takes a key without a value for none",
        ),
        (
            "x: ' a'",
            "begins or ends with a space, which CouchDB's ini files cannot hold",
        ),
        (
            "x: 'a '",
            "begins or ends with a space, which CouchDB's ini files cannot hold",
        ),
        ("x: 1e9", "\"1000000000\""),
        ("max_dbs_open: many", "must be a whole number, is `many`"),
        ("maintenance_mode: 'a;b\\'", "\"a;b\\\\\""),
        ("x: 'a = b # c'", "\"a = b # c\""),
        ("x: 0.25", "\"0.25\""),
        ("max_dbs_open: 600", "\"600\""),
    ];
    for (line, told) in cases {
        let (name, _) = line.split_once(": ").expect("a setting");
        let outcome = outcome(&format!(
            "kafka: {{replication: 1}}\ncouchdb:\n  settings:\n    couchdb: {{{line}}}"
        ));
        let expected = if told.starts_with('"') {
            format!("{{}} [] {{\"couchdb\": {{{name:?}: {told}}}}}")
        } else {
            format!(
                "x.yaml:7:{}: couchdb.settings.couchdb.{name}: {told}",
                17 + name.len()
            )
        };
        assert_eq!(outcome, expected);
    }
    assert!(
        outcome("kafka: {replication: 1}\ncouchdb: {settings: {log: {level: inof}}}").ends_with(
            "couchdb.settings.log.level: must be one of debug, info, notice, warning, error, critical, alert, emergency, none, \
             is `inof`; did you mean `info`?"
        )
    );
}

#[test]
fn what_couchdb_does_not_know_is_a_warning() {
    use deployer::component::couchdb::settings::doubt;
    let words = |section: &str, key: &str| {
        doubt(section, key)
            .map(|doubt| format!("{}; {}", doubt.message, doubt.hint.unwrap_or_default()))
    };
    let cases = [
        (
            "couchdb",
            "max_dbs_opne",
            "CouchDB 3.5 does not know it, and will ignore it; did you mean `max_dbs_open`?",
        ),
        (
            "chtpd",
            "max_uri_length",
            "CouchDB 3.5 does not know its section, and will ignore it; did you mean `chttpd`?",
        ),
        (
            "log",
            "zzz",
            "CouchDB 3.5 does not know it, and will ignore it; ",
        ),
    ];
    for (section, key, told) in cases {
        assert_eq!(words(section, key).as_deref(), Some(told));
    }
    for (section, key) in [
        ("couchdb", "max_document_size"),
        ("chttpd", "enable_cors"),
        ("cors:https://example.org", "origins"),
        ("jwt_keys", "rsa:any"),
        ("smoosh.mine", "priority"),
        ("log", "file"),
    ] {
        assert_eq!(words(section, key), None, "[{section}] {key}");
    }
}
