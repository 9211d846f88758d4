//! Who may do what with topics and groups, as the tool takes and tells it, and how a password is known that nobody tells. Plain data,
//! see the agents' contract.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::step::sha256;

/// What a user may do with something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Right {
    /// The user.
    pub user: String,
    /// The topic that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The group that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What the user may do.
    pub may: BTreeSet<String>,
    /// What few rights of ours have, that the name is a beginning, or none: other things, addresses, what is forbidden.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

impl Right {
    /// A right on a topic.
    pub fn on_topic(user: &str, topic: &str, may: &str) -> Self {
        Self {
            user: user.to_owned(),
            topic: Some(topic.to_owned()),
            group: None,
            may: [may.to_owned()].into(),
            more: BTreeMap::new(),
        }
    }

    /// A right on a group.
    pub fn on_group(user: &str, group: &str, may: &str) -> Self {
        Self {
            topic: None,
            group: Some(group.to_owned()),
            ..Self::on_topic(user, "", may)
        }
    }

    /// A right on all groups whose names begin so.
    pub fn on_groups(user: &str, beginning: &str, may: &str) -> Self {
        Self {
            more: [("prefix".to_owned(), Value::Bool(true))].into(),
            ..Self::on_group(user, beginning, may)
        }
    }

    /// A right on the transactions that have this id.
    pub fn on_transactions(user: &str, id: &str, may: &str) -> Self {
        Self {
            topic: None,
            more: [("transactional_id".to_owned(), Value::String(id.to_owned()))].into(),
            ..Self::on_topic(user, "", may)
        }
    }

    /// Each thing that it allows, in words: `x: write topic t`.
    pub fn words(&self) -> impl Iterator<Item = String> + '_ {
        let named =
            |kind, name: &Option<String>| name.as_ref().map(|name| format!("{kind} {name}"));
        let on = named("topic", &self.topic).or_else(|| named("group", &self.group));
        let more = self.more.iter().map(|(key, value)| match value {
            Value::String(text) => format!("{key} {text}"),
            value => format!("{key}: {value}"),
        });
        let of: Vec<String> = on.into_iter().chain(more).collect();
        let of = of.join(", ");
        self.may
            .iter()
            .map(move |may| format!("{}: {may} {of}", self.user))
    }
}

/// The mark of a user's password: how often it is hashed, which is all that brokers tell of it. The agents make the same one.
pub fn mark(user: &str, password: &str) -> u16 {
    let digest = sha256(format!("{user}\0{password}").as_bytes());
    let first = u16::from_str_radix(&digest[..4], 16).unwrap_or_default();
    8192 + first % 8192
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Right, mark};

    /// The agents read the same file.
    #[test]
    fn marks_are_those_of_the_agents() {
        for case in include_str!("../../tests/fixtures/password-marks.tsv").lines() {
            let words: Vec<&str> = case.split('\t').collect();
            assert_eq!(mark(words[0], words[1]).to_string(), words[2], "{case}");
        }
    }

    #[test]
    fn whatever_brokers_allow_has_words() {
        let right =
            json!({"user": "*", "cluster": "x", "may": ["alter", "create"], "denied": true});
        let right: Right = serde_json::from_value(right).expect("a right");
        let words: Vec<String> = right.words().collect();
        let alter = "*: alter cluster x, denied: true";
        assert_eq!(words, [alter, "*: create cluster x, denied: true"]);
        let own = Right::on_group("a", "g", "read");
        assert_eq!(own.words().next().as_deref(), Some("a: read group g"));
        let told = json!({"user": "a", "group": "g", "may": ["read"]});
        assert_eq!(json!(own), told);
    }
}
