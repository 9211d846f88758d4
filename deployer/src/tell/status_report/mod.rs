//! What `status` shows: a documented, stable shape (`"format": 1`), as text or JSON. Its fields keep the names they were documented
//! by, a product's among them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize as _, Serialize};

use crate::cloud::ends;
use crate::component::pipeline::{self as parts, LOG, STORE};
use crate::component::{self, StreamReport};
use crate::facts::{DiskFact, Facts};
use crate::figures::Figures;
use crate::inspect::Inspect;
use crate::receipt::Choices;
use crate::tell::lease_end;
use crate::topology::{Security, Topology};

mod node;
mod pipeline;
mod text;

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
    /// Whether members know each other by certificates and passwords, and speak TLS.
    pub security: Security,
    /// All is well.
    pub healthy: bool,
    /// What is not, in words.
    pub problems: Vec<String>,
    /// What else is worth knowing, in words.
    pub notes: Vec<String>,
    /// Nodes by name.
    pub nodes: BTreeMap<String, NodeReport>,
    /// Brokers in the metadata and how many there should be.
    pub brokers: Option<BrokersReport>,
    /// What answers for the documents, by its own name.
    #[serde(rename = "couchdb")]
    pub store: Option<String>,
    /// Topics by name, the canaries' included.
    pub topics: BTreeMap<String, TopicReport>,
    /// Streams by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub streams: BTreeMap<String, StreamReport>,
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
    /// How far its sender is: acknowledged events and events wanted (0: no end).
    pub produced: Option<(u64, u64)>,
    /// What its running agents say of themselves, by role.
    pub agents: BTreeMap<String, AgentReport>,
}

/// What a running agent says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AgentReport {
    /// Why it has no figures; then all others are empty.
    pub error: Option<String>,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The brokers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokersReport {
    /// How many there should be.
    pub expected: usize,
    /// Those in the metadata: ids.
    pub alive: Vec<i32>,
    /// Those of them that the inventory does not name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<i32>,
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
    /// Events in it.
    pub events: Option<i64>,
    /// Events not taken yet.
    pub lag: Option<i64>,
    /// Documents of it.
    pub documents: Option<u64>,
    /// Dead letters of it that nobody has put away.
    pub dead_letters: Option<u64>,
    /// Dead letters that were put away, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub put_away: Option<u64>,
    /// Age of the newest event that is a document, in seconds.
    pub newest_age_seconds: Option<i64>,
    /// What sinks with names hold of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sinks: BTreeMap<String, SinkReport>,
    /// The inventory does not name it any more; it is read until `up --prune`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub former: bool,
}

/// What a sink holds of a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SinkReport {
    /// Records.
    pub records: Option<u64>,
    /// Dead letters beside them.
    pub dead_letters: Option<u64>,
    /// Age of the newest event, in seconds.
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
        let (mut problems, mut notes) = (Vec::new(), Vec::new());
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
                    node::judge_units(topology, node, facts, &mut report, &mut problems);
                    node::judge_agents(topology, node, facts, &mut report, &mut problems);
                    let full: BTreeSet<String> =
                        facts.disks.values().filter_map(DiskFact::full).collect();
                    problems.extend(
                        full.into_iter()
                            .map(|disk| format!("{}: {disk}; free some space there", node.name)),
                    );
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
                    // Most reasons say themselves whose they are.
                    problems.push(match why.strip_prefix(&format!("{}: ", node.name)) {
                        Some(_) => why.clone(),
                        None => format!("{}: {why}", node.name),
                    });
                    report.error = Some(why.clone());
                }
                None => {
                    problems.push(format!("{}: there is no machine", node.name));
                    report.error = Some("there is no machine".into());
                }
            }
            nodes.insert(node.name.clone(), report);
        }
        node::note_the_left(topology, heard, &mut notes);
        let (brokers, store, topics) = if let Some(inspection) = &inspection {
            let mut said = pipeline::Said {
                problems: &mut problems,
                notes: &mut notes,
            };
            pipeline::judge_pipeline(topology, inspection, now, &mut said)
        } else {
            problems.extend(unanswered(topology, heard));
            (None, None, BTreeMap::new())
        };
        let log = inspection.map(|inspection: Inspect| inspection.log);
        let streams = node::streams(topology, heard, &log.unwrap_or_default(), now);
        let expires = heard.values().filter_map(expiry).min();
        Self {
            format: 1,
            deployment: topology.name.clone(),
            cloud: topology.cloud.name().into(),
            id: id.into(),
            security: topology.security,
            healthy: problems.is_empty(),
            problems,
            notes,
            nodes,
            brokers,
            store,
            topics,
            streams,
            expires,
            lease: None,
            left: expires.map(|end| ends::power_off(Some(end), now)),
        }
    }

    /// Adds what of a node is no longer as the last `up` left it.
    pub fn set_drift(&mut self, node: &str, changed: &[String]) {
        let problems = changed
            .iter()
            .map(|thing| format!("{node}: {thing}; `deployer up` mends it"));
        self.problems.extend(problems);
        self.healthy = self.problems.is_empty();
    }

    /// Adds where security stops: it is off, or something stands in for a component.
    pub fn set_plain_text(&mut self, topology: &Topology, choices: &Choices) {
        if !topology.security.is_on() {
            self.notes.push(
                "security is off: all is plain text without a login, and whoever reaches these machines reads, writes and deletes it"
                    .to_owned(),
            );
            return;
        }
        for component in component::ALL {
            let stands_in = component.stand_in(topology, choices);
            let nodes = topology.nodes_with(component.name());
            let notes = stands_in.into_iter().zip(nodes).map(|(name, node)| {
                format!(
                    "{}: {name} stands in for {} and speaks plain text: whoever reaches this machine can read along",
                    node.name,
                    component.title()
                )
            });
            self.notes.extend(notes);
        }
    }

    /// Adds when the lease ends by the receipt, and that it has ended: not where a machine under it still answers.
    pub fn set_lease_end(&mut self, end: jiff::Timestamp, now: jiff::Timestamp, answers: bool) {
        let words = ends::lease(end, now);
        self.expires = Some(end);
        if end <= now && answers {
            self.expires = None;
            self.lease = Some(lease_end::ANSWERED.into());
            return;
        }
        if end <= now {
            self.problems.insert(0, words.clone());
            self.healthy = false;
        }
        self.lease = Some(words);
    }
}

/// Why nothing is known of the pipeline, in words; `None`: there is none.
fn unanswered(topology: &Topology, heard: &BTreeMap<String, Heard>) -> Option<String> {
    let node = &parts::node(topology)?.name;
    let tool = parts::tool(topology)?;
    let why = match heard.get(node) {
        Some(Heard::Facts(facts)) => {
            let asked = [&tool.program, &tool.config];
            let gone = asked
                .into_iter()
                .find(|path| !facts.files.is_empty() && !facts.files.contains_key(*path));
            match gone {
                Some(path) => format!(
                    "{path}, which asks {} and {}, is missing on {node}; `deployer up` brings it",
                    LOG.title(),
                    STORE.title()
                ),
                None => format!(
                    "`{} inspect` on {node} answered nothing; see `deployer logs {node}`",
                    tool.program
                ),
            }
        }
        _ => format!("{node}, which answers for them, does not answer"),
    };
    Some(format!("topics and documents are not known: {why}"))
}

/// When a machine powers itself off, by its own file.
fn expiry(heard: &Heard) -> Option<jiff::Timestamp> {
    let Heard::Facts(facts) = heard else {
        return None;
    };
    let text = facts.files.get(ends::POWER_OFF_FILE)?.text.as_deref()?;
    jiff::Timestamp::from_second(text.trim().parse().ok()?).ok()
}
