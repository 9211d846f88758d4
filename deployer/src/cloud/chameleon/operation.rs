//! Operations: what may be done to a project. Plain data; behaviour is in `apply.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::marks::Purpose;
use crate::cloud::rules::Rule;

/// One operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Makes a lease for machines and waits until it is active.
    Lease {
        /// Its name.
        name: String,
        /// When it ends.
        end: Timestamp,
        /// Flavor → how many servers of it.
        flavors: BTreeMap<String, u64>,
    },
    /// Waits for a lease that is on its way.
    AwaitLease {
        /// Which.
        id: String,
        /// What for.
        purpose: Purpose,
        /// The nodes that the floating IPs are for that it gives.
        nodes: BTreeSet<String>,
    },
    /// Gets floating IPs: by a lease where the site has some to give, else without one.
    Address {
        /// The external network they are of.
        network: String,
        /// The lease's name and end; `None`: without a lease.
        lease: Option<(String, Timestamp)>,
        /// The nodes they are for.
        nodes: BTreeSet<String>,
    },
    /// Makes what is missing of a network of our own: itself, or its subnet.
    Network {
        /// Its range.
        cidr: Ipv4Net,
        /// Its name servers; none: the site's usual ones.
        name_servers: Vec<Ipv4Addr>,
    },
    /// Makes what is missing of the way out of our own network: the router, or its leg in the network.
    Router {
        /// The external network.
        external: String,
    },
    /// Makes the security group.
    Group,
    /// Lets more in.
    Allow {
        /// The group; `None`: the new one.
        group: Option<String>,
        /// What.
        rules: BTreeSet<Rule>,
        /// Addresses that are noted, so that the next plan wants them, too.
        ssh_from: Option<String>,
    },
    /// Lets less in.
    Revoke {
        /// Rule → its id.
        rules: BTreeMap<String, String>,
    },
    /// Makes a server and waits until it runs.
    Launch(Launch),
    /// Starts a server that is off and waits until it runs.
    Start {
        /// Its node.
        node: String,
        /// Which.
        server: String,
        /// The floating IP that is led to it.
        address: Option<Floating>,
    },
    /// Waits for a server that is on its way.
    Await {
        /// Its node.
        node: String,
        /// Which.
        server: String,
        /// The floating IP that is led to it.
        address: Option<Floating>,
    },
    /// Leads a floating IP to a server.
    Attach {
        /// Its node.
        node: String,
        /// Which.
        server: String,
        /// The floating IP.
        address: Floating,
    },
    /// Lets leases end later, those that do not do so anyway.
    Extend {
        /// What they are for.
        purpose: Purpose,
        /// Which.
        leases: BTreeSet<String>,
        /// When they end at the earliest.
        end: Timestamp,
    },
    /// Deletes servers with their disks, and waits until they are gone.
    Terminate {
        /// Which.
        servers: BTreeSet<String>,
    },
    /// Deletes one thing that is not a server.
    Delete {
        /// What kind.
        kind: Kind,
        /// Which.
        id: String,
    },
}

/// How a server is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// Its node.
    pub node: String,
    /// Its flavor.
    pub flavor: Flavor,
    /// Its image's id.
    pub image: String,
    /// Its network's id; `None`: the new one of our own.
    pub network: Option<String>,
    /// The security group; `None`: the new one.
    pub group: Option<String>,
    /// The floating IP that is led to it.
    pub address: Option<Floating>,
}

/// A floating IP for a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Floating {
    /// One that is there.
    There(String),
    /// The one that was just got for the node.
    New,
}

/// Under which flavor a server is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flavor {
    /// One of the site's.
    Public(String),
    /// A reservation that is there.
    Reserved(String),
    /// The reservation of this flavor in the new lease.
    New(String),
}

/// Kinds of things, in the order in which they are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A server.
    Server,
    /// A floating IP.
    Address,
    /// A security group.
    Group,
    /// A router, with its legs.
    Router,
    /// A network, with its subnets.
    Network,
    /// A lease.
    Lease,
}

impl Kind {
    /// The kind in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Server => "machine",
            Self::Address => "floating IP",
            Self::Group => "security group",
            Self::Router => "router",
            Self::Network => "network",
            Self::Lease => "lease",
        }
    }
}
