//! What is there of a deployment: plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// A machine of the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedMachine {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its public host key.
    pub host_key: String,
    /// The image below its disk is there.
    pub image_there: bool,
    /// It is switched on.
    pub runs: bool,
}

/// The base image that new machines get.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedImage {
    /// Its name.
    pub name: String,
    /// It is made.
    pub there: bool,
}

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// The deployment's directory exists.
    pub directory: bool,
    /// The recorded network.
    pub network: Option<Ipv4Net>,
    /// Networks that the box's routes and other deployments take.
    pub taken: Vec<Ipv4Net>,
    /// The bridge exists.
    pub bridge: bool,
    /// The nftables table exists; `None`: nobody but root may know.
    pub table: Option<bool>,
    /// That table keeps out what comes from outside the box; `None`: nobody but root may know.
    pub guarded: Option<bool>,
    /// Chains of the box's packet filters that drop what the bridge forwards, as far as one may know.
    pub closed: Vec<String>,
    /// The network works: bridge, address, forwarding, and the table and what it keeps out, as far as known.
    pub network_ready: bool,
    /// The image for new machines; looked for only when one is wanted.
    pub image: Option<ObservedImage>,
    /// Machines with a whole disk.
    pub machines: BTreeMap<String, ObservedMachine>,
    /// Nodes with something half-made or half-removed: files, or processes without a disk.
    pub parts: BTreeSet<String>,
}

impl Observed {
    /// All nodes that something is there of.
    pub(super) fn nodes(&self) -> BTreeSet<&String> {
        self.machines.keys().chain(&self.parts).collect()
    }
}
