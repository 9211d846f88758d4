//! Taking all away again, from the manifests alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::component::Component;
use crate::component::order::{self, Together};
use crate::step::{Action, Item, Manifest, loaded_record, parents};

use super::stale::{Away, stop, take_away};
use super::{Change, Loss, Plan};

const BECAUSE: &str = "teardown";

/// Makes the plan that undoes all that the manifests of a deployment's nodes list. With `keep_data`, directories of data stay, with
/// the users they belong to and a manifest that lists them. Debian packages stay.
///
/// Undoing what is gone already succeeds, so the plan may run again after a failure: each manifest goes last, and only the
/// directories around it go after it. (An empty manifest makes the plan that removes those.)
pub fn teardown(manifests: &BTreeMap<String, Manifest>, keep_data: bool) -> Plan {
    let mut plan = Plan::default();
    let stops = order::stops();
    for (index, together) in stops.iter().enumerate() {
        let mut stopped = BTreeSet::new();
        let mut queues = BTreeMap::new();
        for (node, manifest) in manifests {
            let units = manifest.items.iter().rev();
            let units = units.filter(|item| stop_stage(item, &stops) == Some(index));
            let units: Vec<&Item> = units.collect();
            let own = together
                .iter()
                .filter(|one| units.iter().any(|unit| is_of(unit, **one)));
            stopped.extend(own.map(|component| component.name()));
            let stops = units.iter().flat_map(|item| stop(node, item, BECAUSE));
            queues.insert(node.clone(), stops.collect());
        }
        let of_it = together.iter().filter(|one| stopped.contains(one.name()));
        plan.push(&format!("stop {}", order::words(of_it)), queues);
    }
    let mut removals = BTreeMap::new();
    let mut ends = BTreeMap::new();
    for (node, manifest) in manifests {
        let path = Manifest::path(&manifest.deployment);
        let (around, items): (Vec<Item>, Vec<Item>) = manifest
            .items
            .iter()
            .filter(|item| !matches!(item, Item::Unit { .. }))
            .cloned()
            .partition(|item| item.contains(&path));
        let Away { changes, kept } = take_away(node, &items, &[], keep_data, BECAUSE);
        tell(&mut plan, node, manifest, &kept);
        removals.insert(node.clone(), changes);
        ends.insert(node.clone(), end(node, manifest, &around, kept));
    }
    plan.push("remove", removals);
    plan.push("manifest", ends);
    plan
}

/// The number of the stage in which a unit stops: that of its component, else the last.
fn stop_stage(item: &Item, stops: &[Together]) -> Option<usize> {
    let is_known = |together: &Together| together.iter().any(|component| is_of(item, *component));
    let known = stops.iter().position(is_known);
    matches!(item, Item::Unit { .. }).then(|| known.unwrap_or(stops.len() - 1))
}

/// Whether an item is the unit of a component: its name ends with the component's.
fn is_of(item: &Item, component: &dyn Component) -> bool {
    let Item::Unit { unit } = item else {
        return false;
    };
    let name = unit
        .rsplit_once('.')
        .map_or(unit.as_str(), |(name, _)| name);
    name.ends_with(component.name())
}

/// The last steps on a node: directories of ours where nothing is left in them; then the manifest with the directories around it,
/// or, where something is kept, the manifest of that. `around` are the items in which the manifest lies.
fn end(node: &str, manifest: &Manifest, around: &[Item], kept: Vec<Item>) -> Vec<Change> {
    let path = Manifest::path(&manifest.deployment);
    let listed = |parent: &String| {
        let mut items = manifest.items.iter();
        items.any(|item| matches!(item, Item::Directory { path, .. } if path == parent))
    };
    let record = loaded_record("");
    let paths = manifest.items.iter().filter_map(Item::path);
    let emptied: BTreeSet<String> = paths
        .chain([path.as_str(), record.as_str()])
        .flat_map(parents)
        .filter(|parent| !listed(parent))
        .collect();
    // Sorted the other way round, what is inside comes first.
    let (last, first): (Vec<String>, Vec<String>) = emptied
        .into_iter()
        .rev()
        .partition(|parent| path.starts_with(&format!("{parent}/")));
    let remove_empty = |path| Action::RemoveEmptyDirectory { path };

    let mut actions: Vec<Action> = first.into_iter().map(remove_empty).collect();
    if kept.is_empty() {
        actions.push(Action::RemoveFile { path });
        actions.extend(around.iter().rev().map(Item::undo));
        actions.extend(last.into_iter().map(remove_empty));
    } else {
        actions.push(Action::WriteManifest {
            manifest: Manifest {
                items: around.iter().cloned().chain(kept).collect(),
                ..manifest.clone()
            },
        });
    }
    actions
        .into_iter()
        .map(|action| Change::new(node, action, BECAUSE))
        .collect()
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

#[cfg(test)]
mod tests {
    use super::stop_stage;
    use crate::component::order;
    use crate::step::{Item, parents};

    #[test]
    fn only_directories_that_can_be_ours_are_removed_when_empty() {
        assert_eq!(
            parents("/opt/deployer/x/bin/consumer"),
            ["/opt/deployer/x/bin", "/opt/deployer/x", "/opt/deployer"]
        );
        assert_eq!(
            parents("/etc/systemd/system/couchdb.service.d/10-deployer.conf"),
            ["/etc/systemd/system/couchdb.service.d"]
        );
        assert!(parents("/etc/systemd/system/x-kafka.service").is_empty());
        assert!(parents("/opt/couchdb").is_empty());
    }

    #[test]
    fn units_stop_by_the_component_their_names_end_with() {
        let stops = order::stops();
        let stage = |unit: &str| stop_stage(&Item::Unit { unit: unit.into() }, &stops);
        assert_eq!(stage("kafka-consumer.service"), Some(0));
        assert_eq!(stage("consumer-kafka.service"), Some(1));
        assert_eq!(stage("couchdb.service"), Some(2));
        assert_eq!(stage("other.service"), Some(2));
        let file = Item::File { path: "/x".into() };
        assert_eq!(stop_stage(&file, &stops), None);
    }
}
