//! Tunnels from the operator's box to a component.

use crate::topology::Topology;

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

    /// What to say where tunnels are open: a line each. `secrets` is the file with passwords.
    fn words(&self, ends: &[TunnelEnd], topology: &Topology, secrets: &str) -> Vec<String>;

    /// What to do where a tunnel ended.
    fn hint(&self) -> &'static str;
}
