//! Leases in the plan. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::marks::{self, Purpose};
use super::observed::{Address, Lease, RESERVED, Size};
use super::operation::{Flavor, Floating, Kind, Operation};
use super::view::{View, await_lease, offers, stage, step};
use super::{costs, floating};
use crate::cloud::reconcile::Listed as _;
use crate::cloud::{CloudError, CloudStep};

/// What the leases are to become.
#[derive(Debug, Default)]
pub(super) struct Reserved {
    /// What is to be done.
    pub(super) steps: Vec<CloudStep>,
    /// Missing node → the flavor it is made under. None where there are no leases.
    pub(super) flavors: BTreeMap<String, Flavor>,
    /// Node that no floating IP leads to yet → the one that it gets.
    pub(super) addresses: BTreeMap<String, Floating>,
    /// When the first of the leases ends, as it will be.
    pub(super) end: Option<Timestamp>,
    /// What the user should know of the leases.
    pub(super) remarks: Vec<String>,
}

/// Plans leases for the missing nodes, and floating IPs. `led` are those that lead to their nodes already.
pub(super) fn plan(
    view: &View<'_>,
    missing: &BTreeSet<&str>,
    led: &BTreeMap<String, &Address>,
) -> Result<Reserved, CloudError> {
    let mut reserved = Reserved::default();
    let counting = || view.observed.counting(Purpose::Machines);
    let end = end(view, counting());
    for lease in &view.observed.leases {
        // One that failed before it gave anything still may hold hosts. What is not known here is left alone.
        if lease.failed() && !view.observed.hangs_on(lease) {
            let words = format!(
                "delete the lease {}, which failed and gave nothing",
                lease.id
            );
            let (kind, id) = (Kind::Lease, lease.id.clone());
            let delete = Operation::Delete { kind, id };
            reserved.steps.push(step(stage::FAILED, words, delete));
        }
        reserved.remarks.extend(remark(view, lease));
        if lease.purpose == Purpose::Machines && lease.comes() {
            reserved.steps.push(await_lease(lease, BTreeSet::new()));
        }
    }
    if let Some(end) = end {
        let living = counting().filter(|lease| lease.lives());
        let new = fill(view, missing, living, &mut reserved)?;
        if !new.is_empty() {
            let catalog = offers(view)?;
            let offer = |flavor: &String| {
                let mut offers = catalog.flavors.values();
                offers.find(|offer| offer.id == *flavor)
            };
            let counted = || {
                new.iter()
                    .filter_map(|(flavor, n)| Some((offer(flavor)?, *n)))
            };
            let counts: Vec<String> = counted()
                .map(|(offer, count)| format!("{count} {}", offer.name))
                .collect();
            let time = end.duration_since(view.now);
            let costs = costs::words(catalog.site, counted(), time);
            reserved.remarks.push(costs);
            let words = format!("lease {} until {end}", counts.join(" and "));
            let name = marks::lease_name(view.wanted, Purpose::Machines, view.now);
            let operation = Operation::Lease {
                name,
                end,
                flavors: new,
            };
            reserved.steps.push(step(stage::LEASE, words, operation));
        }
    }
    reserved.addresses = floating::plan(view, led, end, &mut reserved.steps)?;
    let ends = counting()
        .map(|lease| lease.end)
        .filter(|end| *end > view.now);
    let new = end.filter(|_| {
        let made = |flavor: &Flavor| matches!(flavor, Flavor::New(_));
        reserved.flavors.values().any(made)
    });
    reserved.end = ends.chain(new).min();
    Ok(reserved)
}

/// What is to be said of a lease on which something hangs, and that is neither in order nor over.
fn remark(view: &View<'_>, lease: &Lease) -> Option<String> {
    if lease.lives() || lease.ended() || lease.failed() && !view.observed.hangs_on(lease) {
        return None;
    }
    let (id, status, end) = (&lease.id, &lease.status, lease.end);
    let machines = view.observed.machines_of(lease);
    let nodes: Vec<&str> = machines.filter_map(|server| server.node()).collect();
    let what = match (lease.purpose, nodes.as_slice()) {
        (Purpose::Machines, []) => "it is left alone".to_owned(),
        (Purpose::Machines, nodes) if end > view.now => format!(
            "{} run on until it ends at {end}, and are deleted then with all documents on them: `deployer export FILE` saves the \
             documents",
            nodes.join(", ")
        ),
        (Purpose::Machines, nodes) => format!(
            "it was to end at {end}, and {} still run: `deployer export FILE` saves the documents before the site notices",
            nodes.join(", ")
        ),
        (Purpose::Address, _) => format!("its floating IP stays until it ends at {end}"),
    };
    Some(format!("the lease {id} is {status} at the site; {what}"))
}

/// When new leases end: with those that are there, so that all goes at once. `None`: without leases.
fn end<'a>(view: &View<'_>, living: impl Iterator<Item = &'a Lease>) -> Option<Timestamp> {
    let time = view.settings.lease.0?;
    let ends = living.map(|lease| lease.end);
    if let Some(end) = ends.filter(|end| *end > view.now).min() {
        return Some(end);
    }
    let end = view.now.checked_add(time).ok()?.as_second();
    // Leases are counted in whole minutes.
    Timestamp::from_second(end - end.rem_euclid(60) + 60).ok()
}

/// Gives missing nodes what is free in the leases that are there; what must be leased anew.
fn fill<'a>(
    view: &View<'_>,
    missing: &BTreeSet<&str>,
    living: impl Iterator<Item = &'a Lease>,
    reserved: &mut Reserved,
) -> Result<BTreeMap<String, u64>, CloudError> {
    let mut free: Vec<(Size, &str, u64)> = living
        .flat_map(|lease| &lease.reservations)
        .map(|one| {
            let name = format!("{RESERVED}{}", one.id);
            let servers = view.observed.servers.iter();
            let used = servers
                // One that failed is deleted first.
                .filter(|server| {
                    server.flavor == name && server.lives() && server.status != "ERROR"
                })
                .count();
            let used = u64::try_from(used).unwrap_or(u64::MAX);
            (one.size, one.id.as_str(), one.amount.saturating_sub(used))
        })
        .collect();
    let mut new: BTreeMap<String, u64> = BTreeMap::new();
    for node in missing {
        let offer = &offers(view)?.flavors[*node];
        let slot = free
            .iter_mut()
            .find(|(size, _, left)| *size == offer.size && *left > 0);
        let flavor = if let Some((_, id, left)) = slot {
            *left -= 1;
            Flavor::Reserved((*id).into())
        } else {
            *new.entry(offer.id.clone()).or_default() += 1;
            Flavor::New(offer.id.clone())
        };
        reserved.flavors.insert((*node).to_owned(), flavor);
    }
    Ok(new)
}
