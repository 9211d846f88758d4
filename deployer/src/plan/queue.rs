//! What differs on one node of one stage: of what should be done there, what is not so already.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::facts::Facts;
use crate::step::{Action, Item, Manifest};

use super::check::{Check, check};
use super::conflict::our_manifest;
use super::desired::Desired;
use super::query::alternatives;
use super::unit::{self, Need};
use super::{Change, Restart};

/// What differs of one queue.
pub(super) struct Queue {
    pub(super) changes: Vec<Change>,
    pub(super) restarts: Vec<Restart>,
}

/// Compares what should be done on a node with what it says.
pub(super) fn queue(
    desired: &Desired,
    node: &str,
    actions: &[Action],
    all: &BTreeMap<String, Facts>,
    kept: &[Item],
    absent: &str,
) -> Queue {
    let facts = all.get(node);
    let mut queue = Queue {
        changes: Vec::new(),
        restarts: Vec::new(),
    };
    let mut started: BTreeSet<&str> = BTreeSet::new();
    for action in actions {
        let whole = match action {
            Action::WriteManifest { manifest } => Action::WriteManifest {
                manifest: complete(desired, manifest, facts, kept),
            },
            other => of_all_addresses(other, all),
        };
        let Some(facts) = facts else {
            queue.changes.push(Change::new(node, whole, absent));
            continue;
        };
        match (check(&whole, facts), action) {
            (Check::Differs { because, diff }, _) => {
                queue.changes.push(Change {
                    diff,
                    ..Change::new(node, whole, because)
                });
            }
            // It listens now, but it is about to be started again.
            (Check::Satisfied, Action::WaitForPort { unit, .. })
                if started.contains(unit.as_str()) =>
            {
                queue
                    .changes
                    .push(Change::new(node, whole, "after the start"));
                continue;
            }
            (Check::Satisfied, _) => continue,
        }
        if let Action::StartUnit {
            unit,
            reads,
            finishes,
            foreign,
        } = action
        {
            started.insert(unit);
            if let Need::Restart(because) =
                unit::need(unit, reads, finishes.as_deref(), *foreign, facts)
            {
                queue.restarts.push(Restart {
                    node: node.into(),
                    unit: unit.clone(),
                    because,
                });
            }
        }
    }
    queue
}

/// The action as it is with what nodes say of their addresses: a firewall admits members from all of them.
pub fn of_all_addresses(action: &Action, facts: &BTreeMap<String, Facts>) -> Action {
    let mut whole = action.clone();
    if let Action::WriteFirewall { members, .. } = &mut whole {
        *members = with_secondary(members, facts);
    }
    whole
}

/// The members with the other addresses that each has at the interface where we know one: it may speak from any of them.
fn with_secondary(
    members: &BTreeMap<String, Option<IpAddr>>,
    facts: &BTreeMap<String, Facts>,
) -> BTreeMap<String, Option<IpAddr>> {
    let mut all = members.clone();
    for (node, known) in members {
        let (Some(known), Some(facts)) = (known, facts.get(node)) else {
            continue;
        };
        let Some(interface) = facts.addresses.get(known) else {
            continue;
        };
        let beside = facts.addresses.iter().filter(|(address, at)| {
            *at == interface && *address != known && address.is_ipv4() == known.is_ipv4()
        });
        all.extend(beside.map(|(address, _)| (format!("{node} {address}"), Some(*address))));
    }
    all
}

/// The manifest with what only the node can tell: packages that were not there before us, and old items that stay.
fn complete(
    desired: &Desired,
    wanted: &Manifest,
    facts: Option<&Facts>,
    kept: &[Item],
) -> Manifest {
    let mut packages: BTreeSet<String> = facts
        .and_then(|facts| our_manifest(desired, facts))
        .map(|manifest| manifest.packages.clone())
        .unwrap_or_default();
    let there = |name: &str| facts.is_some_and(|facts| facts.packages.contains(name));
    packages.extend(
        desired
            .packages(&wanted.node)
            .into_iter()
            .filter(|entry| !alternatives(entry).any(there)),
    );
    Manifest {
        items: kept.iter().chain(&wanted.items).cloned().collect(),
        packages,
        ..wanted.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::IpAddr;

    use super::with_secondary;
    use crate::facts::Facts;

    #[test]
    fn a_member_may_speak_from_any_address_of_its_interface() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let on = |text: &str, interface: &str| (address(text), interface.to_owned());
        let facts = Facts {
            addresses: BTreeMap::from([
                on("10.0.0.5", "eth0"),
                on("10.0.0.50", "eth0"),
                on("fd00::5", "eth0"),
                on("172.17.0.1", "docker0"),
            ]),
            ..Facts::default()
        };
        let facts = BTreeMap::from([("vm2".to_owned(), facts)]);
        let members = |known: &str| {
            let members = [
                ("vm2".to_owned(), Some(address(known))),
                ("vm3".to_owned(), Some(address("10.0.0.6"))),
                ("vm4".to_owned(), None),
            ];
            let all = with_secondary(&members.into(), &facts);
            let mut all: Vec<String> = all.values().flatten().map(ToString::to_string).collect();
            all.sort();
            all
        };
        assert_eq!(members("10.0.0.50"), ["10.0.0.5", "10.0.0.50", "10.0.0.6"]);
        assert_eq!(members("192.0.2.1"), ["10.0.0.6", "192.0.2.1"]);
    }
}
