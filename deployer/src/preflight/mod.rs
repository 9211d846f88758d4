//! Preflight: whether a node can carry its roles at all. Pure; asked before the first change.

use std::fmt;

mod identity;
mod system;
mod ways;

pub use identity::{mistaken_addresses, same_machines};
pub use system::{AgentNeeds, MAX_CLOCK_SKEW_MS, full_disks, obstacles};
pub use ways::{closed_ports, lost_ways, ways_in};

/// Why a node cannot do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// The node.
    pub node: String,
    /// What is wrong, with figures.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}; {}", self.node, self.what, self.hint)
    }
}
