//! The report of `status`: judged from what nodes said.

use std::collections::BTreeMap;

use deployer::facts::{DiskFact, Facts, FileFact, UnitFact};
use deployer::inventory;
use deployer::layout;
use deployer::receipt::Choices;
use deployer::tell::status_report::{Heard, Report};
use deployer::topology::{Ids, Options, Topology};
use serde_json::json;

fn topology() -> Topology {
    let inventory = layout::parse(inventory::DEFAULT.as_bytes(), "default").expect("inventory");
    let made = Topology::new(&inventory, &Options::default(), &Ids::default());
    made.expect("topology").0
}

fn unit(facts: &mut Facts, name: &str, active: &str) {
    let fact = UnitFact {
        loaded: true,
        active: active.into(),
        ..UnitFact::default()
    };
    facts.units.insert(name.into(), fact);
}

fn state(facts: &mut Facts, produced: u64, acked: u64, finished: bool) {
    let text = json!({"version": 1, "run": "r", "settings": "s", "produced": produced, "acked": acked, "count": 100,
        "finished": finished});
    let file = FileFact {
        text: Some(text.to_string()),
        ..FileFact::default()
    };
    facts.files.insert(
        "/var/lib/deployer/utilization/producer/state.json".into(),
        file,
    );
}

/// What an agent answers at its port.
fn figures(facts: &mut Facts, port: u16, figures: &serde_json::Value) {
    let answer = format!("HTTP/1.1 200 OK\n\n{figures}\n");
    facts.figures.insert(port, answer);
}

fn consumer(dead_letters: u64, lost: u64, wrong: &[&str]) -> serde_json::Value {
    let lost = if lost > 0 {
        json!({ "utilizations1": lost })
    } else {
        json!({})
    };
    let sink = json!({"name": null, "lag": {"utilizations1": 2}, "dead_letters": dead_letters,
        "lost": lost});
    json!({"wrong": wrong, "sinks": [sink]})
}

fn producer(
    events: u64,
    bytes: u64,
    refused: u64,
    troubles: &serde_json::Value,
) -> serde_json::Value {
    let spool = json!({"events": events, "bytes": bytes, "limit_bytes": 536_870_912});
    json!({"wrong": [], "spool": spool, "refused": refused, "source_troubles": troubles})
}

fn pipeline() -> serde_json::Value {
    let topic = |name: &str| {
        json!({"name": name, "partitions": [{"id": 0, "leader": 1, "replicas": [1, 2], "isr": [1, 2]}], "messages": 12,
            "lag": 0})
    };
    let database = |name: &str| json!({"name": name, "topic": name, "documents": 12, "newest": "2026-11-21T10:00:00.000Z", "dead_letters": 0});
    let names = ["deployer-canaries", "utilizations1", "utilizations2"];
    json!({
        "kafka": {"reachable": true, "error": null,
            "brokers": [{"id": 1, "host": "vm2", "port": 9092}, {"id": 2, "host": "vm3", "port": 9092}],
            "topics": names.map(topic)},
        "couchdb": {"reachable": true, "error": null, "vendor": "CouchDB 3.5.0", "databases": names.map(database)},
    })
}

/// All is well.
fn facts() -> BTreeMap<String, Facts> {
    let mut all = BTreeMap::new();
    for (node, roles) in [
        ("vm1-1", vec!["producer"]),
        ("vm1-2", vec!["producer"]),
        ("vm2", vec!["zookeeper", "kafka", "consumer"]),
        ("vm3", vec!["kafka", "couchdb"]),
    ] {
        let mut facts = Facts::default();
        for role in roles {
            unit(&mut facts, &format!("utilization-{role}.service"), "active");
        }
        all.insert(node.to_owned(), facts);
    }
    let pipeline = Some(pipeline());
    let mut change = |node: &str, with: &dyn Fn(&mut Facts)| with(all.get_mut(node).expect("node"));
    change("vm2", &|facts| facts.pipeline.clone_from(&pipeline));
    change("vm2", &|facts| figures(facts, 9442, &consumer(0, 0, &[])));
    change("vm1-1", &|facts| {
        figures(facts, 9441, &producer(0, 0, 0, &json!({})));
    });
    change("vm1-1", &|facts| state(facts, 12, 12, false));
    change("vm1-2", &|facts| {
        state(facts, 100, 100, true);
        unit(facts, "utilization-producer.service", "inactive");
    });
    all
}

fn report(change: impl FnOnce(&mut BTreeMap<String, Heard>)) -> Report {
    report_of(&topology(), change)
}

fn report_of(topology: &Topology, change: impl FnOnce(&mut BTreeMap<String, Heard>)) -> Report {
    let mut heard = facts()
        .into_iter()
        .map(|(node, facts)| (node, Heard::Facts(Box::new(facts))))
        .collect();
    change(&mut heard);
    let addresses = heard
        .keys()
        .map(|node| (node.clone(), "10.0.0.1".to_owned()))
        .collect();
    let now = "2026-11-21T10:00:07Z".parse().expect("timestamp");
    Report::new(topology, "0a1b2c3d4e5f", &heard, &addresses, now)
}

fn facts_of<'a>(heard: &'a mut BTreeMap<String, Heard>, node: &str) -> &'a mut Facts {
    match heard.get_mut(node) {
        Some(Heard::Facts(facts)) => facts,
        _ => panic!("{node} has said nothing"),
    }
}

/// Changes what Kafka says.
fn kafka(heard: &mut BTreeMap<String, Heard>, change: impl FnOnce(&mut serde_json::Value)) {
    let pipeline = facts_of(heard, "vm2").pipeline.as_mut().expect("pipeline");
    change(&mut pipeline["kafka"]);
}

#[test]
fn all_is_well() {
    let report = report(|_| ());
    assert!(report.healthy, "{:?}", report.problems);
    insta::assert_snapshot!(report.text());
}

#[test]
fn json_keeps_its_shape() {
    let value = serde_json::to_value(report(|_| ())).expect("json");
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).expect("text"));
}

#[test]
fn streams_have_a_table() {
    let logins = inventory::BUILT_IN[0].1;
    let inventory = layout::parse(logins.as_bytes(), "logins").expect("inventory");
    let made = Topology::new(&inventory, &Options::default(), &Ids::default());
    let topology = made.expect("topology").0;
    let said = |state: &serde_json::Value| {
        let mut spark = Facts::default();
        let file = FileFact {
            text: Some(json!({"streams": {"login-counts": state}}).to_string()),
            ..FileFact::default()
        };
        let path = "/var/lib/deployer/logins/spark/state.json";
        spark.files.insert(path.into(), file);
        let mut pipeline = pipeline();
        pipeline["kafka"]["topics"][1]["name"] = json!("logins");
        pipeline["kafka"]["topics"][1]["ends"] = json!({"0": 1999});
        let vm2 = Facts {
            pipeline: Some(pipeline),
            ..Facts::default()
        };
        let heard = [("vm2", vm2), ("vm4", spark)];
        let heard = heard.map(|(node, facts)| (node.to_owned(), Heard::Facts(Box::new(facts))));
        let now = "2026-11-21T10:00:07Z".parse().expect("timestamp");
        let report = Report::new(&topology, "0a", &heard.into(), &BTreeMap::new(), now);
        let text = report.text();
        let table = text.split("\n\n").find(|part| part.starts_with("stream "));
        table.expect("a table").to_owned()
    };
    let last = json!({"at": "2026-11-21T10:00:00Z", "records": 1020, "took_ms": 310});
    let state = json!({"markers": 20, "batches": 3, "read": {"0": 1500}, "last": last});
    let first = json!({"markers": 0, "batches": 0, "read": {}});
    insta::assert_snapshot!(format!("{}\n\n{}", said(&state), said(&first)));
}

#[test]
fn plain_text_is_said() {
    let said = |security: &str, distribution: &str| {
        let text = inventory::DEFAULT.replace(
            "cloud: local",
            &format!(
                "cloud: local\nsecurity: {security}\ncouchdb: {{ distribution: {distribution} }}"
            ),
        );
        let inventory = layout::parse(text.as_bytes(), "default").expect("inventory");
        let made = Topology::new(&inventory, &Options::default(), &Ids::default());
        let topology = made.expect("topology").0;
        let none = BTreeMap::new();
        let now = "2026-11-21T10:00:07Z".parse().expect("timestamp");
        let mut report = Report::new(&topology, "0a1b2c3d4e5f", &none, &BTreeMap::new(), now);
        report.set_plain_text(&topology, &Choices::default());
        (serde_json::to_value(&report).expect("json"), report.text())
    };
    let off = "note: security is off: all is plain text without a login";
    let stand_in = "note: vm3: PouchDB Server stands in for CouchDB and speaks plain text";
    for (security, distribution, words) in [
        ("on", "apache", None),
        ("on", "pouchdb", Some(stand_in)),
        ("off", "apache", Some(off)),
        ("off", "pouchdb", Some(off)),
    ] {
        let (json, text) = said(security, distribution);
        assert_eq!(json["security"], security);
        for note in [off, stand_in] {
            assert_eq!(text.contains(note), words == Some(note), "{text}");
        }
    }
}

/// Makes one thing wrong.
type Trouble = fn(&mut BTreeMap<String, Heard>);

#[test]
fn each_trouble_has_its_words() {
    let cases: [(&str, Trouble, &str); 21] = [
        (
            "dead node",
            |heard| {
                heard.insert("vm3".into(), Heard::Nothing("no answer within 3 s".into()));
            },
            "vm3: no answer within 3 s",
        ),
        (
            "failed unit",
            |heard| {
                unit(
                    facts_of(heard, "vm3"),
                    "utilization-couchdb.service",
                    "failed",
                );
            },
            "vm3: utilization-couchdb.service is failed; see `deployer logs vm3`",
        ),
        (
            "unfinished producer that does not run",
            |heard| {
                unit(
                    facts_of(heard, "vm1-1"),
                    "utilization-producer.service",
                    "inactive",
                );
            },
            "vm1-1: utilization-producer.service is stopped; see `deployer logs vm1-1`",
        ),
        (
            "producer without brokers",
            |heard| state(facts_of(heard, "vm1-1"), 60, 12, false),
            "vm1-1: 48 events of its producer wait for an acknowledgement by Kafka",
        ),
        (
            "broker away",
            |heard| {
                let pipeline = facts_of(heard, "vm2").pipeline.as_mut().expect("pipeline");
                pipeline["kafka"]["brokers"]
                    .as_array_mut()
                    .expect("brokers")
                    .pop();
            },
            "kafka: 1 of 2 brokers are alive",
        ),
        (
            "out of sync",
            |heard| {
                let pipeline = facts_of(heard, "vm2").pipeline.as_mut().expect("pipeline");
                pipeline["kafka"]["topics"][1]["partitions"][0]["isr"] = json!([1]);
            },
            "topic utilizations1: 1 partitions are not in sync on all replicas",
        ),
        (
            "dead letters",
            |heard| {
                let pipeline = facts_of(heard, "vm2").pipeline.as_mut().expect("pipeline");
                pipeline["couchdb"]["databases"][1]["dead_letters"] = json!(3);
            },
            "topic utilizations1: 3 dead letters in utilizations1-dead-letters; `deployer dead-letters` shows them, --put-away settles them",
        ),
        (
            "events that Kafka deleted unread",
            |heard| {
                let pipeline = facts_of(heard, "vm2").pipeline.as_mut().expect("pipeline");
                pipeline["couchdb"]["databases"][1]["lost_events"] = json!(3);
                pipeline["kafka"]["topics"][1]["deleted"] = json!(2);
            },
            "topic utilizations1: Kafka deleted 5 events before the consumer had read them: the topic's retention is shorter than it was behind, or a producer's clock is wrong",
        ),
        (
            "events that Kafka refused",
            |heard| {
                let file = "/var/lib/deployer/utilization/producer/state.json";
                let file = facts_of(heard, "vm1-1")
                    .files
                    .get_mut(file)
                    .expect("a file");
                let text = file.text.as_mut().expect("a text");
                *text = text.replace("\"run\"", "\"refused\":4,\"run\"");
            },
            "vm1-1: Kafka refused 4 events of its producer for good; they are in /var/lib/deployer/utilization/producer/refused.jsonl with the reasons; who has looked removes it",
        ),
        (
            "an agent that is not well",
            |heard| {
                let ill = "utilizations1: HTTP 404 not_found";
                figures(facts_of(heard, "vm2"), 9442, &consumer(0, 0, &[ill]));
            },
            "vm2: consumer: utilizations1: HTTP 404 not_found",
        ),
        (
            "another broker in the place of one of ours",
            |heard| kafka(heard, |kafka| kafka["brokers"][1]["id"] = json!(3)),
            "kafka: 1 of 2 brokers are alive",
        ),
        (
            "settings altered by hand",
            |heard| {
                kafka(heard, |kafka| {
                    kafka["topics"][1]["config"] = json!({"retention.ms": "1000"});
                });
            },
            "topic utilizations1: retention.ms 1000 → 604800000; `deployer up` sets it",
        ),
        (
            "copies altered by hand",
            |heard| {
                kafka(heard, |kafka| {
                    let partition = &mut kafka["topics"][1]["partitions"][0];
                    partition["replicas"] = json!([1]);
                    partition["isr"] = json!([1]);
                });
            },
            "topic utilizations1: 1 copy of each partition, not 2",
        ),
        (
            "copies on a broker that is gone",
            |heard| {
                kafka(heard, |kafka| {
                    kafka["other_topics"] = json!([{"name": "orders", "partitions":
                        [{"id": 0, "leader": 2, "replicas": [2, 7], "isr": [2]}]}]);
                });
            },
            "broker 7 is gone with copies of 1 partitions (orders); Kafka's own tools can give them another place",
        ),
        (
            "a database that was emptied by hand",
            |heard| {
                let pipeline = facts_of(heard, "vm2").pipeline.as_mut().expect("pipeline");
                pipeline["couchdb"]["databases"][1]["documents"] = json!(0);
                pipeline["couchdb"]["databases"][1]["newest"] = json!(null);
            },
            "topic utilizations1: 12 of 12 events were read and are no documents of utilizations1: \
             were they deleted? `deployer import` brings back what was exported",
        ),
        (
            "nobody answers for the pipeline",
            |heard| facts_of(heard, "vm2").pipeline = None,
            "topics and documents are not known: `/opt/deployer/utilization/bin/consumer inspect` on vm2 answered nothing; see `deployer logs vm2`",
        ),
        (
            "T9: a reason that names the node itself",
            |heard| {
                let why = "vm3: no answer from 10.0.0.1 within 3 s";
                heard.insert("vm3".into(), Heard::Nothing(why.into()));
            },
            "vm3: no answer from 10.0.0.1 within 3 s",
        ),
        (
            "T5: a password that CouchDB refuses",
            |heard| {
                let pipeline = facts_of(heard, "vm2").pipeline.as_mut().expect("pipeline");
                pipeline["couchdb"] = json!({"reachable": true, "error": "HTTP 401 unauthorized"});
            },
            "couchdb: HTTP 401 unauthorized",
        ),
        (
            "access rules",
            |heard| {
                let pipeline = facts_of(heard, "vm2").pipeline.as_mut().expect("pipeline");
                pipeline["couchdb"]["databases"][2]["access_kept"] = json!(false);
            },
            "database utilizations2: its access rules (_security) were changed; `deployer up` mends it",
        ),
        (
            "one database that lets nobody in",
            |heard| {
                let pipeline = facts_of(heard, "vm2").pipeline.as_mut().expect("pipeline");
                pipeline["couchdb"]["databases"][2] = json!({"name": "utilizations2", "topic": "utilizations2", "error": "HTTP 403 forbidden"});
            },
            "database utilizations2: HTTP 403 forbidden",
        ),
        (
            "T26: a full disk",
            |heard| {
                let disk = DiskFact {
                    mount: "/srv/kafka".into(),
                    free_mib: 0,
                    size_mib: 60,
                    no_inodes: false,
                };
                facts_of(heard, "vm3")
                    .disks
                    .insert("/srv/kafka/data".into(), disk);
            },
            "vm3: the disk at /srv/kafka is full: 0 of 60 MiB are free; free some space there",
        ),
    ];
    for (case, change, words) in cases {
        let report = report(change);
        assert!(!report.healthy, "{case}");
        let said_once = report.problems.len() == 1;
        assert!(said_once, "{case}: {:?}", report.problems);
        assert!(
            report.problems.iter().any(|problem| problem == words),
            "{case}: {:?}",
            report.problems
        );
    }
}

/// B3: the deployment is called like one of its roles, and its producer has finished.
#[test]
fn no_unit_is_taken_for_the_producer_by_its_name() {
    let text = inventory::DEFAULT.replacen("name: utilization", "name: producer-lab", 1);
    let inventory = layout::parse(text.as_bytes(), "default").expect("inventory");
    let made = Topology::new(&inventory, &Options::default(), &Ids::default());
    let topology = made.expect("topology").0;
    let mut facts = Facts::default();
    unit(&mut facts, "producer-lab-producer.service", "inactive");
    unit(&mut facts, "producer-lab-consumer.service", "inactive");
    state(&mut facts, 100, 100, true);
    let (_, state) = facts.files.pop_first().expect("its state");
    let path = "/var/lib/deployer/producer-lab/producer/state.json";
    facts.files.insert(path.into(), state);
    let heard = [("vm2".to_owned(), Heard::Facts(Box::new(facts)))].into();
    let now = "2026-11-21T10:00:07Z".parse().expect("timestamp");
    let report = Report::new(&topology, "0a1b2c3d4e5f", &heard, &BTreeMap::new(), now);
    let units: Vec<(&str, &str)> = report.nodes["vm2"]
        .units
        .iter()
        .map(|(unit, state)| (unit.as_str(), state.as_str()))
        .collect();
    assert_eq!(
        units,
        [
            ("producer-lab-consumer.service", "stopped"),
            ("producer-lab-producer.service", "finished"),
        ]
    );
}

/// T22: what was put away is shown and no problem.
#[test]
fn letters_that_were_put_away_are_no_problem() {
    let report = report(|heard| {
        let pipeline = facts_of(heard, "vm2").pipeline.as_mut().expect("pipeline");
        pipeline["couchdb"]["databases"][1]["put_away"] = json!(18);
    });
    assert!(report.healthy, "{:?}", report.problems);
    assert!(
        report.text().contains("18 dead letters were put away"),
        "{}",
        report.text()
    );
}

#[test]
fn agents_tell_their_figures_or_why_there_are_none() {
    let lines = |change: Trouble| {
        let report = report(change);
        assert!(report.healthy, "{:?}", report.problems);
        let text = report.text();
        let lines = text.lines().filter(|line| line.starts_with(' '));
        lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let busy = lines(|heard| {
        figures(facts_of(heard, "vm2"), 9442, &consumer(12, 7, &[]));
        let full = producer(48, 9_000_000, 2, &json!({"snapshots_missed": 3}));
        figures(facts_of(heard, "vm1-1"), 9441, &full);
    });
    assert_eq!(
        busy,
        [
            "producer: 2 events refused since its start, 3 snapshots missed, 48 events in its spool, 8 of 512 MiB",
            "consumer: lag 2, 12 dead letters since its start, 7 events lost since its start"
        ]
    );
    let silent = lines(|heard| {
        facts_of(heard, "vm1-1").figures.clear();
        let ports = &mut facts_of(heard, "vm2").ports;
        ports.insert(9442, "other-consumer.service".into());
    });
    assert_eq!(
        silent,
        [
            "producer: no figures (no answer on port 9441)",
            "consumer: no figures (port 9442 is taken by other-consumer.service; set `consumer.metrics_port`)"
        ]
    );
    let older = lines(|heard| {
        let answer = "HTTP/1.1 404 Not Found\n\nsee /metrics and /healthz\n".to_owned();
        facts_of(heard, "vm2").figures.insert(9442, answer);
    });
    assert_eq!(
        older,
        [
            "consumer: no figures (the agent is of an older version that does not tell them; `deployer up` replaces it)"
        ]
    );
    // One that does not run has none to miss.
    let stopped = report(|heard| {
        unit(
            facts_of(heard, "vm2"),
            "utilization-consumer.service",
            "failed",
        );
        facts_of(heard, "vm2").figures.clear();
    });
    assert!(!stopped.text().contains("no figures"));
}

#[test]
fn what_is_no_problem_is_noted() {
    let report = report(|heard| {
        kafka(heard, |kafka| {
            let brokers = kafka["brokers"].as_array_mut().expect("brokers");
            brokers.push(json!({"id": 3, "host": "vm4", "port": 9092}));
        });
        // A client and a broker that were left alone, and an old consumer that says nothing of settings.
        let mut left = Facts::default();
        unit(&mut left, "utilization-producer.service", "active");
        unit(&mut left, "utilization-kafka.service", "active");
        heard.insert("vm9".into(), Heard::Facts(Box::new(left)));
        let pipeline = facts_of(heard, "vm2").pipeline.as_mut().expect("pipeline");
        let half = &mut pipeline["couchdb"]["databases"][1];
        half["documents"] = json!(5);
        half["newest"] = json!("2026-11-21T09:00:00.000Z");
    });
    assert!(report.healthy, "{:?}", report.problems);
    assert_eq!(
        report.notes,
        [
            "vm9: no longer in the inventory, and its broker still serves",
            "vm9: no longer in the inventory, and its producer still sends; that is read until `deployer up --prune`",
            "topic utilizations1: 7 of 12 events were read and are no documents of utilizations1: \
             documents were deleted, or events are there twice"
        ]
    );
    let text = report.text();
    let brokers = "brokers    2 of 2 alive, and 3 that the inventory does not name";
    assert!(text.contains(brokers), "{text}");
    // A new broker of ours that holds nothing.
    let report = self::report(|heard| {
        kafka(heard, |kafka| {
            for topic in kafka["topics"].as_array_mut().expect("topics") {
                topic["partitions"][0]["replicas"] = json!([1, 1]);
                topic["partitions"][0]["isr"] = json!([1, 1]);
            }
        });
    });
    let note = "vm3: its broker has no partitions: topics that are there stay where they are, and only new ones use it";
    assert_eq!(report.notes, [note]);
}

#[test]
fn a_topic_that_left_the_inventory_is_shown_until_it_is_pruned() {
    let inventory = layout::parse(inventory::DEFAULT.as_bytes(), "default").expect("inventory");
    let ids = Ids {
        topics: ["utilizations1", "orders", "Utilizations2"]
            .map(str::to_owned)
            .into(),
        ..Ids::default()
    };
    let (topology, ids) = Topology::new(&inventory, &Options::default(), &ids).expect("a topology");
    assert_eq!(ids.topics.len(), 3);
    // A database that a new topic has taken over is not written to by an old one.
    let former: Vec<(&str, &str)> = topology
        .former
        .topics
        .iter()
        .map(|(topic, database)| (topic.as_str(), database.as_str()))
        .collect();
    assert_eq!(former, [("orders", "orders")]);
    let mut heard: BTreeMap<String, Heard> = facts()
        .into_iter()
        .map(|(node, facts)| (node, Heard::Facts(Box::new(facts))))
        .collect();
    kafka(&mut heard, |kafka| {
        let mut orders = kafka["topics"][1].clone();
        orders["name"] = json!("orders");
        kafka["topics"].as_array_mut().expect("topics").push(orders);
    });
    let now = "2026-11-21T10:00:07Z".parse().expect("timestamp");
    let report = Report::new(&topology, "0a1b2c3d4e5f", &heard, &BTreeMap::new(), now);
    assert!(report.healthy, "{:?}", report.problems);
    assert!(report.topics["orders"].former);
    assert!(report.text().contains("(orders) "), "{}", report.text());
}

/// The receipt knows of no lease that somebody prolonged elsewhere; machines that answer do.
#[test]
fn a_lease_is_not_over_while_its_machines_answer() {
    let now: jiff::Timestamp = "2026-11-21T10:00:07Z".parse().expect("timestamp");
    let end = now - jiff::SignedDuration::from_hours(1);
    let mut over = report(|_| {});
    over.set_lease_end(end, now, false);
    assert!(
        !over.healthy && over.problems[0].contains("unless somebody has prolonged it elsewhere")
    );
    let mut answered = report(|_| {});
    answered.set_lease_end(end, now, true);
    assert!(answered.healthy, "{:?}", answered.problems);
    let words = answered.lease.expect("words");
    assert!(words.contains("still answer"), "{words}");
    assert_eq!(answered.expires, None);
}

#[test]
fn where_documents_are_replaced_fewer_than_events_are_no_news() {
    let mut topology = topology();
    let topic = topology.topics.get_mut("utilizations1").expect("a topic");
    topic.replaced = true;
    let report = report_of(&topology, |heard| {
        let pipeline = facts_of(heard, "vm2").pipeline.as_mut().expect("pipeline");
        pipeline["couchdb"]["databases"][1]["documents"] = json!(5);
    });
    assert_eq!(report.notes, [""; 0]);
}
