//! What stands in the way on hosts that are the user's own.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::facts::Facts;
use crate::hosts_table;
use crate::step::{Action, Item, Manifest, archive_marker};

use super::{Desired, Situation};

/// Something is there that is not ours: nothing is changed before the user has decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The node.
    pub node: String,
    /// What is there, in words.
    pub what: String,
    /// What the user can do.
    pub hint: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.node, self.what)
    }
}

/// All conflicts.
pub(super) fn conflicts(desired: &Desired, situation: &Situation<'_>) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    for node in desired.nodes() {
        let Some(facts) = situation.facts.get(node) else {
            continue;
        };
        if let Some(conflict) = other_deployment(desired, node, facts) {
            conflicts.push(conflict);
        } else if situation.strict.contains(node) {
            let known = situation.known.contains(node);
            things(desired, node, facts, known, &mut conflicts);
            ports(desired, node, facts, &mut conflicts);
        }
    }
    conflicts
}

/// The manifest of this very deployment, if the node has it.
pub(super) fn our_manifest<'a>(desired: &Desired, facts: &'a Facts) -> Option<&'a Manifest> {
    facts
        .manifest
        .as_ref()
        .filter(|manifest| manifest.id == desired.id)
}

fn other_deployment(desired: &Desired, node: &str, facts: &Facts) -> Option<Conflict> {
    let manifest = facts.manifest.as_ref()?;
    (manifest.id != desired.id).then(|| Conflict {
        node: node.into(),
        what: format!(
            "another deployment named {} lies here (id {}, ours is {})",
            desired.deployment, manifest.id, desired.id
        ),
        hint: "take that one away with `deployer teardown` (its receipt is lost? with `--inventory FILE`, too), or choose another --name".into(),
    })
}

/// Whether a node whose manifest is gone has something of ours all the same: the receipt knows the machine, and something lies
/// there that can only be this deployment's.
fn lost_manifest(desired: &Desired, node: &str, facts: &Facts, known: bool) -> bool {
    known
        && facts.manifest.is_none()
        && has_our_own(&desired.items(node), &desired.deployment, facts)
}

/// Whether some of the items that carry the deployment's name are there.
pub(super) fn has_our_own(items: &[Item], deployment: &str, facts: &Facts) -> bool {
    let own = items.iter().filter(|item| item.is_named_for(deployment));
    own.filter(|item| item.path() != Some(&place_of_manifest(deployment)))
        .any(|item| there(item, facts).is_some())
}

/// The directory of the manifest itself: that it is left behind empty says nothing.
fn place_of_manifest(deployment: &str) -> String {
    let path = Manifest::path(deployment);
    path.rsplit_once('/')
        .map_or(String::new(), |(directory, _)| directory.to_owned())
}

fn things(
    desired: &Desired,
    node: &str,
    facts: &Facts,
    known: bool,
    conflicts: &mut Vec<Conflict>,
) {
    let manifest = our_manifest(desired, facts);
    let lost = lost_manifest(desired, node, facts, known);
    let listed = |item: &Item| {
        lost || manifest.is_some_and(|manifest| {
            manifest.items.iter().any(|listed| listed.is(item))
                || (known && item.is_named_for(&desired.deployment))
        })
    };
    let packaged: BTreeSet<&str> = desired
        .actions(node)
        .filter_map(|action| match action {
            Action::CreateUser {
                user,
                packaged: true,
                ..
            } => Some(user.as_str()),
            _ => None,
        })
        .collect();
    for item in desired
        .items(node)
        .into_iter()
        .chain(filled(desired, node, facts))
    {
        if listed(&item) {
            continue;
        }
        // A package's user is nobody's: it stays where the package, or only its data, does.
        if matches!(&item, Item::User { user } if packaged.contains(user.as_str())) {
            continue;
        }
        conflicts.extend(there(&item, facts).map(|thing| Conflict {
            node: node.into(),
            what: format!("{thing} is there and not ours"),
            hint: "move it away, or take another host".into(),
        }));
    }
}

/// The directories that packages would fill, where somebody's archive is unpacked instead: that of another deployment, which would run
/// on with half of each.
fn filled(desired: &Desired, node: &str, facts: &Facts) -> Vec<Item> {
    let places = desired.actions(node).filter_map(|action| match action {
        Action::InstallFromRepository(wanted) if !facts.packages.contains(&wanted.package) => {
            let path = wanted.place.clone();
            facts
                .files
                .contains_key(&archive_marker(&path))
                .then_some(path)
        }
        _ => None,
    });
    places
        .map(|path| Item::Directory { path, data: false })
        .collect()
}

/// An item that is there, in words; `None`: it is not.
pub(super) fn there(item: &Item, facts: &Facts) -> Option<String> {
    match item {
        Item::File { path } => facts
            .files
            .contains_key(path)
            .then(|| format!("file {path}")),
        Item::Directory { path, .. } => (facts.files.contains_key(path)
            || facts.files.contains_key(&archive_marker(path)))
        .then(|| format!("directory {path}")),
        // One that neither runs nor starts at boot is in nobody's way: a package brings its own, which stays after a
        // teardown. One with a file where ours belongs is found by that file.
        Item::Unit { unit } => facts
            .units
            .get(unit)
            .filter(|unit| unit.runs() || unit.enabled)
            .map(|_| format!("unit {unit}")),
        Item::User { user } => facts.users.contains(user).then(|| format!("user {user}")),
        Item::HostsTable { block } if facts.hosts_block.is_some() => {
            Some(format!("block {block} of /etc/hosts"))
        }
        Item::HostsTable { block } => {
            let path = hosts_table::unit_path(block);
            let there = facts.files.contains_key(&path);
            there.then(|| format!("file {path}"))
        }
        Item::Firewall { table } => facts
            .tables
            .contains_key(table)
            .then(|| format!("firewall table {table}")),
    }
}

fn ports(desired: &Desired, node: &str, facts: &Facts, conflicts: &mut Vec<Conflict>) {
    let mut wanted = BTreeSet::new();
    let mut ours = BTreeSet::new();
    for action in desired.actions(node) {
        match action {
            Action::WaitForPort { port, .. } => {
                wanted.insert(*port);
            }
            Action::WriteFirewall { ports, .. } => wanted.extend(ports),
            Action::StartUnit { unit, .. } => {
                ours.insert(unit.as_str());
            }
            _ => {}
        }
    }
    if let Some(manifest) = our_manifest(desired, facts) {
        ours.extend(manifest.items.iter().filter_map(|item| match item {
            Item::Unit { unit } => Some(unit.as_str()),
            _ => None,
        }));
    }
    for port in wanted {
        let owner = facts.ports.get(&port);
        conflicts.extend(
            owner
                .filter(|owner| !ours.contains(owner.as_str()))
                .map(|owner| Conflict {
                    node: node.into(),
                    what: format!(
                        "port {port} is taken by {}",
                        if owner.is_empty() {
                            "a program that this host does not name"
                        } else {
                            owner
                        }
                    ),
                    hint: "stop that, or choose another port in the inventory".into(),
                }),
        );
    }
}
