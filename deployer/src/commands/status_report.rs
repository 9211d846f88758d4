//! What `status` shows: a documented, stable shape (`"format": 1`), as text or JSON. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize as _, Serialize};

use crate::cloud::aws::ttl;
use crate::contract::ProducerState;
use crate::facts::Facts;
use crate::inspect::{Database, Inspect};
use crate::topology::{Role, Topology};

/// A producer that reads `top` has one event on its way at most times; more than this many wait for brokers that are away.
const MAX_WAITING: u64 = 5;

/// The state of a deployment. Fields are only ever added; a change of meaning changes `format`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Format of this document.
    pub format: u32,
    /// The deployment's name.
    pub deployment: String,
    /// Its cloud.
    pub cloud: String,
    /// Its id.
    pub id: String,
    /// All is well.
    pub healthy: bool,
    /// What is not, in words.
    pub problems: Vec<String>,
    /// Nodes by name.
    pub nodes: BTreeMap<String, NodeReport>,
    /// Brokers in the metadata and how many there should be.
    pub brokers: Option<BrokersReport>,
    /// Which CouchDB answers; the stand-in is called by its name.
    pub couchdb: Option<String>,
    /// Topics by name, the canaries' included.
    pub topics: BTreeMap<String, TopicReport>,
    /// When the first of its machines powers itself off, or its lease ends; `None`: none does.
    pub expires: Option<jiff::Timestamp>,
    /// The time until then, in words.
    #[serde(skip)]
    pub left: Option<String>,
    /// What the end of the lease means, in words.
    #[serde(skip)]
    pub lease: Option<String>,
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NodeReport {
    /// It answered.
    pub reachable: bool,
    /// Why not.
    pub error: Option<String>,
    /// Its address as the operator's box reaches it.
    pub address: Option<String>,
    /// Units by name → state in one word: `running`, `finished`, `stopped`, `failed`.
    pub units: BTreeMap<String, String>,
    /// How far its producer is: acknowledged events and events wanted (0: no end).
    pub produced: Option<(u64, u64)>,
}

/// The brokers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokersReport {
    /// How many there should be.
    pub expected: usize,
    /// Those in the metadata: ids.
    pub alive: Vec<i32>,
}

/// A topic and its documents.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TopicReport {
    /// Partitions.
    pub partitions: usize,
    /// Partitions whose in-sync replicas are fewer than their replicas.
    pub under_replicated: usize,
    /// Partitions without a leader.
    pub without_leader: usize,
    /// Events in Kafka.
    pub events: Option<i64>,
    /// Events not yet acknowledged by the consumer.
    pub lag: Option<i64>,
    /// Documents in CouchDB.
    pub documents: Option<u64>,
    /// Dead letters in CouchDB.
    pub dead_letters: Option<u64>,
    /// Age of the newest event that is a document, in seconds.
    pub newest_age_seconds: Option<i64>,
}

/// What was heard of a node.
#[derive(Debug, Clone)]
pub enum Heard {
    /// Its answer.
    Facts(Box<Facts>),
    /// Why there is none.
    Nothing(String),
}

impl Report {
    /// Judges what was heard. `now` dates the newest events.
    pub fn new(
        topology: &Topology,
        id: &str,
        heard: &BTreeMap<String, Heard>,
        addresses: &BTreeMap<String, String>,
        now: jiff::Timestamp,
    ) -> Self {
        let mut problems = Vec::new();
        let mut nodes = BTreeMap::new();
        let mut inspection = None;
        for node in topology.nodes.values() {
            let mut report = NodeReport {
                address: addresses.get(&node.name).cloned(),
                ..NodeReport::default()
            };
            match heard.get(&node.name) {
                Some(Heard::Facts(facts)) => {
                    report.reachable = true;
                    judge_units(topology, &node.name, facts, &mut report, &mut problems);
                    if let Some(value) = &facts.pipeline {
                        match Inspect::deserialize(value) {
                            Ok(answer) => inspection = Some(answer),
                            Err(error) => problems.push(format!(
                                "{}: the pipeline's report is not readable: {error}",
                                node.name
                            )),
                        }
                    }
                }
                Some(Heard::Nothing(why)) => {
                    problems.push(format!("{}: {why}", node.name));
                    report.error = Some(why.clone());
                }
                None => {
                    problems.push(format!("{}: there is no machine", node.name));
                    report.error = Some("there is no machine".into());
                }
            }
            nodes.insert(node.name.clone(), report);
        }
        let (brokers, couchdb, topics) = if let Some(inspection) = &inspection {
            judge_pipeline(topology, inspection, now, &mut problems)
        } else {
            if topology.pipeline_node().is_some() {
                problems.push(
                    "topics and documents are not known: the node that answers for them did not"
                        .into(),
                );
            }
            (None, None, BTreeMap::new())
        };
        let expires = heard.values().filter_map(expiry).min();
        Self {
            format: 1,
            deployment: topology.name.clone(),
            cloud: topology.cloud.name().into(),
            id: id.into(),
            healthy: problems.is_empty(),
            problems,
            nodes,
            brokers,
            couchdb,
            topics,
            expires,
            lease: None,
            left: expires.map(|end| ttl::left(Some(end), now)),
        }
    }

    /// Adds when the lease ends, and that it has ended.
    pub fn set_lease_end(&mut self, end: jiff::Timestamp, now: jiff::Timestamp) {
        let words = super::lease_end::words(end, now);
        self.expires = Some(end);
        if end <= now {
            self.problems.insert(0, words.clone());
            self.healthy = false;
        }
        self.lease = Some(words);
    }

    /// The report as text.
    pub fn text(&self) -> String {
        let mut text = format!("{} on {} (id {})\n\n", self.deployment, self.cloud, self.id);
        for (name, node) in &self.nodes {
            let address = node.address.as_deref().unwrap_or("-");
            let _ = write!(text, "{name:<10} {address:<16} ");
            if let Some(error) = &node.error {
                let _ = write!(text, "{}", error.lines().next().unwrap_or_default());
            } else {
                let units: Vec<String> = node
                    .units
                    .iter()
                    .map(|(unit, state)| format!("{} {state}", short(unit, &self.deployment)))
                    .collect();
                text.push_str(&units.join(", "));
            }
            if let Some((acked, count)) = node.produced {
                let of = if count == 0 {
                    "∞".to_owned()
                } else {
                    count.to_string()
                };
                let _ = write!(text, " {acked}/{of}");
            }
            text.push('\n');
        }
        if let Some(brokers) = &self.brokers {
            let _ = write!(
                text,
                "\nbrokers    {} of {} alive",
                brokers.alive.len(),
                brokers.expected
            );
        }
        if let Some(left) = &self.left {
            let _ = write!(text, "\nmachines   {left}; `deployer extend` renews");
        }
        if let Some(lease) = &self.lease {
            let _ = write!(text, "\nmachines   {lease}");
        }
        if let Some(couchdb) = &self.couchdb {
            let _ = write!(text, "\ndocuments  in {couchdb}");
        }
        if !self.topics.is_empty() {
            let _ = write!(
                text,
                "\n\n{:<24} {:>10} {:>8} {:>8} {:>10} {:>12} {:>8}\n",
                "topic", "partitions", "in sync", "events", "documents", "dead letters", "newest"
            );
            for (name, topic) in &self.topics {
                let in_sync = if topic.under_replicated + topic.without_leader == 0 {
                    "all"
                } else {
                    "NOT ALL"
                };
                let newest = topic
                    .newest_age_seconds
                    .map_or("-".into(), |age| format!("{age} s"));
                let _ = writeln!(
                    text,
                    "{name:<24} {:>10} {in_sync:>8} {:>8} {:>10} {:>12} {newest:>8}",
                    topic.partitions,
                    shown(topic.events),
                    shown(topic.documents),
                    shown(topic.dead_letters),
                );
            }
        }
        text.push('\n');
        if self.healthy {
            text.push_str("all is well\n");
        } else {
            for problem in &self.problems {
                let _ = writeln!(text, "problem: {problem}");
            }
        }
        text
    }
}

/// When a machine powers itself off, by its own file.
fn expiry(heard: &Heard) -> Option<jiff::Timestamp> {
    let Heard::Facts(facts) = heard else {
        return None;
    };
    let text = facts.files.get(ttl::FILE)?.text.as_deref()?;
    jiff::Timestamp::from_second(text.trim().parse().ok()?).ok()
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".into(), |value| value.to_string())
}

fn short<'a>(unit: &'a str, deployment: &str) -> &'a str {
    let unit = unit.strip_suffix(".service").unwrap_or(unit);
    unit.strip_prefix(deployment)
        .and_then(|rest| rest.strip_prefix('-'))
        .unwrap_or(unit)
}

fn judge_units(
    topology: &Topology,
    node: &str,
    facts: &Facts,
    report: &mut NodeReport,
    problems: &mut Vec<String>,
) {
    for (name, unit) in &facts.units {
        let producer = name.contains(Role::Producer.name());
        let finished = producer && report_finished(facts);
        let state = match unit.active.as_str() {
            "active" => "running",
            "failed" => "failed",
            "inactive" if finished => "finished",
            _ if unit.runs() => "starting",
            _ => "stopped",
        };
        if !matches!(state, "running" | "finished") {
            problems.push(format!(
                "{node}: {name} is {state}; see `deployer logs {node}`"
            ));
        }
        report.units.insert(name.clone(), state.into());
    }
    if topology
        .nodes
        .get(node)
        .is_some_and(|node| node.has(Role::Producer))
    {
        let state = producer_state(facts);
        let waiting = state
            .as_ref()
            .map_or(0, |state| state.produced.saturating_sub(state.acked));
        if waiting > MAX_WAITING {
            problems.push(format!(
                "{node}: {waiting} events of its producer wait for an acknowledgement by Kafka"
            ));
        }
        report.produced = state.map(|state| (state.acked, state.count));
    }
}

fn report_finished(facts: &Facts) -> bool {
    producer_state(facts).is_some_and(|state| state.finished)
}

/// The state file of a node's producer, among the files that were asked for.
pub fn producer_state(facts: &Facts) -> Option<ProducerState> {
    let (_, file) = facts
        .files
        .iter()
        .find(|(path, _)| path.ends_with("/producer/state.json"))?;
    serde_json::from_str(file.text.as_deref()?).ok()
}

type PipelineReport = (
    Option<BrokersReport>,
    Option<String>,
    BTreeMap<String, TopicReport>,
);

fn judge_pipeline(
    topology: &Topology,
    inspection: &Inspect,
    now: jiff::Timestamp,
    problems: &mut Vec<String>,
) -> PipelineReport {
    let expected = topology.nodes_with(Role::Kafka).count();
    if let Some(error) = &inspection.kafka.error {
        problems.push(format!("kafka: {error}"));
    }
    let alive: Vec<i32> = inspection
        .kafka
        .brokers
        .iter()
        .map(|broker| broker.id)
        .collect();
    if inspection.kafka.reachable && alive.len() < expected {
        problems.push(format!(
            "kafka: {} of {expected} brokers are alive",
            alive.len()
        ));
    }
    let databases = inspection.couchdb.databases.iter();
    let documents: BTreeMap<&str, &Database> = databases
        .map(|database| (database.topic.as_str(), database))
        .collect();
    let has_couchdb = topology.couchdb_url().is_some();
    if has_couchdb && let Some(error) = &inspection.couchdb.error {
        problems.push(format!("couchdb: {error}"));
    }
    let mut topics = BTreeMap::new();
    for topic in topology.topics.values() {
        let seen = inspection
            .kafka
            .topics
            .iter()
            .find(|seen| seen.name == topic.name);
        let database = documents.get(topic.name.as_str());
        let partitions = seen.map_or(&[][..], |seen| &seen.partitions);
        let report = TopicReport {
            partitions: partitions.len(),
            under_replicated: partitions
                .iter()
                .filter(|partition| partition.isr.len() < partition.replicas.len())
                .count(),
            without_leader: partitions
                .iter()
                .filter(|partition| partition.leader < 0)
                .count(),
            events: seen.and_then(|seen| seen.messages),
            lag: seen.and_then(|seen| seen.lag),
            documents: database.and_then(|database| database.documents),
            dead_letters: database.and_then(|database| database.dead_letters),
            newest_age_seconds: database
                .and_then(|database| database.newest.as_deref())
                .and_then(|newest| newest.parse::<jiff::Timestamp>().ok())
                .map(|newest| now.duration_since(newest).as_secs().max(0)),
        };
        if inspection.kafka.reachable && report.partitions == 0 {
            problems.push(format!(
                "topic {} does not exist; `deployer up` makes it",
                topic.name
            ));
        }
        if report.under_replicated > 0 {
            problems.push(format!(
                "topic {}: {} partitions are not in sync on all replicas",
                topic.name, report.under_replicated
            ));
        }
        if report.without_leader > 0 {
            problems.push(format!(
                "topic {}: {} partitions have no leader",
                topic.name, report.without_leader
            ));
        }
        if inspection.couchdb.reachable && has_couchdb && report.documents.is_none() {
            problems.push(format!(
                "database {} does not exist; `deployer up` makes it",
                topic.database
            ));
        }
        if let Some(dead) = report.dead_letters.filter(|dead| *dead > 0) {
            problems.push(format!(
                "topic {}: {dead} dead letters in {}-dead-letters",
                topic.name, topic.database
            ));
        }
        topics.insert(topic.name.clone(), report);
    }
    let brokers = Some(BrokersReport { expected, alive });
    (brokers, inspection.couchdb.vendor.clone(), topics)
}
