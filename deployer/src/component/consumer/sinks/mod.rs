//! Where events go: which topics to the deployment's documents, and which to sinks with names.
//!
//! A new kind is a file here and a row in [`KINDS`]; the agents have a file for it, too, in `agent/src/sink`.

mod couchdb;
mod files;
mod mariadb;

use std::collections::BTreeMap;

use serde_json::Value;

use super::NAME;
use crate::component::place::Place;
use crate::component::{self, kafka};
use crate::inventory::{Findings, Inventory, Member, Section, Sink};
use crate::topology::{Topic, Topology};

/// A kind of sink.
pub trait Kind: Sync {
    /// Its key in an inventory, and its name for the agents.
    fn name(&self) -> &'static str;

    /// What may stand at its key.
    fn section(&self) -> Section;

    /// The component that it needs.
    fn needs(&self) -> Option<&'static str> {
        None
    }

    /// Whether it makes documents of the deployment's own store: the agents are told of that by topics and not by sinks.
    fn makes_documents(&self) -> bool {
        false
    }

    /// Whether a document of such a sink takes the place of an older one of its key.
    fn replaces(&self, _: &Sink) -> bool {
        false
    }

    /// Whether it has a place for the canaries, which prove the way to it.
    fn takes_canaries(&self) -> bool {
        false
    }

    /// The secret by which the consumer is let in: its component and its key.
    fn password(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// The places beside the consumer that nothing but the sink with this name may write to.
    fn places(&self, _name: &str, _: &Sink) -> Vec<String> {
        Vec::new()
    }

    /// The table that the sink with this name writes to, and the types of its columns; `None`: to none.
    fn table(&self, _name: &str, _: &Sink) -> Option<(String, BTreeMap<String, String>)> {
        None
    }

    /// Looks at what stands at `key` of the sink with this name.
    fn check(&self, _name: &str, _key: &str, _: &Sink, _: &mut Findings<'_>) {}

    /// What the agents are told of a sink, in their words.
    fn settings(&self, _: &Sink, _: &Told<'_>) -> BTreeMap<&'static str, Value> {
        BTreeMap::new()
    }
}

/// What a sink's settings are made of, beside what the inventory says.
pub struct Told<'a> {
    /// Its name.
    pub name: &'a str,
    /// A directory of its own.
    pub directory: String,
    /// Where the consumer's files are.
    pub place: &'a Place,
    /// The deployment.
    pub topology: &'a Topology,
}

/// The file of the password by which the consumer is let in to a kind of sinks.
pub fn password_file(kind: &dyn Kind) -> String {
    format!("{}-password", kind.name())
}

/// All kinds: a row for each.
pub static KINDS: &[&dyn Kind] = &[&couchdb::Couchdb, &files::Files, &mariadb::Mariadb];

/// Whether canaries come to a sink with a name.
pub fn take_canaries(topology: &Topology) -> bool {
    let mut kinds = topology.sinks.values().filter_map(kind);
    kinds.any(Kind::takes_canaries)
}

/// The kind of a sink; `None`: it names none, or several.
pub fn kind(sink: &Sink) -> Option<&'static dyn Kind> {
    let all = KINDS.iter().copied();
    let mut named = all.filter(|kind| sink.kinds.has(kind.name()));
    named.next().filter(|_| named.next().is_none())
}

/// The sinks that make no documents; topics are told whether they become documents. Without sinks, each does.
pub fn sinks(
    inventory: &Inventory,
    members: &[Member<'_>],
    topics: &mut BTreeMap<String, Topic>,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, Sink> {
    if inventory.sinks.is_empty() {
        return BTreeMap::new();
    }
    for topic in topics.values_mut() {
        // The canaries prove the way to documents, where there is one.
        topic.documented = topic.canary;
    }
    let has = |role| members.iter().any(|member| member.has(role));
    if !has(NAME) {
        findings.lacks(
            "sinks",
            "nobody writes to them: no node is a consumer",
            "give a node the role `consumer`",
        );
    }
    let mut found = BTreeMap::new();
    let mut places: BTreeMap<String, &str> = BTreeMap::new();
    for (name, sink) in &inventory.sinks {
        let key = format!("sinks.{name}");
        let Some(topic) = topics.get_mut(&sink.from) else {
            if has(kafka::NAME) {
                kafka::no_topic(format!("{key}.from"), &sink.from, topics, findings);
            }
            continue;
        };
        let Some(kind) = kind(sink) else {
            let names = KINDS.iter().map(|kind| format!("`{}`", kind.name()));
            let forms = KINDS.iter().map(|kind| format!("`{}: {{}}`", kind.name()));
            let or = |words: Vec<String>| words.join(" or ");
            findings.add(
                key,
                format!("must be of one kind: {}", or(names.collect())),
                format!("write {}", or(forms.collect())),
            );
            continue;
        };
        let key = format!("{key}.{}", kind.name());
        kind.check(name, &key, sink, findings);
        for place in kind.places(name, sink) {
            if let Some(other) = places.insert(place.clone(), name) {
                findings.add(
                    key.clone(),
                    format!("the sink `{other}` writes to {place} already"),
                    "name another place",
                );
            }
        }
        if let Some(needed) = kind.needs().filter(|needed| !has(needed)) {
            findings.lacks(
                key.clone(),
                format!("no node has {}", title(needed)),
                format!("give a node the role `{needed}`"),
            );
        }
        if !kind.makes_documents() {
            found.insert(name.clone(), sink.clone());
            continue;
        }
        if topic.documented {
            findings.add(
                key,
                format!("`{}` goes to {} already", sink.from, title(kind.name())),
                "take this sink away",
            );
        }
        topic.documented = true;
        topic.replaced = kind.replaces(sink);
    }
    found
}

/// A component's name as its makers write it.
fn title(name: &'static str) -> &'static str {
    component::named(name).map_or(name, component::Component::title)
}
