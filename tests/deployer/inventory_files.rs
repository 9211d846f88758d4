//! The inventories that come with the deployer, and what a good file may look like.

use deployer::component::consumer::ConsumerSection;
use deployer::component::couchdb::CouchdbSection;
use deployer::component::kafka::{KafkaSection, TopicsSection};
use deployer::component::producer::ProducerSection;
use deployer::component::zookeeper::ZookeeperSection;
use deployer::inventory::{BUILT_IN, CloudName, Inventory};
use deployer::layout;
use deployer::topology::{Ids, Options, Topology};
use serde_json::Value;

const MINIMAL: &str = include_str!("../../inventory/minimal.yaml");

fn good(text: &str) -> Inventory {
    layout::parse(text.as_bytes(), "test.yaml").unwrap_or_else(|problems| panic!("{problems}"))
}

fn fits(inventory: &Inventory) {
    Topology::new(inventory, &Options::default(), &Ids::default())
        .unwrap_or_else(|problems| panic!("{problems}"));
}

/// Takes the `#` away that stands before a key.
fn switched_on(text: &str) -> String {
    text.lines()
        .map(|line| {
            let body = line.trim_start();
            let indentation = &line[..line.len() - body.len()];
            match body.strip_prefix('#') {
                Some(key) if key.starts_with(|first: char| first.is_ascii_alphabetic()) => {
                    format!("{indentation}{key}\n")
                }
                _ => format!("{line}\n"),
            }
        })
        .collect()
}

/// Collects the names of all keys that a schema knows.
fn keys(schema: &Value, found: &mut Vec<String>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, below) in properties {
            found.push(name.clone());
            keys(below, found);
        }
    }
    if let Some(below) = schema.get("additionalProperties") {
        keys(below, found);
    }
}

#[test]
fn the_minimal_inventory_is_good_as_it_is_and_with_every_key_switched_on() {
    fits(&good(MINIMAL));
    let full = switched_on(MINIMAL);
    fits(&good(&full));
    let mut known = Vec::new();
    keys(&layout::schema(), &mut known);
    assert!(known.len() > 50, "{known:?}");
    for key in known {
        assert!(
            full.contains(&format!("{key}:")),
            "minimal.yaml lacks `{key}`"
        );
    }
}

#[test]
fn those_that_are_built_in_are_good_and_called_as_they_are_asked_for() {
    for (name, text) in BUILT_IN {
        let inventory = good(text);
        assert_eq!(inventory.name, name);
        fits(&inventory);
    }
}

#[test]
fn the_minimal_inventory_shows_the_defaults() {
    let shown = good(&switched_on(MINIMAL));
    let bare = good("{name: x, nodes: {vm1: }}");
    assert_eq!(shown.cloud, bare.cloud);
    let zookeeper = |inventory: &Inventory| inventory.sections.get::<ZookeeperSection>().clone();
    assert_eq!(zookeeper(&shown), zookeeper(&bare));
    let producer = |inventory: &Inventory| inventory.sections.get::<ProducerSection>().clone();
    assert_eq!(producer(&shown), producer(&bare));
    let consumer = |inventory: &Inventory| inventory.sections.get::<ConsumerSection>().clone();
    assert_eq!(consumer(&shown), consumer(&bare));
    let topics = |inventory: &Inventory| inventory.sections.get::<TopicsSection>().clone();
    assert_eq!(topics(&shown).partitions, topics(&bare).partitions);
    assert_eq!(topics(&shown).retention, topics(&bare).retention);
    let couchdb = |inventory: &Inventory| inventory.sections.get::<CouchdbSection>().port;
    assert_eq!(couchdb(&shown), couchdb(&bare));
    assert_eq!(shown.clouds.local.network, bare.clouds.local.network);
    assert_eq!(shown.clouds.local.memory_mib, bare.clouds.local.memory_mib);
    assert_eq!(
        shown.clouds.local.quick_start,
        bare.clouds.local.quick_start
    );
    let bare: &KafkaSection = bare.sections.get();
    let mut kafka = shown.sections.get::<KafkaSection>().clone();
    kafka.replication = bare.replication;
    kafka.mirror = None;
    kafka.settings.clear();
    assert_eq!(kafka, *bare);
}

#[test]
fn every_key_of_the_schema_is_described() {
    fn check(name: &str, schema: &Value) {
        assert!(
            schema.get("description").is_some(),
            "{name} is not described"
        );
        for (key, below) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            check(&format!("{name}.{key}"), below);
        }
        if let Some(below) = schema
            .get("additionalProperties")
            .filter(|below| below.get("properties").is_some())
        {
            check(&format!("{name}.*"), below);
        }
    }
    check("", &layout::schema());
}

#[test]
fn keys_with_nothing_after_them_are_as_good_as_none() {
    let inventory =
        good("name: x\ncloud:\nnodes:\n  vm1:\nkafka:\n  port:\nclouds:\n  existing:\n");
    assert_eq!(inventory.cloud, CloudName::LOCAL);
    assert_eq!(inventory.sections.get::<KafkaSection>().port, 9092);
    assert!(inventory.nodes["vm1"].roles.is_empty());
}

#[test]
fn settings_may_be_texts_numbers_and_true_or_false() {
    let inventory = good(
        "{name: 2b, nodes: {vm1: }, kafka: {settings: {a: 1, b: 0.5, c: true, d: on, e: '007', f: -1}}}"
            .replace("2b", "b2")
            .as_str(),
    );
    let kafka: &KafkaSection = inventory.sections.get();
    let values: Vec<String> = kafka
        .settings
        .values()
        .map(|value| value.0.clone())
        .collect();
    assert_eq!(values, ["1", "0.5", "true", "on", "007", "-1"]);
}

#[test]
fn anchors_may_be_used() {
    let inventory = good("name: x\nnodes:\n  a: &node { memory_mib: 512 }\n  b: *node\n");
    assert_eq!(inventory.nodes["b"], inventory.nodes["a"]);
}

#[test]
fn hosts_may_wait_for_a_higher_count() {
    fits(&good(
        "{name: x, cloud: existing, nodes: {vm1: {count: 1}}, clouds: {existing: {hosts: {vm1-1: {address: a}, vm1-2: {address: b}}}}}",
    ));
}

#[test]
fn jumps_lead_through_other_hosts() {
    fits(&good(
        "{name: x, cloud: existing, nodes: {a: , b: , c: }, clouds: {existing: {hosts: {a: {address: 192.0.2.1}, b: {address: h, jump: a}, c: {address: h, port: 2222, jump: b}}}}}",
    ));
}
