//! Users of the brokers beside the agents: whose programs may read or write which topics.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NAME;
use super::topic_name::no_topic;
use crate::authority::OPERATOR_NAME;
use crate::component::users::is_agents;
use crate::inventory::{Findings, Inventory, Member};
use crate::rights::Right;
use crate::topology::{Topic, Topology};

/// The key of those topics whose documents a user may read.
const DOCUMENTS: &str = "read_documents";

/// Users of programs that are not in the inventory, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("propertyNames" = {"format": "user-name"}))]
pub struct UsersSection(pub BTreeMap<String, User>);

/// A user. Its consumer groups begin with its name and `-`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct User {
    /// Topics whose events it may read.
    pub read: Vec<String>,
    /// Topics to which it may send events.
    pub write: Vec<String>,
    /// Topics whose documents it may read in `CouchDB`. Writing these is slower, because each is looked at.
    pub read_documents: Vec<String>,
}

impl User {
    /// Its topics, by key: what it may read, what it may write, and what it may read the documents of.
    fn topics(&self) -> [(&'static str, &[String]); 3] {
        [
            ("read", &self.read),
            ("write", &self.write),
            (DOCUMENTS, &self.read_documents),
        ]
    }
}

/// What users may do.
pub fn rights(topology: &Topology) -> Vec<Right> {
    let UsersSection(users) = topology.sections.get();
    let of = |(name, user): (&String, &User)| {
        let on = |topics: &[String], may: &str| -> Vec<Right> {
            let topics = topics.iter();
            topics
                .map(|topic| Right::on_topic(name, topic, may))
                .collect()
        };
        let mut rights = [on(&user.read, "read"), on(&user.write, "write")].concat();
        if !user.read.is_empty() {
            rights.push(Right::on_groups(name, &groups(name), "read"));
        }
        rights
    };
    users.iter().flat_map(of).collect()
}

/// Those who read documents, each with its databases.
pub fn readers(topology: &Topology) -> BTreeMap<&str, BTreeSet<&str>> {
    let UsersSection(users) = topology.sections.get();
    let mut readers = BTreeMap::<&str, BTreeSet<&str>>::new();
    for (name, user) in users {
        let topics = user.read_documents.iter();
        for topic in topics.filter_map(|topic| topology.topics.get(topic)) {
            readers.entry(name).or_default().insert(&topic.database);
        }
    }
    readers
}

/// What the groups of a user begin with.
pub fn groups(user: &str) -> String {
    format!("{user}-")
}

/// Names of the deployer's and its agents', which are told from users by them alone.
fn is_taken(name: &str) -> bool {
    let first = name.split('-').next();
    is_agents(name) || [OPERATOR_NAME, "admin"].map(Some).contains(&first)
}

/// What may be a user's name.
pub(in crate::component) fn check_user_name(name: &str) -> Result<(), String> {
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    let fits = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-';
    if !begins || name.ends_with('-') || name.len() > 32 || !name.chars().all(fits) {
        return Err(
            "must be at most 32 lower-case letters, digits and `-`, with a letter first and no `-` last".to_owned(),
        );
    }
    if is_taken(name) {
        return Err("is a name that the deployer's own users have, or begin with".to_owned());
    }
    Ok(())
}

/// Looks at all but the names of topics.
pub(super) fn check(inventory: &Inventory, members: &[Member<'_>], findings: &mut Findings<'_>) {
    let UsersSection(users) = inventory.sections.get();
    if users.is_empty() {
        return;
    }
    if !members.iter().any(|member| member.has(NAME)) {
        findings.lacks(
            "users",
            "users need Kafka, and no node has it",
            "give a node the role `kafka`",
        );
    }
    if !inventory.security.is_on() {
        findings.add(
            "users",
            "nobody would ask them for a password: `security` is off, and so everybody may do everything",
            "set `security: on`, or take `users` away",
        );
    }
    for (name, user) in users {
        if user.topics().iter().all(|(_, topics)| topics.is_empty()) {
            findings.add(
                format!("users.{name}"),
                "may do nothing",
                "name topics that it may `read` or `write`, or whose documents: `read_documents`",
            );
        }
    }
    let names: Vec<&String> = users.keys().collect();
    for name in &names {
        let within = |other: &&&String| name.starts_with(&groups(other));
        if let Some(other) = names.iter().find(within) {
            findings.add(
                format!("users.{name}"),
                format!("begins like the groups of `{other}`, who could take part in its own"),
                "give it a name of another beginning",
            );
        }
    }
}

/// Looks at the names of topics whose documents are read: there must be such documents.
pub fn check_documents(
    inventory: &Inventory,
    topics: &BTreeMap<String, Topic>,
    has_store: bool,
    findings: &mut Findings<'_>,
) {
    let UsersSection(users) = inventory.sections.get();
    for (name, user) in users {
        for (index, topic) in user.read_documents.iter().enumerate() {
            let known = topics.get(topic);
            if known.is_some_and(|known| !known.documented || !has_store) {
                findings.lacks(
                    format!("users.{name}.{DOCUMENTS}[{index}]"),
                    format!("`{topic}` has no documents: its events do not go to CouchDB"),
                    "add a node with the role `couchdb`, and a sink to it where there are `sinks`, or take it away",
                );
            }
        }
    }
}

/// Looks at the names of topics.
pub(super) fn check_topics(
    inventory: &Inventory,
    topics: &BTreeMap<String, Topic>,
    findings: &mut Findings<'_>,
) {
    let UsersSection(users) = inventory.sections.get();
    for (name, user) in users {
        for (right, named) in user.topics() {
            for (index, topic) in named.iter().enumerate() {
                if topics.get(topic).is_none_or(|topic| topic.canary) {
                    let key = format!("users.{name}.{right}[{index}]");
                    no_topic(key, topic, topics, findings);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check_user_name;

    #[test]
    fn names_are_told_from_our_own() {
        for good in ["grader", "shop-2", "consumers", "x"] {
            assert_eq!(check_user_name(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "Grader",
            "2shop",
            "a_b",
            "a-",
            "a b",
            "consumer",
            "producer-vm1",
            "deployer",
            "CN=x",
        ] {
            assert!(check_user_name(bad).is_err(), "{bad}");
        }
    }
}
