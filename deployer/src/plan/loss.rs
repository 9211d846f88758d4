//! Data that is lost, or gone already, in words. What is known of data: the receipt says which nodes held some once their
//! services were started, the cloud says which machines are gone, the node says whether the directories are there.

use std::collections::{BTreeMap, BTreeSet};

use crate::component::pipeline::LOG;
use crate::component::{self, Component};
use crate::topology::Topic;

use super::check::inspect;
use super::data::{Data, begins_anew_with, data, holders, loss, recorded};
use super::{Desired, Loss, Situation, limits};

/// Data of a component that must go because what they rest on is new.
pub(super) struct Wipe {
    /// The component.
    pub(super) component: &'static dyn Component,
    /// The one that is new.
    pub(super) root: &'static dyn Component,
    /// The nodes that hold them.
    pub(super) nodes: BTreeSet<String>,
}

/// All data that must go because what they rest on is new.
pub(super) fn wipes(desired: &Desired, situation: &Situation<'_>) -> Vec<Wipe> {
    let wipes = component::ALL.iter().filter_map(|component| {
        let root = begins_anew_with(desired, situation, *component)?;
        let nodes = holders(desired, component.name()).filter(|node| {
            let data = data(desired, situation, node, component.name());
            matches!(data, Data::There | Data::Unknown)
        });
        Some(Wipe {
            component: *component,
            root,
            nodes: nodes.map(str::to_owned).collect(),
        })
    });
    wipes.filter(|wipe| !wipe.nodes.is_empty()).collect()
}

/// All losses but those of directories that are no longer wanted.
pub(super) fn losses(desired: &Desired, situation: &Situation<'_>) -> Vec<Loss> {
    let mut losses = Vec::new();
    for node in situation.receipt.machines.keys() {
        let kinds = |wanted: &dyn Fn(&str) -> bool| {
            let holding = component::ALL.iter().filter(|one| one.holds_data());
            let names = holding.map(|component| component.name());
            let names = names.filter(|name| recorded(situation, node, name) && wanted(name));
            let names: Vec<&str> = names.collect();
            (!names.is_empty()).then(|| names.join(" and "))
        };
        let words: Vec<String> = if situation.lost.contains(node) {
            let gone = kinds(&|_| true);
            gone.map(|kinds| format!("the data of {kinds} is gone with its machine"))
                .into_iter()
                .collect()
        } else if situation.prune && situation.orphans.contains(node) {
            let pruned = kinds(&|_| true);
            pruned
                .map(|kinds| format!("the data of {kinds} goes with its machine"))
                .into_iter()
                .collect()
        } else {
            let wanted = |component: &str| holders(desired, component).any(|holder| holder == node);
            let gone =
                kinds(&|one| wanted(one) && data(desired, situation, node, one) == Data::Gone);
            let replaced = kinds(&|one| !wanted(one) && starts_empty(desired, situation, one));
            gone.map(|kinds| format!("the data of {kinds} is no longer where it was"))
                .into_iter()
                .chain(replaced.map(|kinds| {
                    format!("another node takes over {kinds} and starts empty; the data here is left behind")
                }))
                .collect()
        };
        losses.extend(words.into_iter().map(|words| loss(situation, node, words)));
    }
    losses.extend(limits::losses(desired, situation));
    for wipe in wipes(desired, situation) {
        let words = format!(
            "the {}'s data is removed: {} starts anew, and with it {}",
            wipe.component.one(),
            wipe.root.title(),
            wipe.component.title()
        );
        let nodes = wipe.nodes.iter();
        losses.extend(nodes.map(|node| loss(situation, node, words.clone())));
    }
    losses
}

/// Whether a node should hold data of a component and never did, so that it takes another one's place.
fn starts_empty(desired: &Desired, situation: &Situation<'_>, component: &str) -> bool {
    holders(desired, component).any(|node| data(desired, situation, node, component) == Data::Never)
}

/// The topics of the receipt that will be made anew, or begin anew at offset 0: their epochs must be renewed before the plan is
/// made, or the documents of old and new events could share their ids. Call it once for a run, with the same situation as
/// [`super::compare()`].
pub fn epochs_to_renew(
    desired: &Desired,
    topics: &BTreeMap<String, Topic>,
    situation: &Situation<'_>,
) -> BTreeSet<String> {
    let had_data = |node: &str| recorded(situation, node, LOG.name());
    let ever = situation.receipt.machines.keys().any(|node| had_data(node));
    let all_anew = ever && begins_anew_with(desired, situation, LOG).is_some();
    let emptied = holders(desired, LOG.name())
        .filter(|node| data(desired, situation, node, LOG.name()) == Data::Gone)
        .count();
    let log = desired
        .pipeline
        .as_ref()
        .and_then(|(node, _)| situation.facts.get(node))
        .and_then(inspect)
        .map(|report| report.log)
        .filter(|log| log.reachable);
    topics
        .iter()
        .filter(|(name, _)| situation.receipt.epochs_of(LOG.name()).contains_key(*name))
        .filter(|(name, topic)| {
            let missing = log.as_ref().is_some_and(|log| {
                let mut there = log.topics.iter();
                !there.any(|topic| topic.name == **name && !topic.partitions.is_empty())
            });
            // All copies may have been on brokers that are empty now.
            let emptied = emptied > 0
                && usize::try_from(topic.replication).is_ok_and(|copies| copies <= emptied);
            all_anew || missing || emptied
        })
        .map(|(name, _)| name.clone())
        .collect()
}
