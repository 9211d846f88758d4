//! Tunnels from the operator's box to a component.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::topology::{Node, Topology};

/// The end of a tunnel on the operator's box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelEnd {
    /// The node at the other end.
    pub node: String,
    /// The address here.
    pub address: String,
    /// The port here.
    pub port: u16,
}

/// How a tunnel to a component is used.
pub trait Tunnel: Sync {
    /// Whether it sends its clients to the names and ports of its nodes, so that each node needs an address of its own here, with
    /// the same port.
    fn leads_by_name(&self) -> bool {
        false
    }

    /// Whether one ends at a node of its.
    fn ends_at(&self, _: &Node, _: &Topology) -> bool {
        true
    }

    /// The names that lead to its nodes, where it leads by names, and the addresses that they must have here.
    fn names(&self, _ends: &[TunnelEnd], _: &Topology) -> BTreeMap<String, Option<IpAddr>> {
        BTreeMap::new()
    }

    /// What to say where tunnels are open: a line each. `secrets` is the file with passwords; `named` says that the names lead to
    /// the tunnels already.
    fn words(
        &self,
        ends: &[TunnelEnd],
        topology: &Topology,
        secrets: &str,
        named: bool,
    ) -> Vec<String>;

    /// What to do where a tunnel ended.
    fn hint(&self) -> &'static str;
}
