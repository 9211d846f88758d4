//! Taking all away again, from the manifests alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::step::{Action, Item, Manifest};
use crate::topology::Role;

use super::stale::{stop, take_away};
use super::{Change, Loss, Plan};

/// The stages in which services stop, and the roles that stop in each: who depends on another stops before it. A unit that is
/// none of these (the name has to end with the role's) stops with the last.
const STOPS: [(&str, &[Role]); 3] = [
    ("stop agents", &[Role::Producer, Role::Consumer]),
    ("stop kafka", &[Role::Kafka]),
    ("stop zookeeper, couchdb", &[Role::Zookeeper, Role::Couchdb]),
];

const BECAUSE: &str = "teardown";

/// Makes the plan that undoes all that the manifests of a deployment's nodes list. With `keep_data`, directories of data stay, with
/// the users they belong to and a manifest that lists them. Debian packages stay.
///
/// Undoing what is gone already succeeds, so the plan may run again after a failure: each manifest goes last.
pub fn teardown(manifests: &BTreeMap<String, Manifest>, keep_data: bool) -> Plan {
    let mut plan = Plan::default();
    for (index, (name, _)) in STOPS.iter().enumerate() {
        let lanes = manifests.iter().map(|(node, manifest)| {
            let units = manifest.items.iter().rev();
            let units = units.filter(|item| stop_stage(item) == Some(index));
            let stops = units.flat_map(|item| stop(node, item, BECAUSE)).collect();
            (node.clone(), stops)
        });
        plan.push(name, lanes.collect());
    }
    let mut removals = BTreeMap::new();
    let mut ends = BTreeMap::new();
    for (node, manifest) in manifests {
        let (_, items): (Vec<Item>, Vec<Item>) = manifest
            .items
            .iter()
            .cloned()
            .partition(|item| matches!(item, Item::Unit { .. }));
        let away = take_away(node, &items, &[], keep_data, BECAUSE);
        removals.insert(node.clone(), away.changes);
        ends.insert(node.clone(), end(node, manifest, &away.kept));
        tell(&mut plan, node, manifest, &away.kept);
    }
    plan.push("remove", removals);
    plan.push("manifest", ends);
    plan
}

/// The number of the stage in which a unit stops.
fn stop_stage(item: &Item) -> Option<usize> {
    let Item::Unit { unit } = item else {
        return None;
    };
    let name = unit
        .rsplit_once('.')
        .map_or(unit.as_str(), |(name, _)| name);
    let known = STOPS
        .iter()
        .position(|(_, roles)| roles.iter().any(|role| name.ends_with(role.name())));
    Some(known.unwrap_or(STOPS.len() - 1))
}

/// The last steps on a node: the manifest goes, or shrinks to what is kept; then directories of ours where nothing is left in them.
fn end(node: &str, manifest: &Manifest, kept: &[Item]) -> Vec<Change> {
    let path = Manifest::path(&manifest.deployment);
    let last = if kept.is_empty() {
        Action::RemoveFile { path: path.clone() }
    } else {
        Action::WriteManifest {
            manifest: Manifest {
                items: kept.to_vec(),
                ..manifest.clone()
            },
        }
    };
    let mut paths: Vec<String> = manifest
        .items
        .iter()
        .filter_map(Item::path)
        .map(str::to_owned)
        .collect();
    paths.push(path);
    paths.push(crate::step::loaded_record(""));
    let parents: BTreeSet<String> = paths.iter().flat_map(|path| parents(path)).collect();
    let listed = |path: &String| {
        let mut items = manifest.items.iter();
        items.any(|item| matches!(item, Item::Directory { path: listed, .. } if listed == path))
    };
    // Sorted the other way round, what is inside comes first.
    let parents = parents.into_iter().rev().filter(|path| !listed(path));
    std::iter::once(last)
        .chain(parents.map(|path| Action::RemoveEmptyDirectory { path }))
        .map(|action| Change::new(node, action, BECAUSE))
        .collect()
}

/// The directories above a path that are ours: those named `deployer` and all below them.
fn parents(path: &str) -> Vec<String> {
    let mut parents = Vec::new();
    let mut parent = path;
    while let Some((above, _)) = parent.rsplit_once('/') {
        if above.split('/').any(|part| part == "deployer") {
            parents.push(above.to_owned());
        }
        parent = above;
    }
    parents
}

/// Says what is lost and what stays.
fn tell(plan: &mut Plan, node: &str, manifest: &Manifest, kept: &[Item]) {
    for item in &manifest.items {
        let Item::Directory { path, data: true } = item else {
            continue;
        };
        if kept.contains(item) {
            plan.notes
                .push(format!("{node}: {path} stays with the data in it"));
        } else {
            plan.losses.push(Loss {
                node: node.into(),
                words: format!("{path} is removed with the data in it"),
                // A teardown is asked for by name and confirmed as a whole.
                allowed: true,
            });
        }
    }
    for item in kept {
        if let Item::User { user } = item {
            plan.notes
                .push(format!("{node}: user {user} stays, the data is theirs"));
        }
    }
    if !manifest.packages.is_empty() {
        let packages: Vec<&str> = manifest.packages.iter().map(String::as_str).collect();
        plan.notes.push(format!(
            "{node}: these Debian packages came with the deployment and stay: {}",
            packages.join(", ")
        ));
    }
}
