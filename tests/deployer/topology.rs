//! From an inventory's text to a topology.

use std::collections::BTreeMap;

use deployer::component::producer::{Client, Source};
use deployer::component::{consumer, couchdb, kafka, zookeeper};
use deployer::inventory::{self, CloudName, Problems};
use deployer::layout;
use deployer::machine::{Access, SshAccess};
use deployer::receipt::Choices;
use deployer::topology::{CANARY_TOPIC, Ids, Options, Topology};

fn topology(text: &str, options: &Options, ids: &Ids) -> Result<(Topology, Ids), Problems> {
    let inventory = layout::parse(text.as_bytes(), "inventory/test.yaml")?;
    Topology::new(&inventory, options, ids)
}

fn simple(text: &str) -> (Topology, Ids) {
    topology(text, &Options::default(), &Ids::default()).expect("a good inventory")
}

fn client_of<'a>(topology: &'a Topology, node: &str) -> &'a Client {
    topology.nodes[node].sections.get()
}

fn map(pairs: &[(&str, u32)]) -> BTreeMap<String, u32> {
    pairs
        .iter()
        .map(|(name, id)| ((*name).to_owned(), *id))
        .collect()
}

#[test]
fn the_default_inventory_is_the_utilization_pipeline() {
    let (topology, ids) = simple(inventory::DEFAULT);
    insta::assert_snapshot!(serde_json::to_string_pretty(&topology).expect("json"));
    assert_eq!(*ids.of("kafka"), map(&[("vm2", 1), ("vm3", 2)]));
    assert_eq!(*ids.of("producer"), map(&[("vm1-1", 1), ("vm1-2", 2)]));
    assert_eq!(
        zookeeper::connect(&topology).as_deref(),
        Some("vm2.utilization.internal:2181")
    );
    assert_eq!(
        kafka::bootstrap(&topology),
        "vm2.utilization.internal:9092,vm3.utilization.internal:9092"
    );
    assert_eq!(
        couchdb::url(&topology, &Choices::default()).as_deref(),
        Some("https://vm3.utilization.internal:6984")
    );
}

#[test]
fn options_override_name_and_cloud_but_not_a_nodes_own_cloud() {
    let text = "
name: mixed
nodes:
  laptop: { roles: [producer], cloud: existing }
  vm: { roles: [zookeeper, kafka] }
kafka: { replication: 1 }
clouds:
  existing:
    hosts:
      laptop: { address: self, private_address: 192.168.1.7, public_address: 198.51.100.7 }
      vm: { address: 192.0.2.2, user: ubuntu, port: 2222, key: ~/.ssh/id, jump: gate }
      gate: { address: gate.example.org }
";
    // The gate carries no node, so it must be named by the user's own configuration.
    let problems = topology(text, &Options::default(), &Ids::default()).expect_err("no such node");
    assert_eq!(
        problems.to_string(),
        "inventory/test.yaml:12:7: clouds.existing.hosts.gate: no node is called so; a node with a count is called `NAME-1`, `NAME-2` …"
    );
    let text = text.replace("      gate: { address: gate.example.org }\n", "");
    let text = text.replace(", jump: gate", "");
    let (topology, _) = simple(&text);
    assert_eq!(topology.nodes["vm"].cloud, CloudName::LOCAL);
    assert_eq!(topology.nodes["vm"].access, None);
    assert_eq!(topology.nodes["vm"].memory_mib, 2048);
    let laptop = &topology.nodes["laptop"];
    assert_eq!(laptop.cloud, CloudName::EXISTING);
    assert_eq!(laptop.access, Some(Access::Here));
    assert_eq!(laptop.memory_mib, 0);
    assert_eq!(laptop.private_address, "192.168.1.7".parse().ok());
    assert_eq!(laptop.public_address, "198.51.100.7".parse().ok());

    let options = Options {
        cloud: Some(CloudName::EXISTING),
        name: Some("other".into()),
    };
    let (topology, _) = self::topology(&text, &options, &Ids::default()).expect("good");
    assert_eq!(topology.name, "other");
    assert_eq!(topology.cloud, CloudName::EXISTING);
    assert_eq!(
        topology.nodes["vm"].access,
        Some(Access::Ssh(SshAccess {
            address: "192.0.2.2".into(),
            user: Some("ubuntu".into()),
            port: Some(2222),
            key: Some("~/.ssh/id".into()),
            host_key: None,
            jump: None,
        }))
    );
}

#[test]
fn ids_are_given_in_natural_order_and_kept() {
    let text = |count: u32| {
        format!(
            "{{name: t, nodes: {{a: {{count: {count}, roles: [producer]}}, b: {{roles: [zookeeper, kafka]}}}}, kafka: {{replication: 1}}}}"
        )
    };
    let (_, ids) = simple(&text(11));
    assert_eq!(ids.of("producer")["a-2"], 2);
    assert_eq!(ids.of("producer")["a-10"], 10);
    assert_eq!(ids.of("producer")["a-11"], 11);

    let given = Ids {
        numbers: [
            ("kafka".to_owned(), map(&[("b", 7)])),
            ("producer".to_owned(), map(&[("a-2", 1), ("gone", 3)])),
        ]
        .into(),
        ..Ids::default()
    };
    let (topology, ids) = topology(&text(3), &Options::default(), &given).expect("good");
    assert_eq!(*ids.of("kafka"), map(&[("b", 7)]));
    // A node that is gone keeps its number: its topic is still there.
    assert_eq!(
        *ids.of("producer"),
        map(&[("a-1", 2), ("a-2", 1), ("a-3", 4), ("gone", 3)])
    );
    assert_eq!(topology.nodes["b"].number(kafka::NAME), Some(7));
    let client = client_of(&topology, "a-3");
    assert_eq!(
        (
            topology.nodes["a-3"].number("producer"),
            client.topic.as_str()
        ),
        (Some(4), "utilizations4")
    );
    let (again, same) = self::topology(&text(3), &Options::default(), &ids).expect("good");
    assert_eq!((again, same), (topology, ids));
}

#[test]
fn what_was_replaced_is_so_until_it_is_pruned() {
    let set = |topics: &[&str]| topics.iter().map(|topic| (*topic).to_owned()).collect();
    let text = "{name: t, nodes: {a: {roles: [zookeeper, kafka, consumer, couchdb]}}, kafka: {replication: 1},
        topics: {extra: {orders: {}}}, sinks: {orders: {from: orders, couchdb: {}}}}";
    let given = Ids {
        topics: set(&["orders", "totals", "seen"]),
        replaced: set(&["orders", "totals", "pruned"]),
        ..Ids::default()
    };
    let (topology, _) = topology(text, &Options::default(), &given).expect("good");
    // One that the inventory names is as that says.
    assert_eq!(topology.former.replaced, set(&["totals"]));
}

/// T37: a count that comes or goes renames a client; its number and its topic do not wander.
#[test]
fn a_count_that_comes_or_goes_keeps_clients_numbers_and_topics() {
    let broker = "b: {roles: [zookeeper, kafka]}";
    let mut ids = Ids::default();
    let steps = [
        (
            "vm1: {count: 2, roles: [producer]}, z: {roles: [producer]}",
            "vm1-1=1 vm1-2=2 z=3",
        ),
        (
            "vm1: {roles: [producer]}, z: {roles: [producer]}",
            "vm1=1 z=3",
        ),
        (
            "vm1: {count: 3, roles: [producer]}, z: {roles: [producer]}",
            "vm1-1=1 vm1-2=2 vm1-3=4 z=3",
        ),
        ("vm1: {count: 1, roles: [producer]}", "vm1-1=1"),
        (
            "vm1: {roles: [producer]}, z: {count: 2, roles: [producer]}",
            "vm1=1 z-1=3 z-2=5",
        ),
        // Both are there: neither is the other under a new name.
        (
            "vm1: {roles: [producer]}, vm1-1: {roles: [producer]}",
            "vm1=1 vm1-1=6",
        ),
    ];
    for (nodes, expected) in steps {
        let text = format!("{{name: x, nodes: {{{nodes}, {broker}}}, kafka: {{replication: 1}}}}");
        let (topology, next) = self::topology(&text, &Options::default(), &ids).expect("good");
        ids = next;
        let numbers: Vec<String> = topology
            .nodes
            .values()
            .filter_map(|node| Some(format!("{}={}", node.name, node.number("producer")?)))
            .collect();
        assert_eq!(numbers.join(" "), expected);
        for node in topology.nodes.values() {
            if let Some(number) = node.number("producer") {
                let client = client_of(&topology, &node.name);
                assert_eq!(client.topic, format!("utilizations{number}"));
            }
        }
    }
    // A broker's id is in its data, and the old one may still run.
    let with = |nodes: &str| format!("{{name: x, nodes: {{z: {{roles: [zookeeper]}}, {nodes}}}}}");
    let (_, ids) = simple(&with("k: {count: 2, roles: [kafka]}"));
    let text = with("k: {roles: [kafka]}, k-2: {roles: [kafka]}");
    let (_, ids) = topology(&text, &Options::default(), &ids).expect("good");
    assert_eq!(*ids.of("kafka"), map(&[("k", 3), ("k-1", 1), ("k-2", 2)]));
}

#[test]
fn topics_come_from_producers_and_from_the_file() {
    let (topology, _) = simple(
        "
name: t
nodes:
  a: { roles: [producer], producer: { topic: 'Load.{client}', source: stdin, count: 0, interval: 250ms, raw: true } }
  b: { roles: [producer] }
  k: { count: 2, roles: [kafka] }
  z: { roles: [zookeeper] }
topics:
  partitions: 3
  retention: 12h
  settings: { max.message.bytes: 2000000, cleanup.policy: delete }
  extra:
    orders:
    2024-totals: { partitions: 1, retention: 90d, settings: { cleanup.policy: compact } }
",
    );
    let client = client_of(&topology, "a");
    assert_eq!(client.source, Source::Stdin);
    assert_eq!(
        (client.count, client.interval_ms, client.raw),
        (0, None, true)
    );
    let client = client_of(&topology, "b");
    assert_eq!((client.count, client.interval_ms), (100, Some(1000)));
    let shown: Vec<String> = topology
        .topics
        .values()
        .map(|topic| {
            format!(
                "{} → {}: {} × {}, {:?}{}",
                topic.name,
                topic.database,
                topic.partitions,
                topic.replication,
                topic.config,
                if topic.canary { ", canaries" } else { "" }
            )
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
    assert!(topology.topics[CANARY_TOPIC].canary);
}

#[test]
fn several_producers_write_to_a_topic_that_the_inventory_names_itself() {
    let text = "{ name: x, nodes: { vm1: { count: 2, roles: [producer] }, vm2: { roles: [zookeeper, kafka] } }, \
        kafka: { replication: 1 }, producer: { topic: trucks }, topics: { extra: { trucks: { partitions: 2 } } } }";
    let (shared, _) = simple(text);
    let names: Vec<&String> = shared.topics.keys().collect();
    assert_eq!(names, [CANARY_TOPIC, "trucks"]);
    assert_eq!(shared.topics["trucks"].partitions, 2);
    for node in ["vm1-1", "vm1-2"] {
        assert_eq!(client_of(&shared, node).topic, "trucks");
    }
    let refused = |text: &str| {
        let refused = topology(text, &Options::default(), &Ids::default());
        refused.expect_err(text).to_string()
    };
    let unnamed = refused(&text.replace("extra: { trucks: ", "extra: { orders: "));
    let words = "producer.topic: `trucks`, the topic of vm1-2, is the topic of vm1-1 already; put `{number}` or `{client}` into the name, or name it in `topics.extra`, too";
    assert!(unnamed.contains(words), "{unnamed}");
    let stream = "streams: { s: { from: orders, sql: \"SELECT 1 AS key, 2 AS value FROM orders\", to: trucks } }, topics:";
    let both = text
        .replace("extra: {", "extra: { orders: {},")
        .replace("topics:", stream);
    let both = refused(&both);
    let words = "streams.s.to: `trucks`, of the stream s, is the topic of vm1-1 already";
    assert!(both.contains(words), "{both}");
}

#[test]
fn nodes_without_roles_and_pipelines_without_agents_are_fine() {
    let (topology, _) = simple("{name: plain, nodes: {vm1: , vm2: {count: 1}}}");
    assert_eq!(topology.nodes.keys().collect::<Vec<_>>(), ["vm1", "vm2-1"]);
    assert!(topology.topics.is_empty());
    let (topology, _) = simple(
        "{name: bare, nodes: {vm1: {roles: [zookeeper, kafka, couchdb]}}, kafka: {replication: 1}}",
    );
    assert_eq!(topology.nodes_with(consumer::NAME).count(), 0);
    assert_eq!(topology.topics.keys().collect::<Vec<_>>(), [CANARY_TOPIC]);
}

#[test]
fn what_the_default_nodes_need_fits_a_small_machine() {
    let small = "name: small\nclouds: { local: { memory_mib: 256 } }\nnodes:\n  vm1: { roles: [producer] }\n\
                 \x20 vm2: { roles: [zookeeper, kafka, consumer] }\n  vm3: { roles: [kafka, couchdb] }\n";
    let problems = topology(small, &Options::default(), &Ids::default()).expect_err("too small");
    let problems = problems.to_string();
    for needed in [288, 1376, 1280] {
        let words = format!("needs {needed} MiB of memory (system 256, ");
        assert!(problems.contains(&words), "{problems}");
    }
}

#[test]
fn topics_go_where_sinks_say_and_to_couchdb_where_none_does() {
    let text = "name: t
nodes:
  vm1: { roles: [producer] }
  vm2: { roles: [zookeeper, kafka, consumer, couchdb] }
kafka: { replication: 1 }
topics: { extra: { orders: , loads: } }
";
    let (topology, _) = simple(text);
    assert!(topology.sinks.is_empty() && topology.topics.values().all(|topic| topic.documented));
    let sinks = "sinks:
  documents: { from: orders, couchdb: {} }
  lines: { from: orders, files: {} }
  table: { from: loads, files: { format: csv, columns: [_id, event.n], roll_mib: 1 } }
";
    let (topology, _) = simple(&format!("{text}{sinks}"));
    let documented = topology.topics.values().filter(|topic| topic.documented);
    let documented: Vec<&str> = documented.map(|topic| topic.name.as_str()).collect();
    assert_eq!(documented, ["deployer-canaries", "orders"]);
    assert!(topology.topics.values().all(|topic| !topic.replaced));
    let replacing = sinks.replace("couchdb: {}", "couchdb: { replace: true }");
    let (replaced, _) = simple(&format!("{text}{replacing}"));
    let replaced = replaced.topics.values().filter(|topic| topic.replaced);
    let replaced: Vec<&str> = replaced.map(|topic| topic.name.as_str()).collect();
    assert_eq!(replaced, ["orders"]);
    let names: Vec<&String> = topology.sinks.keys().collect();
    assert_eq!(names, ["lines", "table"]);
    assert_eq!(topology.sinks["table"].from, "loads");
    for (wrong, said) in [
        (
            "x: { from: order, couchdb: {} }",
            "sinks.x.from: `order` is no topic",
        ),
        ("x: { from: orders }", "sinks.x: must be of one kind"),
        (
            "x: { from: orders, couchdb: {}, files: {} }",
            "sinks.x: must be of one kind",
        ),
        (
            "x: { from: orders, couchdb: {} }\n  y: { from: orders, couchdb: {} }",
            "sinks.y.couchdb: `orders` goes to CouchDB already",
        ),
        (
            "x: { from: orders, files: { format: csv } }",
            "sinks.x.files.format: `csv` needs the columns",
        ),
        (
            "x: { from: orders, files: { columns: [a] } }",
            "sinks.x.files.columns: are of `csv` alone",
        ),
    ] {
        let text = format!("{text}sinks:\n  {wrong}\n");
        let problems = self::topology(&text, &Options::default(), &Ids::default());
        let problems = problems.expect_err(wrong).to_string();
        assert!(problems.contains(said), "{problems}");
    }
    // Files need no CouchDB.
    let text = format!("{text}sinks: {{ lines: {{ from: orders, files: {{}} }} }}\n");
    simple(&text.replace(", couchdb]", "]"));
}

#[test]
fn a_file_is_a_source_where_it_is_named_and_a_service_can_see_it() {
    let text = |producer: &str| {
        format!(
            "{{name: t, nodes: {{vm1: {{roles: [producer, zookeeper, kafka]}}}}, kafka: {{replication: 1}}, producer: {{{producer}}}}}"
        )
    };
    let (topology, _) = simple(&text("source: file, path: /var/log/syslog, count: 0"));
    let client = client_of(&topology, "vm1");
    let file = client.file.as_ref().expect("a file");
    assert_eq!(
        (file.path.as_str(), file.group.as_str()),
        ("/var/log/syslog", "adm")
    );
    let (topology, _) = simple(&text("source: top, path: /var/log/syslog"));
    assert_eq!(client_of(&topology, "vm1").file, None);
    for (producer, said) in [
        (
            "source: file",
            "producer.source: is `file`, and no file is named",
        ),
        (
            "source: file, path: log",
            "producer.path: `log` is not the absolute path",
        ),
        (
            "source: file, path: /var/log/",
            "producer.path: `/var/log/` is not the absolute path",
        ),
    ] {
        let problems = self::topology(&text(producer), &Options::default(), &Ids::default());
        let problems = problems.expect_err(producer).to_string();
        assert!(problems.contains(said), "{problems}");
    }
}

#[test]
fn made_up_events_have_a_seed_a_pace_and_a_schedule() {
    let (topology, _) = simple(
        "
name: t
nodes:
  a: { roles: [producer], producer: { source: trucks, interval: 0s } }
  b: { roles: [producer], producer: { source: top, schedule: '0 6 * * *' } }
  c: { roles: [producer] }
  k: { count: 2, roles: [kafka] }
  z: { roles: [zookeeper] }
producer: { source: logs, seed: 192837465, schedule: '0,20,40 * * * *' }
",
    );
    let shown = ["a", "b", "c"].map(|name| {
        let client = client_of(&topology, name);
        let schedule = client.schedule.as_deref().unwrap_or_default();
        (client.interval_ms, client.seed, schedule)
    });
    let (seed, often) = (Some(192_837_465), "0,20,40 * * * *");
    assert_eq!(
        shown,
        [
            (Some(0), seed, often),
            (Some(1000), None, "0 6 * * *"),
            (None, seed, often),
        ]
    );
}
