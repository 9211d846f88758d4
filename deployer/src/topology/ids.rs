//! Numbers of brokers and clients: given once, never changed.

use std::collections::{BTreeMap, BTreeSet};

use super::members::Member;
use crate::inventory::Role;

/// The numbers of brokers and clients, by node. They are kept in the receipt: a broker's id is in its data, and a
/// client's number in its topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids {
    /// Broker ids, from 1.
    pub broker_ids: BTreeMap<String, u32>,
    /// Client numbers, from 1.
    pub client_numbers: BTreeMap<String, u32>,
}

impl Ids {
    /// These ids, with the lowest free ones for the members that have none yet. The ids of nodes that are no longer
    /// members stay taken.
    pub(super) fn extended(&self, members: &[Member<'_>]) -> Self {
        let with = |role| {
            members
                .iter()
                .filter(move |member| member.has(role))
                .map(|member| member.name.as_str())
        };
        Self {
            broker_ids: extended(&self.broker_ids, with(Role::Kafka)),
            client_numbers: extended(&self.client_numbers, with(Role::Producer)),
        }
    }
}

fn extended<'a>(
    given: &BTreeMap<String, u32>,
    names: impl Iterator<Item = &'a str>,
) -> BTreeMap<String, u32> {
    let mut ids = given.clone();
    let mut taken: BTreeSet<u32> = given.values().copied().collect();
    let mut next = 1;
    for name in names {
        if ids.contains_key(name) {
            continue;
        }
        while !taken.insert(next) {
            next += 1;
        }
        ids.insert(name.to_owned(), next);
    }
    ids
}
