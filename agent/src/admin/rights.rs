//! Kafka's rights: which user may do what with which topics and groups. What no right allows is forbidden.

use std::collections::{BTreeMap, BTreeSet};

use kafka_admin::{Acl, Operation, Pattern, Permission, Resource};
use serde::{Deserialize, Serialize};

/// The address that stands for all.
const ANY: &str = "*";
/// What names of users begin with where Kafka says who may.
const USER: &str = "User:";

/// What a user may do with something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Right {
    /// The user; `*` is everybody.
    pub user: String,
    /// With what.
    #[serde(flatten)]
    pub on: On,
    /// Whether the name is how names begin.
    #[serde(default, skip_serializing_if = "is_not")]
    pub prefix: bool,
    /// What the user may do.
    pub may: BTreeSet<Operation>,
    /// The only address from which; never wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Whether it is what the user may not do; never wanted.
    #[serde(default, skip_serializing_if = "is_not")]
    pub denied: bool,
}

/// What rights are on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// A topic.
    Topic(String),
    /// A consumer group.
    Group(String),
    /// The cluster as a whole.
    Cluster(String),
    /// The id of a producer with transactions.
    TransactionalId(String),
    /// Something else.
    Unknown(String),
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_not(value: &bool) -> bool {
    !value
}

/// What became of rights.
#[derive(Debug, Serialize)]
pub struct Changed {
    given: Vec<Right>,
    taken: Vec<Right>,
}

impl Changed {
    pub(super) fn new(given: &BTreeSet<Acl>, taken: &BTreeSet<Acl>) -> Self {
        Self {
            given: rights(given),
            taken: rights(taken),
        }
    }
}

impl Right {
    fn acls(&self) -> impl Iterator<Item = Acl> + '_ {
        let (resource, name) = match &self.on {
            On::Topic(name) => (Resource::Topic, name),
            On::Group(name) => (Resource::Group, name),
            On::Cluster(name) => (Resource::Cluster, name),
            On::TransactionalId(name) => (Resource::TransactionalId, name),
            On::Unknown(name) => (Resource::Unknown, name),
        };
        self.may.iter().map(move |operation| Acl {
            principal: format!("{USER}{}", self.user),
            host: self.host.clone().unwrap_or_else(|| ANY.to_owned()),
            resource,
            name: name.clone(),
            pattern: if self.prefix {
                Pattern::Prefixed
            } else {
                Pattern::Literal
            },
            operation: *operation,
            permission: if self.denied {
                Permission::Deny
            } else {
                Permission::Allow
            },
        })
    }
}

/// Returns the rules that are wanted.
pub(super) fn wanted(rights: &[Right]) -> BTreeSet<Acl> {
    rights.iter().flat_map(Right::acls).collect()
}

/// Returns the rules of users; Kafka itself knows nobody else.
pub(super) fn of_users(acls: Vec<Acl>) -> BTreeSet<Acl> {
    let of_user = |acl: &Acl| acl.principal.starts_with(USER);
    acls.into_iter().filter(of_user).collect()
}

/// Puts rules together: all that a user may do with something is one right.
pub(super) fn rights(acls: &BTreeSet<Acl>) -> Vec<Right> {
    let mut rights: BTreeMap<Right, BTreeSet<Operation>> = BTreeMap::new();
    for acl in acls {
        let on = match acl.resource {
            Resource::Topic => On::Topic,
            Resource::Group => On::Group,
            Resource::Cluster => On::Cluster,
            Resource::TransactionalId => On::TransactionalId,
            Resource::Unknown => On::Unknown,
        };
        let user = acl.principal.strip_prefix(USER).unwrap_or(&acl.principal);
        let right = Right {
            user: user.to_owned(),
            on: on(acl.name.clone()),
            prefix: acl.pattern == Pattern::Prefixed,
            may: BTreeSet::new(),
            host: (acl.host != ANY).then(|| acl.host.clone()),
            denied: acl.permission != Permission::Allow,
        };
        rights.entry(right).or_default().insert(acl.operation);
    }
    rights
        .into_iter()
        .map(|(right, may)| Right { may, ..right })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rights_are_read_and_told_in_the_same_words() {
        let told = json!([
            {"user": "c", "topic": "t", "prefix": true, "may": ["read", "describe"]},
            {"user": "c", "group": "g", "may": ["read"]},
            {"user": "*", "cluster": "kafka-cluster", "may": ["alter"], "host": "10.0.0.1", "denied": true},
        ]);
        let read: Vec<Right> = serde_json::from_value(told.clone()).unwrap();
        let acls = wanted(&read);
        assert_eq!(acls.len(), 4);
        let mut again = serde_json::to_value(rights(&acls)).unwrap();
        let again = again.as_array_mut().unwrap();
        again.rotate_left(1);
        assert_eq!(json!(again), told);
    }
}
