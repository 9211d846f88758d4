//! Numbers of brokers and clients, given once and never changed.

use std::collections::{BTreeMap, BTreeSet};

/// The numbers of brokers and clients, by node. They are kept in the receipt: a broker's id is in its data, and a
/// client's number in its topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids {
    /// Broker ids, from 1.
    pub broker_ids: BTreeMap<String, u32>,
    /// Client numbers, from 1.
    pub client_numbers: BTreeMap<String, u32>,
    /// Topics of earlier inventories that are read still, those of this one among them.
    pub topics: BTreeSet<String>,
}
