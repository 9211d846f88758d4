//! Numbers of components' nodes, given once and never changed.

use std::collections::{BTreeMap, BTreeSet};

/// The numbers of components' nodes. They are kept in the receipt: a broker's id is in its data, and a client's number in its
/// topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids {
    /// Component → node → its number, from 1.
    pub numbers: BTreeMap<String, BTreeMap<String, u32>>,
    /// Topics of earlier inventories that are read still, those of this one among them.
    pub topics: BTreeSet<String>,
    /// Those of them of which each key had one document when the inventory named them last.
    pub replaced: BTreeSet<String>,
}

impl Ids {
    /// The numbers of a component's nodes.
    pub fn of(&self, component: &str) -> &BTreeMap<String, u32> {
        static NONE: BTreeMap<String, u32> = BTreeMap::new();
        self.numbers.get(component).unwrap_or(&NONE)
    }
}
