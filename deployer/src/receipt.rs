//! The receipt: what we own and cannot ask for. Plain versioned data; its file is `run/journal.rs`'s business.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::secret::Secret;

/// What a deployment must remember between runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Format of this file.
    pub version: u32,
    /// The deployment's random id: 12 hex digits.
    pub id: String,
    /// The deployment's name.
    pub name: String,
    /// The cloud it was made for.
    pub cloud: String,
    /// When the first `up` began, RFC 3339.
    pub created: String,
    /// The inventory of the last `up`, as text.
    pub inventory: String,
    /// Machines by node: those a cloud made for us, and the user's own that we use.
    pub machines: BTreeMap<String, MachineRecord>,
    /// Broker ids by node; given once, never changed.
    pub broker_ids: BTreeMap<String, u32>,
    /// Client numbers by node (`utilizations3` has 3); given once, never changed.
    pub client_numbers: BTreeMap<String, u32>,
    /// Topic → a random word made with the topic, part of the ids of foreign events' documents.
    pub epochs: BTreeMap<String, String>,
    /// Topics with an epoch that `--prune` let go: nobody reads them any more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pruned_topics: BTreeSet<String>,
    /// Choices made once: what `auto` became.
    pub choices: Choices,
    /// What a cloud keeps for itself, such as the local network's number.
    pub cloud_notes: BTreeMap<String, String>,
    /// Something was changed, and no canaries have proved since that events arrive: the next `up` owes that, even with nothing to do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unproven: bool,
}

impl Receipt {
    /// The newest format.
    pub const VERSION: u32 = 1;

    /// The receipt of a deployment of which nothing else is known.
    pub fn bare(id: &str, name: &str, cloud: &str) -> Self {
        Self {
            version: Self::VERSION,
            id: id.into(),
            name: name.into(),
            cloud: cloud.into(),
            created: String::new(),
            inventory: String::new(),
            machines: BTreeMap::new(),
            broker_ids: BTreeMap::new(),
            client_numbers: BTreeMap::new(),
            epochs: BTreeMap::new(),
            pruned_topics: BTreeSet::new(),
            choices: Choices::default(),
            cloud_notes: BTreeMap::new(),
            unproven: false,
        }
    }
}

impl Receipt {
    /// The topics that are read: all that were ever made, without those that were let go.
    pub fn read_topics(&self) -> BTreeSet<String> {
        let made = self.epochs.keys();
        made.filter(|topic| !self.pruned_topics.contains(*topic))
            .cloned()
            .collect()
    }
}

/// A machine of the deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineRecord {
    /// The cloud that gave it.
    pub cloud: String,
    /// What it gave; `None`: asked for, not yet answered.
    pub machine: Option<Machine>,
    /// The kinds of data the node holds (`zookeeper`, `kafka`, `couchdb`) once its services were started.
    pub data: Vec<String>,
}

/// Choices that are made once and then kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choices {
    /// Where Kafka's jars came from: `apache` or `maven`.
    pub kafka_source: Option<String>,
    /// Which CouchDB: `apache`, `archive` or `pouchdb`.
    pub couchdb_distribution: Option<String>,
    /// The engine of views that its archive wants, where the inventory does not say one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub couchdb_js_engine: Option<String>,
    /// The directory of the agents that `--agents` named; `None`: those beside the deployer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<String>,
}

/// The generated secrets of a deployment. Kept in a file of their own, mode 0600, beside the receipt.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// CouchDB's admin password.
    pub couchdb_admin_password: Secret,
    /// The same as CouchDB stores it (`-pbkdf2…`), with its own salt, so that the rendered file is stable.
    pub couchdb_admin_hash: Secret,
    /// The password of the agents' user.
    pub couchdb_user_password: Secret,
    /// Erlang's cookie.
    pub couchdb_cookie: Secret,
    /// CouchDB's server uuid: 32 hex digits.
    pub couchdb_uuid: String,
}

impl Secrets {
    /// What stands in their place in a plan before the first `up`, when there are none yet.
    pub fn placeholders() -> Self {
        let placeholder = || Secret::new("made at the first up");
        Self {
            couchdb_admin_password: placeholder(),
            couchdb_admin_hash: placeholder(),
            couchdb_user_password: placeholder(),
            couchdb_cookie: placeholder(),
            couchdb_uuid: "0".repeat(32),
        }
    }
}
