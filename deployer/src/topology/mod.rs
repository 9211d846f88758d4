//! The topology: the inventory after defaults, names and ids are filled in. Pure.
//!
//! [`Topology::new`] is in [`crate::layout`], with the checks of what must fit together.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use self::ids::Ids;
pub use self::options::Options;
pub use crate::inventory::{
    Architecture, AwsCloud, CANONICAL, ChameleonCloud, CloudKind, CloudName, Clouds, End, Image,
    LeaseTime, LocalCloud, Machines, OnTtl, SHORTEST_TTL, Sections, Security, Seller, Sink, Site,
    StateCopy, Ttl,
};
use crate::machine::Access;

mod ids;
mod options;

/// A deployment as it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Topology {
    /// The deployment's name.
    pub name: String,
    /// The cloud of nodes that name no other.
    pub cloud: CloudName,
    /// Whether members know each other by certificates and passwords, and speak TLS.
    pub security: Security,
    /// The encrypted copy on the nodes of what another laptop needs; `None`: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_copy: Option<StateCopy>,
    /// Nodes by name.
    pub nodes: BTreeMap<String, Node>,
    /// Topics, the canaries' included, by name.
    pub topics: BTreeMap<String, Topic>,
    /// Where events go beside or instead of the documents, by name.
    pub sinks: BTreeMap<String, Sink>,
    /// What earlier inventories had and this one has no more.
    pub former: Former,
    /// What the sections of components say.
    pub sections: Sections,
    /// What each cloud needs.
    pub clouds: Clouds,
}

/// A node as it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// Its name: a host label.
    pub name: String,
    /// What it does.
    pub roles: BTreeSet<String>,
    /// Where it lives.
    pub cloud: CloudName,
    /// Memory in MiB that the machine has (or gets, where the cloud asks). 0: a host of the user's, of which the
    /// inventory does not say.
    pub memory_mib: u64,
    /// The numbers it has by its roles, given once and never changed.
    pub numbers: BTreeMap<String, u32>,
    /// What its roles do on it, where that is not the same on each node.
    pub sections: Sections,
    /// How it is reached, for a host the user has.
    pub access: Option<Access>,
    /// The addresses by which a user's host is seen: by other such hosts, and from elsewhere.
    pub private_address: Option<std::net::IpAddr>,
    /// See `private_address`.
    pub public_address: Option<std::net::IpAddr>,
}

impl Node {
    /// Whether the node has a role.
    pub fn has(&self, role: &str) -> bool {
        self.roles.contains(role)
    }

    /// Its number by a role.
    pub fn number(&self, role: &str) -> Option<u32> {
        self.numbers.get(role).copied()
    }
}

/// A topic and its database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// The database its events go to.
    pub database: String,
    /// Whether they go there.
    pub documented: bool,
    /// Whether each key has one document there, of its newest record.
    pub replaced: bool,
    /// Partitions.
    pub partitions: u32,
    /// Copies.
    pub replication: u32,
    /// Settings by their own names.
    pub config: BTreeMap<String, String>,
    /// The canaries' own.
    pub canary: bool,
}

/// What stays of earlier inventories until the user says `--prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Former {
    /// Brokers by id: the nodes they were on.
    pub brokers: BTreeMap<u32, String>,
    /// Topics that are read still, and their databases: whoever sends to them was not stopped.
    pub topics: BTreeMap<String, String>,
    /// Those of them of which each key has one document.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub replaced: BTreeSet<String>,
}

/// The canaries' topic.
pub const CANARY_TOPIC: &str = "deployer-canaries";

impl Topology {
    /// The nodes that have a role, in order of their names.
    pub fn nodes_with<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a Node> + Clone {
        self.nodes.values().filter(move |node| node.has(role))
    }

    /// The name by which members know a node: `vm2.utilization.internal`.
    pub fn host_name(&self, node: &str) -> String {
        format!("{node}.{}.internal", self.name)
    }
}
