//! What components put on nodes: golden files of the utilization pipeline, and what must hold for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use deployer::component::consumer::Wanted;
use deployer::component::couchdb::CouchdbSection;
use deployer::component::couchdb::package::{FINGERPRINT, KEY};
use deployer::component::couchdb::settings as couchdb;
use deployer::component::kafka::KafkaSection;
use deployer::component::mariadb::MariadbSection;
use deployer::component::producer::{Client, Source, SourceFile};
use deployer::component::repository_key::Keys;
use deployer::component::spark::StreamsSection;
use deployer::component::users::PASSWORDS;
use deployer::component::{
    self, Artifact, Artifacts, Component, Context, Reach, consumer, kafka, producer,
};
use deployer::inventory::{Sections, Setting};
use deployer::layout;
use deployer::plan::{self, Desired};
use deployer::receipt::{Choices, Receipt, Secrets};
use deployer::secret::Secret;
use deployer::signing_key::SigningKey;
use deployer::step::{Action, Content, FromRepository, loaded_record};
use deployer::template::TemplateError;
use deployer::topology::{
    CANARY_TOPIC, CloudName, Clouds, Former, Ids, Node, Options, Security, Topic, Topology,
};

use crate::nodes::{client, node};

/// The utilization pipeline: two clients, one node with ZooKeeper, a broker and the consumer, one with the other broker
/// and CouchDB.
pub(super) struct World {
    pub(super) topology: Topology,
    receipt: Receipt,
    secrets: Secrets,
    choices: Choices,
    keys: Keys,
    artifacts: Artifacts,
}

fn secrets() -> Secrets {
    let mut secrets = Secrets::default();
    for (key, secret) in [
        ("admin_password", "admin-password"),
        ("admin_hash", "-pbkdf2:sha256-admin-hash,salt,10000"),
        ("user_password", "user-password"),
        ("cookie", "erlang-cookie"),
        ("session_secret", "session-secret"),
        ("uuid", "00112233445566778899aabbccddeeff"),
    ] {
        secrets.set(component::couchdb::NAME, key, Secret::new(secret));
    }
    secrets
}

fn settings(settings: &[(&str, &str)]) -> BTreeMap<String, Setting> {
    let settings = settings.iter();
    settings
        .map(|(name, value)| ((*name).to_owned(), Setting((*value).to_owned())))
        .collect()
}

/// The defaults of all sections, and some settings.
fn sections() -> Sections {
    let bare = layout::parse(b"{name: x, nodes: {vm1: }}", "x.yaml");
    let mut sections = bare.expect("a good inventory").sections;
    let kafka: &mut KafkaSection = sections.get_mut();
    kafka.settings = settings(&[("log.retention.hours", "24")]);
    let couchdb: &mut CouchdbSection = sections.get_mut();
    let sizes = settings(&[("max_document_size", "4000000")]);
    couchdb.settings = [("couchdb".to_owned(), sizes)].into();
    sections
}

impl World {
    pub(super) fn new(distribution: &str) -> Self {
        let topics = ["utilizations1", "utilizations2", CANARY_TOPIC];
        Self {
            topology: Topology {
                name: "utilization".into(),
                sections: sections(),
                cloud: CloudName::LOCAL,
                security: Security::Off,
                state_copy: None,
                former: Former::default(),
                sinks: BTreeMap::new(),
                nodes: [
                    client(1),
                    client(2),
                    broker("vm2", &["zookeeper", "kafka", "consumer"], 1),
                    broker("vm3", &["kafka", "couchdb"], 2),
                ]
                .into_iter()
                .map(|node| (node.name.clone(), node))
                .collect(),
                topics: topics.map(|name| (name.to_owned(), topic(name))).into(),
                clouds: Clouds::default(),
            },
            receipt: Receipt {
                secure_by_default: true,
                version: Receipt::VERSION,
                id: "0123456789ab".into(),
                name: "utilization".into(),
                cloud: "local".into(),
                created: "2026-11-21T08:34:00Z".into(),
                inventory: String::new(),
                machines: BTreeMap::new(),
                host_keys: BTreeMap::new(),
                numbers: BTreeMap::new(),
                epochs: [(
                    kafka::NAME.to_owned(),
                    topics
                        .map(|name| (name.to_owned(), "1a2b3c4d".to_owned()))
                        .into(),
                )]
                .into(),
                pruned: BTreeMap::new(),
                replaced: BTreeMap::new(),
                choices: Choices::default(),
                agents: None,
                cloud_notes: BTreeMap::new(),
                unproven: false,
                copied: None,
            },
            secrets: secrets(),
            choices: {
                let mut choices = Choices::default();
                choices.set(kafka::NAME, component::artifact::SOURCE, Some("maven"));
                let couchdb = component::couchdb::NAME;
                choices.set(
                    couchdb,
                    component::distributions::DISTRIBUTION,
                    Some(distribution),
                );
                choices
            },
            keys: Keys::from([(
                "couchdb",
                SigningKey::pinned(KEY, FINGERPRINT).expect("Apache's key"),
            )]),
            artifacts: [
                (kafka::NAME, None),
                (component::couchdb::NAME, None),
                (component::spark::NAME, None),
                (producer::NAME, Some("11".repeat(32))),
                (consumer::NAME, Some("22".repeat(32))),
            ]
            .map(|(key, sha256)| {
                let identity = format!("{key} of the test");
                (
                    key.to_owned(),
                    Artifact {
                        identity,
                        sha256,
                        download: None,
                    },
                )
            })
            .into(),
        }
    }

    /// Adds a node that runs a stream.
    pub(super) fn add_streams(&mut self) {
        let text = "\
name: x
nodes: { vm1: }
streams:
  counts:
    from: utilizations1
    parse: { json: \"host STRING\", require: [host] }
    sql: SELECT host AS key, count(*) AS value FROM utilizations1 GROUP BY host
    to: counts
";
        let said = layout::parse(text.as_bytes(), "x.yaml").expect("a good inventory");
        let streams: &StreamsSection = said.sections.get();
        *self.topology.sections.get_mut() = streams.clone();
        let node = node("vm4", &["spark"]);
        self.topology.nodes.insert(node.name.clone(), node);
    }

    /// Adds a node with tables.
    pub(super) fn add_tables(&mut self) {
        let node = node("vm5", &["mariadb"]);
        self.topology.nodes.insert(node.name.clone(), node);
        for (key, secret) in [("user_hash", "*USER"), ("admin_hash", "*ADMIN")] {
            let of = component::mariadb::NAME;
            self.secrets.set(of, key, Secret::new(secret));
        }
        let of = component::phpmyadmin::NAME;
        self.secrets.set(of, "cookies", Secret::new("COOKIES"));
    }

    /// The same with security.
    pub(super) fn secured(distribution: &str) -> Self {
        let mut world = Self::new(distribution);
        world.topology.security = Security::On;
        world
    }

    fn kafka(&mut self) -> &mut KafkaSection {
        self.topology.sections.get_mut()
    }

    fn couchdb(&mut self) -> &mut CouchdbSection {
        self.topology.sections.get_mut()
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            topology: &self.topology,
            receipt: &self.receipt,
            secrets: &self.secrets,
            choices: &self.choices,
            keys: &self.keys,
            artifacts: &self.artifacts,
            ipv6: false,
        }
    }

    pub(super) fn node(&self, name: &str) -> &Node {
        &self.topology.nodes[name]
    }

    fn install(&self, name: &str) -> Vec<Action> {
        let desired = self.desired().expect("rendered");
        let base = desired.stages[0].queues[name].clone();
        let of_no_component = |action: &Action| {
            matches!(
                action,
                Action::WriteManifest { .. }
                    | Action::OpenDirectories { .. }
                    | Action::InstallPackages { .. }
                    | Action::WriteHostsTable { .. }
            )
        };
        base.into_iter()
            .filter(|action| !of_no_component(action))
            .collect()
    }

    /// What the product makes of it.
    fn desired(&self) -> Result<Desired, TemplateError> {
        plan::desired(&self.context(), &BTreeMap::new(), &BTreeMap::new())
    }

    /// Starting a component of a node, as the product does.
    fn start(&self, name: &str, component: &dyn Component) -> Vec<Action> {
        let own = component.unit(&self.topology, &self.choices);
        let desired = self.desired().expect("rendered");
        let of_it = |action: &&Action| match action {
            Action::StartUnit { unit, .. } | Action::WaitForPort { unit, .. } => *unit == own,
            _ => false,
        };
        desired.actions(name).filter(of_it).cloned().collect()
    }

    /// All that nodes get, over all nodes.
    fn all(&self) -> Vec<Action> {
        self.topology
            .nodes
            .keys()
            .flat_map(|name| self.install(name))
            .collect()
    }
}

fn broker(name: &str, roles: &[&str], id: u32) -> Node {
    let mut node = node(name, roles);
    node.numbers.insert(kafka::NAME.to_owned(), id);
    node
}

fn topic(name: &str) -> Topic {
    Topic {
        name: name.into(),
        database: name.into(),
        documented: true,
        replaced: false,
        partitions: 1,
        replication: 2,
        config: BTreeMap::from([("retention.ms".into(), "604800000".into())]),
        canary: name == CANARY_TOPIC,
    }
}

/// Actions as text, secrets included: they are made up.
pub(super) fn golden(actions: &[Action]) -> String {
    let mut text = String::new();
    for action in actions {
        match action {
            Action::WriteFile {
                path,
                content,
                access,
                ..
            }
            | Action::SeedFile {
                path,
                content,
                access,
            } => {
                let verb = if matches!(action, Action::SeedFile { .. }) {
                    "seed"
                } else {
                    "write"
                };
                let secret = if content.secret { ", secret" } else { "" };
                writeln!(
                    text,
                    "=== {verb} {path} ({}:{} {:04o}{secret})\n{}",
                    access.owner, access.group, access.mode, content.text
                )
            }
            Action::InstallFromRepository(FromRepository {
                repository,
                key,
                answers,
                ..
            }) => {
                let key = SigningKey::read(key.text.as_bytes()).expect("a key");
                writeln!(
                    text,
                    "=== install CouchDB's package of {repository}, signed by {}, answers:\n{}",
                    key.fingerprints(),
                    answers.text
                )
            }
            other => writeln!(text, "=== {other:?}\n"),
        }
        .expect("text");
    }
    text
}

/// The files among actions: path → content.
pub(super) fn files(actions: &[Action]) -> BTreeMap<&str, &Content> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::WriteFile { path, content, .. } | Action::SeedFile { path, content, .. } => {
                Some((path.as_str(), content))
            }
            _ => None,
        })
        .collect()
}

/// `key=value` lines, each key once.
fn properties(text: &str) -> BTreeMap<&str, &str> {
    let mut properties = BTreeMap::new();
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (key, value) = line
            .split_once('=')
            .unwrap_or_else(|| panic!("no `=` in {line:?}"));
        assert_eq!(key.trim(), key);
        assert!(
            properties.insert(key, value).is_none(),
            "{key} is there twice"
        );
    }
    properties
}

pub(super) const DISTRIBUTIONS: [&str; 3] = ["apache", "archive", "pouchdb"];

#[test]
fn golden_files_of_a_client() {
    insta::assert_snapshot!(golden(&World::new("apache").install("vm1-1")));
}

#[test]
fn golden_files_of_the_node_with_zookeeper_and_the_consumer() {
    insta::assert_snapshot!(golden(&World::new("apache").install("vm2")));
}

/// What is rendered otherwise where security is on.
#[test]
fn golden_files_of_a_secured_broker_and_its_zookeeper() {
    let mut world = World::new("apache");
    world.topology.security = Security::On;
    world
        .secrets
        .set("authority", "certificate", Secret::new("AUTHORITY\n"));
    for service in ["vm2/kafka", "vm2/zookeeper"] {
        let own = Secret::new(format!("KEY AND CERTIFICATE of {service}\n"));
        world.secrets.set("certificates", service, own);
    }
    let is_theirs = |action: &Action| match action {
        Action::WriteFile { path, .. } => {
            (path.contains("/kafka")
                || path.contains("/zookeeper")
                || path.contains("-kafka")
                || path.contains("-zookeeper"))
                && !path.ends_with("log4j.properties")
                && !path.contains("/consumer/")
        }
        _ => false,
    };
    let mut actions = world.install("vm2");
    actions.retain(is_theirs);
    insta::assert_snapshot!(golden(&actions));
}

/// The driver is read in its source.
#[test]
fn golden_files_of_a_secured_node_with_streams() {
    let mut world = World::new("apache");
    world.add_streams();
    world.topology.security = Security::On;
    let mut actions = world.install("vm4");
    actions.retain(|action| match action {
        Action::WriteFile { path, .. } => !path.ends_with("Streams.java"),
        _ => false,
    });
    insta::assert_snapshot!(golden(&actions));
}

/// A program in the driver's place, with a login of its own.
#[test]
fn golden_files_of_a_secured_program_of_streams() {
    let mut world = World::secured("apache");
    let text = "\
name: x
nodes: { vm1: }
streams:
  digits:
    program: build/Digits.java
    class: org.example.Digits
    arguments: [\"a \\\"b\\\"\", c]
    from: [utilizations1, utilizations2]
    to: digits
";
    let said = layout::parse(text.as_bytes(), "x.yaml").expect("a good inventory");
    let streams: &StreamsSection = said.sections.get();
    *world.topology.sections.get_mut() = streams.clone();
    let node = node("vm4", &["spark"]);
    world.topology.nodes.insert(node.name.clone(), node);
    let file = Artifact {
        identity: "spark-digits sha256:33".into(),
        sha256: Some("33".repeat(32)),
        download: None,
    };
    world.artifacts.insert("spark-digits".into(), file);
    let own = Secret::new("DIGITS PASSWORD");
    world.secrets.set("passwords", "spark-digits", own);
    let mut actions = world.install("vm4");
    actions.retain(|action| match action {
        Action::WriteFile { path, .. } => {
            path.ends_with("digits-spark.service")
                || ["kafka.properties", "program.arguments", "login.conf"]
                    .iter()
                    .any(|file| path.ends_with(&format!("digits-spark/{file}")))
        }
        Action::UnpackArchive { .. } | Action::CreateUser { .. } => true,
        _ => false,
    });
    insta::assert_snapshot!(golden(&actions));
}

/// The one with the driver, and one that works for it.
#[test]
fn golden_files_of_nodes_that_share_streams() {
    let mut world = World::new("apache");
    world.add_streams();
    let node = node("vm6", &["spark"]);
    world.topology.nodes.insert(node.name.clone(), node);
    let secret = Secret::new("AUTHENTICATION");
    world
        .secrets
        .set(component::spark::NAME, "authentication", secret);
    let mut actions = world.install("vm4");
    actions.extend(world.install("vm6"));
    actions.retain(|action| match action {
        Action::WriteFile { path, .. } => {
            path.ends_with(".service") || path.ends_with(".properties") && !path.contains("log4j")
        }
        _ => false,
    });
    insta::assert_snapshot!(golden(&actions));
}

#[test]
fn golden_files_of_a_secured_node_with_tables() {
    let mut world = World::new("apache");
    world.add_tables();
    world.topology.security = Security::On;
    let own = Secret::new("KEY AND CERTIFICATE\n");
    world.secrets.set("certificates", "vm5/mariadb", own);
    insta::assert_snapshot!(golden(&world.install("vm5")));
}

#[test]
fn phpmyadmin_is_for_its_own_node_and_its_settings_for_it_alone() {
    let mut world = World::new("apache");
    world.add_tables();
    let said = b"{name: x, mariadb: {phpmyadmin: true}, nodes: {vm1: }}";
    let said = layout::parse(said, "x.yaml").expect("a good inventory");
    let section: &MariadbSection = said.sections.get();
    *world.topology.sections.get_mut() = section.clone();
    let actions = world.install("vm5");
    let files = files(&actions);
    let unit = files["/etc/systemd/system/utilization-phpmyadmin.service"];
    assert!(unit.text.contains(" -S 127.0.0.1:8081 "), "{}", unit.text);
    let settings = files["/etc/deployer/utilization/phpmyadmin/config.inc.php"];
    assert!(settings.secret && settings.text.contains("'COOKIES'"));
    let ports = component::phpmyadmin::Phpmyadmin.ports(world.node("vm5"), &world.topology);
    assert!(ports.iter().all(|port| port.reach == Reach::Node));
}

#[test]
fn golden_files_of_the_node_with_couchdb() {
    for distribution in DISTRIBUTIONS {
        let actions = World::new(distribution).install("vm3");
        insta::assert_snapshot!(format!("couchdb_{distribution}"), golden(&actions));
    }
}

/// The agents' own tests parse these two snapshots.
#[test]
fn golden_configurations_of_the_agents() {
    let world = World::new("archive");
    for (node, agent) in [("vm2", "consumer"), ("vm1-1", "producer")] {
        let actions = world.install(node);
        let path = format!("/etc/deployer/utilization/{agent}/{agent}.toml");
        insta::assert_snapshot!(format!("{agent}_toml"), files(&actions)[path.as_str()].text);
    }
}

/// What the agents have more where security is on, and who may do what then.
#[test]
fn golden_logins_of_the_agents() {
    let mut world = World::secured("archive");
    for user in [
        "consumer",
        "producer-vm1-1",
        "producer-vm1-2",
        "producer-vm9",
    ] {
        let password = Secret::new(format!("password of {user}"));
        world.secrets.set(PASSWORDS, user, password);
    }
    // One that left the inventory and was not stopped.
    let former = &mut world.topology.former.topics;
    former.insert("utilizations9".into(), "utilizations9".into());
    let epochs = world.receipt.epochs.get_mut(kafka::NAME).expect("epochs");
    epochs.insert("utilizations9".into(), "5e6f7a8b".into());
    let mut actions = world.install("vm2");
    actions.extend(world.install("vm1-1"));
    let is_agents = |action: &Action| match action {
        Action::WriteFile { path, .. } => ["/consumer/", "/producer/"]
            .iter()
            .any(|part| path.contains(part)),
        _ => false,
    };
    actions.retain(is_agents);
    let Some(Action::CallTool { input, words, .. }) = consumer::pipeline(&world.context()) else {
        panic!("no request");
    };
    let request: serde_json::Value = serde_json::from_str(&input.text).expect("json");
    let users = serde_json::to_string_pretty(&request["users"]).expect("json");
    let rights = request["rights"].as_array().expect("rights").iter();
    let rights: String = rights.map(|right| format!("{right}\n")).collect();
    insta::assert_snapshot!(format!("{}{words}\n{users}\n{rights}", golden(&actions)));
}

/// Whoever sends to it goes on, and its documents stay what they were.
#[test]
fn a_topic_that_left_the_inventory_is_replaced_as_before() {
    let mut world = World::new("archive");
    let former = &mut world.topology.former;
    for topic in ["orders", "totals"] {
        former.topics.insert(topic.into(), topic.into());
        let epochs = world.receipt.epochs.get_mut(kafka::NAME).expect("epochs");
        epochs.insert(topic.into(), "5e6f7a8b".into());
    }
    former.replaced.insert("totals".into());
    let files = world.install("vm2");
    let config = files.iter().find_map(|action| match action {
        Action::WriteFile { path, content, .. } if path.ends_with("/consumer.toml") => {
            Some(content.text.clone())
        }
        _ => None,
    });
    let config = config.expect("it is written");
    let topics = config.split("[[topics]]").skip(1);
    let replaced = topics.filter(|topic| topic.contains("replace = true"));
    let replaced: Vec<&str> = replaced.filter_map(|topic| topic.lines().nth(1)).collect();
    assert_eq!(replaced, ["name = \"totals\""]);
}

#[test]
fn golden_starts_packages_and_ports() {
    let world = World::new("archive");
    let context = world.context();
    let mut text = String::new();
    for (name, node) in &world.topology.nodes {
        writeln!(
            text,
            "{name}: packages {:?}",
            component::packages(node, &context)
        )
        .expect("text");
        let open = component::of_node(node, &world.topology)
            .flat_map(|component| component.ports(node, &world.topology))
            .filter(|port| port.reach == Reach::Members);
        let ports: BTreeSet<u16> = open.map(|port| port.number).collect();
        writeln!(text, "{name}: ports {ports:?}").expect("text");
        for software in component::of_node(node, &world.topology) {
            let actions = world.start(name, software);
            writeln!(
                text,
                "{}",
                serde_json::to_string_pretty(&actions).expect("json")
            )
            .expect("text");
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn properties_parse_and_hold_each_key_once() {
    let world = World::new("archive");
    let actions = world.install("vm2");
    let files = files(&actions);
    let zookeeper = properties(&files["/etc/deployer/utilization/zookeeper/zoo.cfg"].text);
    assert_eq!(zookeeper["clientPort"], "2181");
    let broker = properties(&files["/etc/deployer/utilization/kafka/server.properties"].text);
    assert_eq!(broker["broker.id"], "1");
    assert_eq!(
        broker["advertised.listeners"],
        "PLAINTEXT://vm2.utilization.internal:9092"
    );
    assert_eq!(broker["zookeeper.connect"], "vm2.utilization.internal:2181");
    assert_eq!(broker["log.retention.hours"], "24");
}

/// `section`, `key` of an ini file, in the order of the file.
fn ini(text: &str) -> Vec<(String, String)> {
    let mut section = "";
    let mut keys = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, _)) = line.split_once(" = ") {
            keys.push((section.to_owned(), key.to_owned()));
        }
    }
    keys
}

/// What an inventory is told whose last section is that of Kafka's settings.
fn told(settings: &str) -> String {
    let text = format!(
        "name: x\nnodes: {{vm1: {{roles: [zookeeper, kafka, couchdb]}}}}\nkafka:\n  replication: 1\n  settings:\n{settings}"
    );
    let inventory = deployer::layout::parse(text.as_bytes(), "x.yaml").expect("an inventory");
    let topology = Topology::new(&inventory, &Options::default(), &Ids::default());
    topology.map_or_else(|problems| problems.to_string(), |_| "nothing".to_owned())
}

/// What is rendered is what an inventory must not name: B2 was two lists, of which the one that was asked knew less.
#[test]
fn settings_that_are_rendered_are_refused_in_an_inventory() {
    let mut world = World::new("archive");
    world.kafka().settings.clear();
    world.couchdb().settings.clear();
    let (vm2, vm3) = (world.install("vm2"), world.install("vm3"));
    let broker = properties(&files(&vm2)["/etc/deployer/utilization/kafka/server.properties"].text);
    assert!(broker.len() >= 16, "{broker:?}");
    for key in broker.keys() {
        let told = told(&format!("    {key}: 1\n"));
        let place = format!("kafka.settings.{key}: is set by the deployer itself");
        assert!(told.contains(&place), "{key}: {told}");
    }
    let ini = ini(&files(&vm3)["/etc/deployer/utilization/couchdb/deployer.ini"].text);
    assert!(ini.len() >= 12, "{ini:?}");
    for (section, key) in ini {
        let told = told(&format!(
            "    log.cleaner.threads: 1\ncouchdb: {{settings: {{{section}: {{{key}: info}}}}}}\n"
        ));
        let place = format!("couchdb.settings.{section}.{key}: is set by the deployer itself");
        let default = couchdb::DEFAULTS.contains(&(section.as_str(), key.as_str()));
        assert_eq!(told.contains(&place), !default, "[{section}] {key}: {told}");
    }
}

/// D2: maps went through a hash map, and each `up` restarted brokers and CouchDB.
#[test]
fn settings_are_rendered_in_the_order_of_their_names() {
    let mut world = World::new("archive");
    let names: Vec<String> = (10..60).map(|number| format!("name{number}")).collect();
    let settings = || {
        let names = names.iter().map(|name| (name.clone(), Setting("1".into())));
        names.collect::<BTreeMap<_, _>>()
    };
    world.kafka().settings = settings();
    world.couchdb().settings = names
        .iter()
        .map(|section| (section.clone(), settings()))
        .collect();
    let (vm2, vm3) = (world.install("vm2"), world.install("vm3"));
    let broker = &files(&vm2)["/etc/deployer/utilization/kafka/server.properties"].text;
    let keys: Vec<&str> = broker
        .lines()
        .filter_map(|line| line.strip_suffix("=1"))
        .filter(|key| key.starts_with("name"))
        .collect();
    assert_eq!(keys, names);
    let ini = ini(&files(&vm3)["/etc/deployer/utilization/couchdb/deployer.ini"].text);
    let keys: Vec<_> = ini
        .into_iter()
        .filter(|(section, _)| section.starts_with("name"))
        .collect();
    let mut sorted = keys.clone();
    sorted.sort();
    assert_eq!(keys.len(), names.len() * names.len());
    assert_eq!(keys, sorted);
}

/// B17: what Java would take for a continued line, an escape or another alphabet comes back as it was said.
#[test]
fn values_of_properties_are_what_the_inventory_says() {
    let values = [
        "ends with \\",
        "a\\tb",
        "C:\\new",
        " leads",
        "# no comment",
        "! nor this",
        "a=b:c",
        "é → 漢 😀",
        "x ; y",
        "\\ \\",
        "   ",
    ];
    let mut world = World::new("archive");
    world.kafka().settings = values
        .iter()
        .enumerate()
        .map(|(index, value)| (format!("name{index:02}"), Setting((*value).to_owned())))
        .collect();
    let vm2 = world.install("vm2");
    let text = &files(&vm2)["/etc/deployer/utilization/kafka/server.properties"].text;
    let read: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with("name"))
        .map(|line| java_value(line.split_once('=').expect("a line").1))
        .collect();
    assert_eq!(read, values);
}

/// A value as `java.util.Properties` reads it from a line of Latin-1.
fn java_value(raw: &str) -> String {
    assert!(raw.is_ascii(), "{raw}");
    let mut units = Vec::new();
    let mut rest = raw.trim_start_matches([' ', '\t', '\u{c}']).chars();
    while let Some(one) = rest.next() {
        let one = if one == '\\' {
            match rest.next().expect("the line goes on below") {
                'u' => {
                    let digits: String = rest.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&digits, 16).expect("digits"));
                    continue;
                }
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                'f' => '\u{c}',
                plain => plain,
            }
        } else {
            one
        };
        units.push(u16::try_from(u32::from(one)).expect("ascii"));
    }
    String::from_utf16(&units).expect("text")
}

#[test]
fn the_first_line_names_what_rendered_the_file() {
    for distribution in DISTRIBUTIONS {
        let actions = World::new(distribution).all();
        for (path, content) in files(&actions) {
            let first = content.text.lines().next().unwrap_or_default();
            // A password file is the password.
            if !path.ends_with("/couchdb-password") {
                assert!(
                    first.contains("deployer from templates/"),
                    "{path}: {first:?}"
                );
            }
        }
    }
}

#[test]
fn no_file_holds_an_address() {
    for distribution in DISTRIBUTIONS {
        let actions = World::new(distribution).all();
        for (path, content) in files(&actions) {
            for word in content
                .text
                .split(|c: char| !(c.is_ascii_digit() || c == '.'))
            {
                let address: Option<std::net::Ipv4Addr> = word.parse().ok();
                assert!(
                    address.is_none_or(|address| address.is_unspecified()),
                    "{path} holds {word}"
                );
            }
        }
    }
}

#[test]
fn a_unit_records_at_its_start_exactly_what_its_start_expects() {
    for distribution in DISTRIBUTIONS {
        let world = World::new(distribution);
        for node in world.topology.nodes.values() {
            for software in component::of_node(node, &world.topology) {
                let actions = software.install(node, &world.context()).expect("installed");
                let started = world.start(&node.name, software);
                let Some(Action::StartUnit { unit, reads, .. }) = started.first() else {
                    panic!("{started:?}");
                };
                let unit_text = files(&actions)
                    .into_iter()
                    .find(|(path, _)| path.starts_with("/etc/systemd/system/"))
                    .map(|(_, content)| &content.text)
                    .expect("a unit");
                let line = unit_text
                    .lines()
                    .find_map(|line| line.split_once("exec sha256sum \"$$@\"; } > "))
                    .map(|(_, line)| line)
                    .expect("a record");
                let (record, recorded) = line.split_once("' sh ").expect("its files");
                assert_eq!(record, loaded_record(unit));
                let recorded: BTreeSet<&str> = recorded.split(' ').collect();
                assert_eq!(recorded, reads.keys().map(String::as_str).collect());
                // All files but the one that is CouchDB's own.
                let written: BTreeSet<&str> = actions
                    .iter()
                    .filter_map(|action| match action {
                        Action::WriteFile { path, .. } | Action::UploadFile { path, .. } => {
                            Some(path.as_str())
                        }
                        _ => None,
                    })
                    .collect();
                assert!(written.is_subset(&recorded), "{written:?} in {recorded:?}");
            }
        }
    }
}

/// The one line of a unit that begins so.
fn one_line<'a>(text: &'a str, begin: &str) -> &'a str {
    let all: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with(begin))
        .collect();
    let [line] = all[..] else {
        panic!("{begin}: {all:?} in {text}");
    };
    line
}

/// O5 and its kind: a host's language, defaults and environment are not those of our units, the one that a package brings included.
#[test]
fn every_unit_has_its_own_environment_and_reads_all_its_files() {
    let mut units = 0;
    for distribution in ["apache", "archive", "pouchdb"] {
        let actions = World::new(distribution).all();
        for (path, content) in files(&actions) {
            if !path.starts_with("/etc/systemd/system/") {
                continue;
            }
            units += 1;
            let text = content.text.as_str();
            let own = one_line(text, "Environment=LANG=C.UTF-8 ");
            assert!(
                own.contains(" LC_ALL=C.UTF-8 ") && own.contains(" PATH=/"),
                "{own}"
            );
            let unset = one_line(text, "UnsetEnvironment=");
            let unset: BTreeSet<&str> = unset["UnsetEnvironment=".len()..].split(' ').collect();
            for other in [
                "LANGUAGE",
                "TZ",
                "TMPDIR",
                "http_proxy",
                "HTTPS_PROXY",
                "JAVA_TOOL_OPTIONS",
                "_JAVA_OPTIONS",
                "JDK_JAVA_OPTIONS",
                "KAFKA_OPTS",
                "CLASSPATH",
                "NODE_OPTIONS",
                "ERL_AFLAGS",
                "OPENSSL_CONF",
            ] {
                assert!(unset.contains(other), "{path}: {other}");
            }
            // It is unset last, so it must be nothing that the unit itself sets.
            for line in text.lines().filter(|line| line.starts_with("Environment=")) {
                let words = line["Environment=".len()..].trim_matches('"').split(' ');
                for (name, _) in words.filter_map(|word| word.split_once('=')) {
                    assert!(!unset.contains(name), "{path}: {name}");
                }
            }
            for own in [
                "LimitNOFILE=100000",
                "LimitNPROC=",
                "TasksMax=",
                "StandardOutput=journal",
            ] {
                one_line(text, own);
            }
            let read = one_line(text, "ExecStartPre=/bin/sh -c 'exec head ");
            assert!(read.contains(path), "{read}");
        }
    }
    assert_eq!(units, 3 * 5, "of each distribution, those of five roles");
}

/// A30: 17 is in Debian 11 and 12 and in Ubuntu, 21 in Debian 13; what runs is the one that was installed, whatever else a host has.
#[test]
fn java_is_one_that_every_release_has() {
    let world = World::new("pouchdb");
    let actions = world.install("vm2");
    let java = "/opt/deployer/utilization/bin/java";
    let targets = actions.iter().find_map(|action| match action {
        Action::LinkFile { path, targets } if path == java => Some(targets),
        _ => None,
    });
    let targets = targets.expect("a link");
    let packages = component::packages(world.node("vm2"), &world.context());
    let entry = packages.iter().find(|entry| entry.contains("openjdk"));
    let entry = entry.expect("a package of Java");
    for version in ["17", "21"] {
        assert!(
            entry.contains(&format!("openjdk-{version}-jre-headless")),
            "{entry}"
        );
        assert!(targets.contains(&format!(
            "/usr/lib/jvm/java-{version}-openjdk-amd64/bin/java"
        )));
    }
    let files = files(&actions);
    for role in ["kafka", "zookeeper"] {
        let unit = format!("/etc/systemd/system/utilization-{role}.service");
        let text = &files[unit.as_str()].text;
        assert!(text.contains(&format!("ExecStart={java} ")), "{text}");
        let temporary = format!("/opt/deployer/utilization/tmp/{role}");
        assert!(
            text.contains(&format!("-Djava.io.tmpdir={temporary} ")),
            "{text}"
        );
        one_line(text, &format!("ReadWritePaths={temporary}"));
    }
}

#[test]
fn a_changed_identity_or_binary_is_another_read() {
    let mut world = World::new("archive");
    let reads = |world: &World, role, node: &str| {
        let actions = world.start(node, component::named(role).expect("a component"));
        let Some(Action::StartUnit { reads, .. }) = actions.first() else {
            panic!("{actions:?}");
        };
        reads.clone()
    };
    let before = reads(&world, "kafka", "vm2");
    world
        .artifacts
        .get_mut(kafka::NAME)
        .expect("known")
        .identity = "newer".into();
    let after = reads(&world, "kafka", "vm2");
    let changed: Vec<&String> = before
        .keys()
        .filter(|path| before[*path] != after[*path])
        .collect();
    assert_eq!(
        changed,
        ["/opt/deployer/utilization/kafka/.deployer-artifact"]
    );
}

#[test]
fn secrets_are_only_in_what_is_never_shown() {
    for distribution in DISTRIBUTIONS {
        let world = World::new(distribution);
        let secrets = &world.secrets;
        let mut actions = world.all();
        actions.extend(consumer::pipeline(&world.context()));
        for node in world.topology.nodes.values() {
            for software in component::of_node(node, &world.topology) {
                actions.extend(world.start(&node.name, software));
            }
        }
        let shown = format!(
            "{actions:?}{}",
            serde_json::to_string(&actions).expect("json")
        );
        for (_, _, secret) in secrets.all().filter(|(_, key, _)| *key != "uuid") {
            assert!(
                !shown.contains(secret.expose()),
                "{} is shown",
                secret.expose()
            );
        }
        assert!(!shown.contains("-pbkdf2"), "a hash is shown");
        let ours = files(&actions)
            .into_iter()
            .filter(|(_, content)| content.secret);
        let paths: Vec<&str> = ours.map(|(path, _)| path).collect();
        let expected = if distribution == "pouchdb" {
            "config.json"
        } else {
            "deployer.ini"
        };
        assert_eq!(
            paths,
            [
                "/etc/deployer/utilization/consumer/couchdb-password".to_owned(),
                format!("/etc/deployer/utilization/couchdb/{expected}"),
            ]
        );
    }
}

#[test]
fn golden_request_that_prepares_the_pipeline() {
    let world = World::new("archive");
    let Some(Action::CallTool {
        tool,
        input,
        wanted,
        ..
    }) = consumer::pipeline(&world.context())
    else {
        panic!("no request");
    };
    let Wanted {
        topics, databases, ..
    } = serde_json::from_value(wanted).expect("what is wanted");
    let request: serde_json::Value = serde_json::from_str(&input.text).expect("json");
    let request = serde_json::to_string_pretty(&request).expect("json");
    insta::assert_snapshot!(format!("{tool:?}\n{request}\n{topics:?}\n{databases:?}"));
}

#[test]
fn without_agents_the_first_broker_is_asked_and_starts_the_canaries() {
    let mut world = World::new("archive");
    world
        .topology
        .nodes
        .retain(|_, node| producer::client(node).is_none());
    world
        .topology
        .nodes
        .get_mut("vm2")
        .expect("vm2")
        .roles
        .remove("consumer");
    let actions = world.install("vm2");
    let files = files(&actions);
    let agents: Vec<(&&str, &str)> = files
        .iter()
        .filter(|(path, _)| path.contains("/consumer/") || path.contains("/producer/"))
        .map(|(path, content)| (path, content.text.as_str()))
        .collect();
    insta::assert_snapshot!(
        agents
            .iter()
            .map(|(path, text)| format!("=== {path}\n{text}\n"))
            .collect::<String>()
    );
    let uploaded: Vec<&str> = actions
        .iter()
        .filter_map(|action| match action {
            Action::UploadFile { path, .. } => Some(path.as_str()),
            _ => None,
        })
        .collect();
    let tool = consumer::tool(&world.topology).expect("a tool");
    let canaries = &producer::tools(&world.topology)["vm2"];
    assert_eq!(uploaded, [tool.program.as_str(), canaries.program.as_str()]);
    assert!(
        files.contains_key(tool.config.as_str()) && files.contains_key(canaries.config.as_str())
    );
    // They are the deployer's own there: no service, no user.
    assert!(!files.contains_key("/etc/systemd/system/utilization-consumer.service"));
    assert!(!actions.iter().any(
        |action| matches!(action, Action::CreateUser { user, .. } if user.ends_with("consumer"))
    ));
}

#[test]
fn a_producers_file_and_a_consumers_files_are_in_their_configurations() {
    let mut world = World::new("archive");
    let node = world.topology.nodes.get_mut("vm1-1").expect("vm1-1");
    let producer = node.sections.get_mut::<Client>();
    producer.source = Source::File;
    producer.interval_ms = None;
    producer.file = Some(SourceFile {
        path: "/var/log/syslog".into(),
        group: "adm".into(),
    });
    let of = |world: &World, node: &str, path: &str| files(&world.install(node))[path].text.clone();
    let path = "/etc/deployer/utilization/producer/producer.toml";
    let config = of(&world, "vm1-1", path);
    assert!(
        config.contains("kind = \"file\"\ncount = 100\npath = \"/var/log/syslog\"\n"),
        "{config}"
    );
    let node = world.topology.nodes.get_mut("vm1-2").expect("vm1-2");
    let producer = node.sections.get_mut::<Client>();
    producer.source = Source::Trucks;
    producer.interval_ms = Some(0);
    producer.seed = Some(7);
    producer.schedule = Some("0 * * * *".into());
    let config = of(&world, "vm1-2", path);
    let source =
        "kind = \"trucks\"\ncount = 100\ninterval_ms = 0\nseed = 7\nschedule = \"0 * * * *\"\n";
    assert!(config.contains(source), "{config}");
    let unit = "/etc/systemd/system/utilization-producer.service";
    assert!(of(&world, "vm1-1", unit).contains("\nSupplementaryGroups=adm\n"));
    assert!(!of(&world, "vm1-2", unit).contains("SupplementaryGroups"));
    let unit = "/etc/systemd/system/utilization-consumer.service";
    assert!(!of(&world, "vm2", unit).contains("ReadWritePaths"));
    let topic = world
        .topology
        .topics
        .get_mut("utilizations1")
        .expect("a topic");
    topic.documented = false;
    let topics = &mut world.topology.topics;
    topics.get_mut("utilizations2").expect("a topic").replaced = true;
    let said = "{name: x, nodes: {vm1: }, sinks: {table: {from: utilizations1, files: {format: csv, columns: [_id, memory.free], roll_mib: 1}}}}";
    let said = layout::parse(said.as_bytes(), "x.yaml").expect("a good inventory");
    let sink = said.sinks["table"].clone();
    world.topology.sinks.insert("table".into(), sink);
    let config = of(
        &world,
        "vm2",
        "/etc/deployer/utilization/consumer/consumer.toml",
    );
    for part in [
        "[[topics]]\nname = \"utilizations1\"\nepoch = ",
        "[[topics]]\nname = \"utilizations2\"\ndatabase = \"utilizations2\"\nepoch = ",
        "\nreplace = true\n",
        "[sinks.table]\nkind = \"files\"\nfrom = [\"utilizations1\"]\ncolumns = [\"_id\",\"memory.free\"]\ndirectory = \"/var/lib/deployer/utilization/consumer/table\"\nformat = \"csv\"\nroll_bytes = 1048576\n",
    ] {
        assert!(config.contains(part), "{part}{config}");
    }
    let data = "ReadWritePaths=/var/lib/deployer/utilization/consumer\n";
    assert!(of(&world, "vm2", unit).contains(data));
}

#[test]
fn without_couchdb_only_topics_are_prepared() {
    let mut world = World::new("archive");
    world
        .topology
        .nodes
        .get_mut("vm3")
        .expect("vm3")
        .roles
        .remove("couchdb");
    world
        .topology
        .nodes
        .get_mut("vm2")
        .expect("vm2")
        .roles
        .remove("consumer");
    let actions = world.install("vm2");
    let files = files(&actions);
    let config = &files["/etc/deployer/utilization/consumer/consumer.toml"].text;
    assert!(!config.contains("[couchdb]"), "{config}");
    assert!(!files.contains_key("/etc/deployer/utilization/consumer/couchdb-password"));
    let Some(Action::CallTool { input, wanted, .. }) = consumer::pipeline(&world.context()) else {
        panic!("no request");
    };
    let Wanted {
        topics, databases, ..
    } = serde_json::from_value(wanted).expect("what is wanted");
    assert!(input.text.contains(r#""couchdb":null"#), "{}", input.text);
    assert_eq!((topics.len(), databases.len()), (3, 0));
}

#[test]
fn lines_that_somebody_feeds_need_no_unit() {
    let mut world = World::new("archive");
    let client = world.topology.nodes.get_mut("vm1-1").expect("vm1-1");
    client.sections.get_mut::<Client>().source = Source::Stdin;
    let actions = world.install("vm1-1");
    let files = files(&actions);
    assert!(
        files["/etc/deployer/utilization/producer/producer.toml"]
            .text
            .contains("kind = \"stdin\"")
    );
    assert!(files.keys().all(|path| !path.ends_with(".service")));
    let started = world.start("vm1-1", &producer::Producer);
    assert_eq!(started, []);
    // So nobody asks for it, starts it anew or waits for its end.
    let services = component::pipeline::senders(&world.topology).map(|node| node.name.as_str());
    assert_eq!(services.collect::<Vec<_>>(), ["vm1-2"]);
    assert!(!producer::Producer.has_unit(world.node("vm1-1")));
}

#[test]
fn a_quick_start_is_for_local_machines_only() {
    let unit = |cloud, quick_start| {
        let mut world = World::new("archive");
        world.topology.clouds.local.quick_start = quick_start;
        world.topology.nodes.get_mut("vm2").expect("vm2").cloud = cloud;
        let actions = world.install("vm2");
        files(&actions)["/etc/systemd/system/utilization-kafka.service"]
            .text
            .clone()
    };
    // That compiler is slow at AES, so where it is the only one another cipher comes first.
    for flag in ["TieredStopAtLevel", "cipherSuites=TLS_CHACHA20"] {
        assert!(unit(CloudName::LOCAL, true).contains(flag));
        assert!(!unit(CloudName::LOCAL, false).contains(flag));
        assert!(!unit(CloudName::EXISTING, true).contains(flag));
    }
}

#[test]
fn only_machines_far_away_fetch_archives_themselves() {
    let mut world = World::new("pouchdb");
    let download = deployer::step::Download {
        addresses: vec!["https://mirror.example/kafka.tgz".into()],
        sha512: "33".repeat(64),
        wanted: "*/libs/*.jar".into(),
        left_out: Vec::new(),
    };
    let kafka = world.artifacts.get_mut(kafka::NAME);
    kafka.expect("kafka").download = Some(download.clone());
    for (cloud, expected) in [
        (CloudName::LOCAL, None),
        (CloudName::EXISTING, None),
        (CloudName::AWS, Some(&download)),
    ] {
        for node in world.topology.nodes.values_mut() {
            node.cloud = cloud;
        }
        for action in world.all() {
            if let Action::UnpackArchive {
                artifact, download, ..
            } = action
            {
                let expected = expected.filter(|_| artifact == kafka::NAME);
                assert_eq!(download.as_ref(), expected, "{cloud} {artifact}");
            }
        }
    }
}

#[test]
fn what_is_not_known_is_an_error_that_names_it() {
    let error = |world: &World| {
        let error = world.desired().expect_err("an error");
        format!("{error}: {}", error.source)
    };
    let mut world = World::new("archive");
    world.artifacts.remove(kafka::NAME);
    assert!(
        error(&world).contains("the artifact `kafka` is not known"),
        "{}",
        error(&world)
    );
    let mut world = World::new("archive");
    world.receipt.epochs.clear();
    assert!(error(&world).contains("epoch"), "{}", error(&world));
    let mut world = World::new("archive");
    world
        .topology
        .nodes
        .get_mut("vm2")
        .expect("vm2")
        .numbers
        .clear();
    assert!(error(&world).contains("broker_id"), "{}", error(&world));
    let mut world = World::new("archive");
    let settings = &mut world.kafka().settings;
    settings.insert("a".into(), Setting("b\nbroker.id=9".into()));
    assert!(
        error(&world).contains("control character"),
        "{}",
        error(&world)
    );
}
