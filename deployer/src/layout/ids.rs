//! Which numbers components' nodes get, and what stays of nodes that are no longer members.

use std::collections::{BTreeMap, BTreeSet};

use crate::component::pipeline::{LOG, database_name};
use crate::component::{self, Numbers};
use crate::inventory::Member;
use crate::topology::{Former, Ids, Topic};

impl Ids {
    /// These ids, with the lowest free ones for the members that have none yet. The ids of nodes that are no longer
    /// members stay taken.
    pub(super) fn extended(&self, members: &[Member<'_>]) -> Self {
        let mut ids = self.clone();
        for component in component::ALL {
            let Some(numbers) = component.numbers() else {
                continue;
            };
            let name = component.name();
            let given = ids.numbers.entry(name.to_owned()).or_default();
            let own = members.iter().filter(|member| member.has(name));
            if numbers == Numbers::KeptByRenamed {
                own.clone()
                    .for_each(|member| take_over(given, member, members));
            }
            extend(given, own.map(|member| member.name.as_str()));
        }
        ids
    }

    /// What earlier inventories had and this one has no more.
    pub(super) fn former(
        &self,
        members: &[Member<'_>],
        topics: &BTreeMap<String, Topic>,
    ) -> Former {
        let is_broker = |name: &str| {
            let mut brokers = members.iter().filter(|member| member.has(LOG.name()));
            brokers.any(|member| member.name == name)
        };
        let brokers = self
            .of(LOG.name())
            .iter()
            .filter(|(name, _)| !is_broker(name));
        let databases: BTreeSet<&str> = topics
            .values()
            .map(|topic| topic.database.as_str())
            .collect();
        let read: BTreeMap<String, String> = self
            .topics
            .iter()
            .map(|topic| (topic.clone(), database_name(topic)))
            // A database has one topic: a new one of a like name takes it over.
            .filter(|(topic, database)| {
                !topics.is_empty()
                    && !topics.contains_key(topic)
                    && !databases.contains(database.as_str())
            })
            .collect();
        let replaced = self.replaced.iter();
        let replaced = replaced.filter(|topic| read.contains_key(*topic));
        Former {
            brokers: brokers.map(|(name, id)| (*id, name.clone())).collect(),
            replaced: replaced.cloned().collect(),
            topics: read,
        }
    }
}

/// A `count` that comes or goes renames a node, `vm1` to `vm1-1` or back: it keeps its number.
fn take_over(numbers: &mut BTreeMap<String, u32>, member: &Member<'_>, members: &[Member<'_>]) {
    let entry = member.key.trim_start_matches("nodes.");
    let first = format!("{entry}-1");
    let before = if member.entry.count.is_none() {
        first
    } else if member.name == first {
        entry.to_owned()
    } else {
        return;
    };
    let is_member = members.iter().any(|member| member.name == before);
    if is_member || numbers.contains_key(&member.name) {
        return;
    }
    if let Some(number) = numbers.remove(&before) {
        numbers.insert(member.name.clone(), number);
    }
}

fn extend<'a>(given: &mut BTreeMap<String, u32>, names: impl Iterator<Item = &'a str>) {
    let mut taken: BTreeSet<u32> = given.values().copied().collect();
    let mut next = 1;
    for name in names {
        if given.contains_key(name) {
            continue;
        }
        while !taken.insert(next) {
            next += 1;
        }
        given.insert(name.to_owned(), next);
    }
}
