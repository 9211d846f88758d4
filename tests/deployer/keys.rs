//! What becomes of each key of an inventory that is changed after the first `up`: one row of `tests/fixtures/keys.tsv` for each key that
//! the schema has, and each row is tried on the product's own components and plan, in a world in memory.

use std::collections::{BTreeMap, BTreeSet};

use deployer::component::couchdb::{CouchdbSection, Distribution};
use deployer::component::repository_key::of_makers;
use deployer::component::{self, Artifact, Context, couchdb, kafka};
use deployer::inventory::Inventory;
use deployer::layout::{self, Made};
use deployer::machine::{self, Machine};
use deployer::plan::{self, Desired, Plan, Situation};
use deployer::receipt::{Choices, MachineRecord, Receipt, Secrets};
use deployer::signing_key::SigningKey;
use deployer::topology::{CloudName, Ids, Options, Topology};
use serde_json::{Value, json};

use crate::fake::FakeWorld;

const ROWS: &str = include_str!("../fixtures/keys.tsv");

struct Row {
    key: &'static str,
    fate: &'static str,
    at: &'static str,
    before: Option<Value>,
    after: Value,
    told: &'static str,
}

fn rows() -> Vec<Row> {
    let lines = ROWS.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let [key, fate, at, before, after, told] = cells[..] else {
                panic!("six cells: {line}");
            };
            let value = |text: &str| -> Value {
                serde_json::from_str(text).unwrap_or_else(|error| panic!("{line}: {error}"))
            };
            Row {
                key,
                fate,
                at: if at == "-" { key } else { at },
                before: (before != "-").then(|| value(before)),
                after: value(after),
                told,
            }
        })
        .collect()
}

/// The keys of a schema that are no mappings of keys themselves; `*` stands for any name.
fn keys(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    let mut leaf = true;
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        leaf = false;
        keys(schema, &below(name), found);
    }
    if schema["additionalProperties"].is_object() {
        leaf = false;
        keys(&schema["additionalProperties"], &below("*"), found);
    }
    if leaf {
        found.insert(path.to_owned());
    }
}

#[test]
fn each_key_of_the_schema_has_exactly_one_row() {
    let mut known = BTreeSet::new();
    keys(&layout::schema(), "", &mut known);
    let mut rows: Vec<String> = rows().iter().map(|row| row.key.to_owned()).collect();
    rows.sort();
    let known: Vec<String> = known.into_iter().collect();
    assert_eq!(rows, known);
}

/// The inventory of a row: a small pipeline in the row's cloud, with one key set.
fn text(row: &Row, value: Option<&Value>) -> String {
    let cloud = ["existing", "aws", "chameleon"]
        .into_iter()
        .find(|cloud| row.key.starts_with(&format!("clouds.{cloud}.")))
        .unwrap_or("local");
    let mut hosts = serde_json::Map::new();
    if cloud == "existing" {
        for (index, node) in ["vm1-1", "vm2", "vm3"].into_iter().enumerate() {
            let address = format!("10.9.0.{}", index + 1);
            hosts.insert(
                node.into(),
                json!({"address": address, "private_address": address}),
            );
        }
    }
    let mut text = json!({
        "name": "x",
        "cloud": cloud,
        "nodes": {
            "vm1": {"count": 1, "roles": ["producer"]},
            "vm2": {"roles": ["zookeeper", "kafka", "consumer"]},
            "vm3": {"roles": ["kafka", "couchdb"]},
        },
        "kafka": {},
        "topics": {"extra": {"orders": {}}},
        "couchdb": {"distribution": "archive", "archive": "/a.tar.gz"},
        "clouds": {"existing": {"hosts": hosts}},
    });
    if let Some(value) = value {
        let mut at = &mut text;
        // Names of settings hold points, so that settings are set whole.
        for part in row.at.split('.') {
            if !at[part].is_object() && !at.as_object().is_some_and(|at| at.contains_key(part)) {
                at[part] = json!({});
            }
            at = &mut at[part];
        }
        *at = value.clone();
    }
    let alerts = ["alerts.", "mail."];
    let is_of = |keys: &[&str]| keys.iter().any(|key| row.key.starts_with(key));
    if is_of(&alerts) {
        let keys = text.as_object_mut().expect("keys");
        let alert = json!({"stream": "s", "when": {"key": 1}, "report": "value", "to": ["a@b.test"], "subject": "x"});
        keys.entry("alerts").or_insert_with(|| json!({"a": alert}));
        let mail = keys.entry("mail").or_insert_with(|| json!({}));
        let mail = mail.as_object_mut().expect("mail");
        mail.entry("relay").or_insert_with(|| json!("a.test"));
        mail.entry("from").or_insert_with(|| json!("x@b.test"));
    }
    if is_of(&alerts) || is_of(&["spark.", "streams."]) {
        text["nodes"]["vm4"] = json!({"roles": ["spark"]});
        if row.key == "spark.port" {
            text["nodes"]["vm5"] = json!({"roles": ["spark"]});
        }
        let streams = text.as_object_mut().expect("keys").entry("streams");
        let stream = json!({"from": "orders", "sql": "SELECT 1 AS key, 2 AS value FROM orders", "to": "counts"});
        let mut other = stream.clone();
        other["to"] = json!("others");
        streams.or_insert_with(|| json!({"s": stream, "t": other}));
    }
    if ["mariadb.", "sinks.*.mariadb."]
        .iter()
        .any(|key| row.key.starts_with(key))
    {
        text["nodes"]["vm4"] = json!({"roles": ["mariadb"]});
    }
    let packaged = row.key.starts_with("couchdb.repository");
    if row.key == "couchdb.distribution" || packaged {
        let couchdb = text["couchdb"].as_object_mut().expect("couchdb");
        if row.key == "couchdb.repository_key" {
            couchdb.insert("repository".into(), json!("http://a.test/x"));
        }
        if packaged || couchdb["distribution"] != "archive" {
            couchdb.insert("distribution".into(), json!("apache"));
            couchdb.remove("archive");
        }
    }
    text.to_string()
}

fn read(text: &str) -> Result<Inventory, String> {
    layout::parse(text.as_bytes(), "x.yaml").map_err(|problems| problems.to_string())
}

fn distribution(chosen: &str) -> Choices {
    let mut choices = Choices::default();
    choices.set(
        couchdb::NAME,
        component::distributions::DISTRIBUTION,
        Some(chosen),
    );
    choices
}

/// A deployment of the product's own components, in memory.
struct World {
    world: FakeWorld,
    receipt: Receipt,
}

impl World {
    fn new() -> Self {
        Self {
            world: FakeWorld::new([]),
            receipt: Receipt {
                choices: distribution("archive"),
                ..Receipt::bare("0123456789ab", "x", "local")
            },
        }
    }

    /// The topology, with the receipt's numbers; what is new gets a machine and an epoch.
    fn topology(&mut self, inventory: &Inventory) -> Result<Topology, String> {
        let ids = Ids {
            numbers: self.receipt.numbers.clone(),
            topics: self.receipt.read_topics(kafka::NAME),
            ..Ids::default()
        };
        let (topology, ids) = Topology::new(inventory, &Options::default(), &ids)
            .map_err(|problems| problems.to_string())?;
        self.receipt.numbers = ids.numbers;
        let epochs = self.receipt.epochs.entry(kafka::NAME.into()).or_default();
        for topic in topology.topics.keys() {
            let epoch = epochs.entry(topic.clone());
            epoch.or_insert_with(|| "1a2b3c4d".into());
        }
        for node in topology.nodes.keys() {
            if self.world.facts(node).system.os.is_empty() {
                self.world.add(node);
            }
        }
        Ok(topology)
    }

    /// What should be, as `up` puts it together.
    fn desired(&self, topology: &Topology) -> Desired {
        let artifact = |key: &str, identity: String| {
            let artifact = Artifact {
                identity,
                sha256: Some("11".repeat(32)),
                download: None,
            };
            (key.to_owned(), artifact)
        };
        let archive = format!("couchdb {:?}", couchdb::section(topology).archive);
        let own = component::ALL.iter().flat_map(|one| one.parcels(topology));
        let own = own.map(|parcel| artifact(&parcel.key, format!("{:?}", parcel.files)));
        let mut artifacts: BTreeMap<_, _> = own.collect();
        artifacts.extend([
            artifact(kafka::NAME, "kafka 3.9.1".into()),
            artifact(couchdb::NAME, archive),
            artifact(component::spark::NAME, "spark".into()),
            artifact(component::consumer::NAME, "consumer".into()),
            artifact(component::producer::NAME, "producer".into()),
        ]);
        let secrets = Secrets::placeholders();
        // Another file holds other keys.
        let mut keys = of_makers(topology).expect("makers' keys");
        if couchdb::section(topology).repository_key.as_deref() == Some("b.asc") {
            for key in keys.values_mut() {
                let twice = key.armoured() + &key.armoured();
                *key = SigningKey::read(twice.as_bytes()).expect("keys");
            }
        }
        let choices = if couchdb::section(topology).distribution == Distribution::Apache {
            distribution("apache")
        } else {
            self.receipt.choices.clone()
        };
        let context = Context {
            topology,
            receipt: &self.receipt,
            secrets: &secrets,
            choices: &choices,
            keys: &keys,
            artifacts: &artifacts,
            ipv6: false,
        };
        let mut machines = BTreeMap::new();
        for (number, node) in (2..).zip(topology.nodes.values()) {
            let name = node.name.clone();
            let address = node.private_address.unwrap_or([10, 83, 0, number].into());
            let machine = Machine {
                node: name.clone(),
                id: name.clone(),
                access: machine::Access::Here,
                networks: [("network".to_owned(), address)].into(),
                public: None,
                operator: None,
            };
            machines.insert(name, machine);
        }
        plan::desired(&context, &machines, &BTreeMap::new()).expect("rendered")
    }

    fn with_situation<T>(
        &self,
        topology: &Topology,
        destroy_data: &BTreeSet<String>,
        look: impl FnOnce(&Desired, &Situation<'_>) -> T,
    ) -> T {
        let desired = self.desired(topology);
        let none = BTreeSet::new();
        let situation = Situation {
            facts: &self.world.ask_all(&plan::queries(&desired)),
            receipt: &self.receipt,
            strict: &none,
            known: &self.receipt.machines.keys().cloned().collect(),
            lost: &none,
            orphans: &none,
            prune: false,
            destroy_data,
            last: None,
        };
        look(&desired, &situation)
    }

    fn plan(&self, topology: &Topology, destroy_data: &BTreeSet<String>) -> Plan {
        self.with_situation(topology, destroy_data, |desired, situation| {
            plan::compare(desired, situation).unwrap_or_else(|conflicts| panic!("{conflicts:?}"))
        })
    }

    /// What Kafka cannot do.
    fn impossible(&self, topology: &Topology) -> Vec<String> {
        let found = self.with_situation(topology, &BTreeSet::new(), plan::impossible);
        found.into_iter().map(|one| one.what).collect()
    }

    /// Does a plan and records what `up` records.
    fn run(&mut self, topology: &Topology, plan: &Plan) {
        for change in plan.changes() {
            let step = &change.step;
            self.world
                .apply_now(&step.node, &step.action)
                .unwrap_or_else(|error| panic!("{error}\n{plan}"));
        }
        for node in topology.nodes.values() {
            let all = component::of_node(node, topology);
            let data = all.filter(|component| component.holds_data());
            let record = MachineRecord {
                cloud: node.cloud.name().into(),
                machine: None,
                data: data.map(|component| component.name().to_owned()).collect(),
            };
            self.receipt.machines.insert(node.name.clone(), record);
        }
    }
}

/// Is changed, is named by the plan, is done, and then nothing is left to do.
fn live(row: &Row, before: &Inventory, after: &Inventory) {
    let none = BTreeSet::new();
    let mut world = World::new();
    let first = world.topology(before).expect("good");
    let plan = world.plan(&first, &none);
    world.run(&first, &plan);
    let rest = world.plan(&first, &none);
    assert!(rest.is_empty(), "{}: before the change: {rest}", row.key);
    let second = world.topology(after).expect("good");
    if row.key.starts_with("clouds.existing.") {
        // Ways to hosts and their addresses: each connection and each hosts table is made from them.
        assert_ne!(first.nodes, second.nodes, "{}", row.key);
        return;
    }
    let plan = world.plan(&second, &none);
    assert_eq!(plan.refused().count(), 0, "{}: {plan}", row.key);
    assert!(!plan.is_empty(), "{}: the plan does not name it", row.key);
    world.run(&second, &plan);
    let rest = world.plan(&second, &none);
    assert!(rest.is_empty(), "{}: something is left: {rest}", row.key);
}

/// What refuses the change, in words.
fn refused(row: &Row, before: &Inventory, after: &str) -> String {
    let now = match read(after) {
        Ok(now) => now,
        Err(told) => return told,
    };
    let mut world = World::new();
    if let Err(told) = world.topology(&now) {
        return told;
    }
    let topology = world.topology(before).expect("good");
    let machines: Vec<(String, CloudName)> = topology
        .nodes
        .values()
        .map(|node| (node.name.clone(), node.cloud))
        .collect();
    let made = Made {
        inventory: before,
        cloud: topology.cloud,
        machines: &machines,
    };
    layout::check_places(&made, &now)
        .and_then(|()| layout::check_machines(&made, &now))
        .err()
        .map_or_else(
            || panic!("{}: nobody refuses", row.key),
            |told| told.to_string(),
        )
}

#[test]
fn each_key_that_is_changed_has_the_fate_of_its_row() {
    for row in rows() {
        // The size of a machine matters to clouds that sell it.
        let sold = row.key == "nodes.*.memory_mib";
        let cloud = |text: String| {
            if sold {
                text.replace("\"local\"", "\"aws\"")
            } else {
                text
            }
        };
        let before = cloud(text(&row, row.before.as_ref()));
        let after = cloud(text(&row, Some(&row.after)));
        let first = read(&before).unwrap_or_else(|told| panic!("{}: {told}", row.key));
        let second = || read(&after).unwrap_or_else(|told| panic!("{}: {told}", row.key));
        match row.fate {
            "live" => live(&row, &first, &second()),
            "refused" if row.key == "couchdb.distribution" => {
                // By the choice in the receipt: `artifact::couchdb::choose`.
                let couchdb =
                    |inventory: &Inventory| inventory.sections.get::<CouchdbSection>().clone();
                assert_ne!(
                    couchdb(&first).distribution,
                    couchdb(&second()).distribution
                );
            }
            "refused" if row.key == "kafka.replication" => {
                let mut world = World::new();
                let topology = world.topology(&first).expect("good");
                let plan = world.plan(&topology, &BTreeSet::new());
                world.run(&topology, &plan);
                assert_eq!(world.impossible(&topology), Vec::<String>::new());
                let topology = world.topology(&second()).expect("good");
                let told = world.impossible(&topology).join("; ");
                assert!(told.starts_with(row.told), "{}: {told}", row.key);
            }
            "refused" => {
                let told = refused(&row, &first, &after);
                assert!(told.starts_with("x.yaml:1:"), "{}: {told}", row.key);
                assert!(told.ends_with(row.told), "{}: {told}", row.key);
            }
            "--destroy-data" => {
                let mut world = World::new();
                let topology = world.topology(&first).expect("good");
                let plan = world.plan(&topology, &BTreeSet::new());
                world.run(&topology, &plan);
                let topology = world.topology(&second()).expect("good");
                let plan = world.plan(&topology, &BTreeSet::new());
                let losses: Vec<_> = plan.refused().collect();
                assert_eq!(losses.len(), 1, "{}: {plan}", row.key);
                let told = format!("{}: {}", losses[0].node, losses[0].words);
                assert_eq!(told, row.told);
                let allowed = [losses[0].node.clone()].into();
                let plan = world.plan(&topology, &allowed);
                assert_eq!(plan.refused().count(), 0, "{}: {plan}", row.key);
                world.run(&topology, &plan);
                let rest = world.plan(&topology, &allowed);
                assert!(rest.is_empty(), "{}: something is left: {rest}", row.key);
            }
            "another deployment" => {
                let second = second();
                assert_ne!((&first.name, first.cloud), (&second.name, second.cloud));
            }
            // That nothing has it is what is said: no file, no unit and no machine changes.
            "used" | "checked" => {
                let (mut world, second) = (World::new(), second());
                let one = world.topology(&first).expect("good");
                let other = world.topology(&second).expect("good");
                assert_ne!(first, second, "{}", row.key);
                assert_eq!(world.desired(&one), world.desired(&other), "{}", row.key);
            }
            "cloud" => assert_ne!(first, second(), "{}", row.key),
            other => panic!("{}: no fate is called {other}", row.key),
        }
    }
}
