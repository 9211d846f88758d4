//! Floating IPs in the plan: which node has which, and which are still to be got. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::marks::{self, Purpose};
use super::observed::{Address, Server};
use super::operation::{Floating, Operation};
use super::view::{View, await_lease, offers, stage, step};
use crate::cloud::{CloudError, CloudStep};

/// Node → the floating IP that leads to it.
pub(super) fn led<'a>(
    view: &View<'a>,
    chosen: &BTreeMap<&str, &Server>,
) -> BTreeMap<String, &'a Address> {
    let public = view.settings.public(view.wanted);
    let mut led = BTreeMap::new();
    for (node, server) in chosen.iter().filter(|(node, _)| public.contains(**node)) {
        let own = server.address().map(|(_, own)| own);
        let mut addresses = view.observed.addresses.iter();
        if let Some(address) = addresses.find(|one| one.to.is_some() && one.to == own) {
            led.insert((*node).to_owned(), address);
        }
    }
    led
}

/// Plans floating IPs for the nodes that have none: what is free of ours, what leases that are on their way will give, and new ones.
pub(super) fn plan(
    view: &View<'_>,
    led: &BTreeMap<String, &Address>,
    end: Option<jiff::Timestamp>,
    steps: &mut Vec<CloudStep>,
) -> Result<BTreeMap<String, Floating>, CloudError> {
    let mut lacking = view.settings.public(view.wanted);
    lacking.retain(|node| !led.contains_key(node));
    let mut given = BTreeMap::new();
    let taken: BTreeSet<&str> = led.values().map(|one| one.id.as_str()).collect();
    let mut free: Vec<&Address> = view.observed.addresses.iter().collect();
    free.retain(|one| !taken.contains(one.id.as_str()));
    // One that leads to a machine which needs none any more is the last choice.
    free.sort_by_key(|one| (one.to.is_some(), one.address));
    // First those that were got for one of them.
    for any in [false, true] {
        for node in lacking.clone() {
            let fits = |one: &&Address| any || one.marks.get(marks::NODE) == Some(&node);
            if let Some(place) = free.iter().position(fits) {
                let address = free.remove(place);
                lacking.remove(&node);
                given.insert(node, Floating::There(address.id.clone()));
            }
        }
    }
    for lease in &view.observed.leases {
        if lease.purpose != Purpose::Address || !lease.comes() {
            continue;
        }
        let coming: u64 = lease.reservations.iter().map(|one| one.amount).sum();
        let nodes = take(&mut lacking, usize::try_from(coming).unwrap_or(usize::MAX));
        given.extend(nodes.iter().map(|node| (node.clone(), Floating::New)));
        steps.push(await_lease(lease, nodes));
    }
    if !lacking.is_empty() {
        let name = marks::lease_name(view.wanted, Purpose::Address, view.now);
        let words = match lacking.len() {
            1 => "get a floating IP".to_owned(),
            n => format!("get {n} floating IPs"),
        };
        let names: Vec<&str> = lacking.iter().map(String::as_str).collect();
        let words = format!("{words} for {}", names.join(", "));
        given.extend(lacking.iter().map(|node| (node.clone(), Floating::New)));
        let operation = Operation::Address {
            network: offers(view)?.external.clone(),
            lease: end.map(|end| (name, end)),
            nodes: lacking,
        };
        steps.push(step(stage::LEASE, words, operation));
    }
    Ok(given)
}

/// Takes the first few of a set.
fn take(set: &mut BTreeSet<String>, n: usize) -> BTreeSet<String> {
    let first: BTreeSet<String> = set.iter().take(n).cloned().collect();
    set.retain(|one| !first.contains(one));
    first
}
