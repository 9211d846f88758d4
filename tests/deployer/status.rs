//! The report of `status`: judged from what nodes said.

use std::collections::BTreeMap;

use deployer::commands::status_report::{Heard, Report};
use deployer::facts::{Facts, FileFact, UnitFact};
use deployer::inventory;
use deployer::topology::{Ids, Options, Topology};
use serde_json::json;

fn topology() -> Topology {
    let inventory = inventory::parse(inventory::DEFAULT.as_bytes(), "default").expect("inventory");
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
    change("vm1-1", &|facts| state(facts, 12, 12, false));
    change("vm1-2", &|facts| {
        state(facts, 100, 100, true);
        unit(facts, "utilization-producer.service", "inactive");
    });
    all
}

fn report(change: impl FnOnce(&mut BTreeMap<String, Heard>)) -> Report {
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
    Report::new(&topology(), "0a1b2c3d4e5f", &heard, &addresses, now)
}

fn facts_of<'a>(heard: &'a mut BTreeMap<String, Heard>, node: &str) -> &'a mut Facts {
    match heard.get_mut(node) {
        Some(Heard::Facts(facts)) => facts,
        _ => panic!("{node} has said nothing"),
    }
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

/// Makes one thing wrong.
type Trouble = fn(&mut BTreeMap<String, Heard>);

#[test]
fn each_trouble_has_its_words() {
    let cases: [(&str, Trouble, &str); 8] = [
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
            "topic utilizations1: 3 dead letters in utilizations1-dead-letters",
        ),
        (
            "nobody answers for the pipeline",
            |heard| facts_of(heard, "vm2").pipeline = None,
            "topics and documents are not known: the node that answers for them did not",
        ),
    ];
    for (case, change, words) in cases {
        let report = report(change);
        assert!(!report.healthy, "{case}");
        assert!(
            report.problems.iter().any(|problem| problem == words),
            "{case}: {:?}",
            report.problems
        );
    }
}
