//! What of a deployment lies on a host that a teardown has to take away, and what is left of it afterwards: by the host's manifest,
//! and where that is lost, or is the one of another node, by what the last `up` was to put there.

use std::collections::{BTreeMap, BTreeSet};

use crate::component;
use crate::facts::Facts;
use crate::step::{Action, Manifest};

use super::check::{Check, check};
use super::conflict::has_our_own;
use super::{Desired, Plan};

/// Node → the manifest to undo. `desired` is what should be there, where that is known. Nothing of another deployment's, however it is
/// called, is in it.
///
/// One machine under two names keeps the manifest that was written last. What the other name brought comes to light when that is
/// undone: call it again after a run, until it finds nothing.
pub fn to_undo(
    id: &str,
    deployment: &str,
    facts: &BTreeMap<String, Facts>,
    desired: Option<&Desired>,
) -> BTreeMap<String, Manifest> {
    let ours = |facts: &'_ Facts| {
        let manifest = facts.manifest.clone();
        manifest.filter(|manifest| manifest.id == id)
    };
    let mut found: BTreeMap<String, Manifest> = BTreeMap::new();
    for (node, facts) in facts {
        if let Some(manifest) = ours(facts).filter(|manifest| manifest.node == *node) {
            found.insert(node.clone(), manifest);
        }
    }
    for (node, facts) in facts.iter().filter(|(_, facts)| !is_foreign(facts, id)) {
        let theirs = ours(facts);
        if let Some(manifest) = &theirs
            && found.get(&manifest.node) == Some(manifest)
        {
            continue;
        }
        let mut items = theirs.map_or(Vec::new(), |manifest| manifest.items);
        let own = desired.map_or(Vec::new(), |desired| desired.items(node));
        if has_our_own(&own, deployment, facts) {
            let more = own.into_iter().filter(|item| !items.contains(item));
            items.extend(more.collect::<Vec<_>>());
        }
        if !items.is_empty() {
            let manifest = Manifest {
                version: Manifest::VERSION,
                id: id.into(),
                deployment: deployment.into(),
                node: node.clone(),
                items,
                packages: BTreeSet::new(),
            };
            found.insert(node.clone(), manifest);
        }
    }
    found
}

fn is_foreign(facts: &Facts, id: &str) -> bool {
    let manifest = facts.manifest.as_ref();
    manifest.is_some_and(|manifest| manifest.id != id)
}

/// What a plan was to take away and is still there, in words.
pub fn remains(plan: &Plan, facts: &BTreeMap<String, Facts>) -> Vec<String> {
    let mut left = Vec::new();
    for (node, action) in plan
        .changes()
        .map(|change| (&change.step.node, &change.step.action))
    {
        let Some(facts) = facts.get(node) else {
            continue;
        };
        let what = match action {
            // Neighbours may have something in it.
            Action::RemoveEmptyDirectory { .. } | Action::WriteManifest { .. } => continue,
            Action::RemoveFile { path } | Action::RemoveDirectory { path, .. } => path.clone(),
            Action::StopUnit { unit } => format!("{unit} runs"),
            // A package's own stays with its files.
            Action::RemoveUser { user } if is_of_a_package(user) => continue,
            Action::RemoveUser { user } => format!("user {user}"),
            Action::RemoveFirewall { table } => format!("firewall table {table}"),
            Action::RemoveHostsTable { block } => format!("block {block} of /etc/hosts"),
            other => other.describe(),
        };
        if matches!(check(action, facts), Check::Differs { .. }) {
            left.push(format!("{node}: {what}"));
        }
    }
    left
}

fn is_of_a_package(user: &str) -> bool {
    let mut components = component::ALL.iter();
    components.any(|component| component.package_user() == Some(user))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::to_undo;
    use crate::facts::{Facts, FileFact, UnitFact};
    use crate::plan::{Desired, DesiredStage};
    use crate::step::{Access, Action, Item, Manifest};

    const ID: &str = "0a1b2c3d4e5f";

    /// What `x` puts on two nodes: a directory and a unit each.
    fn desired() -> Desired {
        let queue = |node: &str| {
            let path = format!("/etc/deployer/x/{node}");
            let access = Access::root("root", 0o755);
            let unit = format!("x-{node}.service");
            let (reads, finishes) = (BTreeMap::new(), None);
            vec![
                Action::CreateDirectory {
                    path,
                    access,
                    data: false,
                },
                Action::StartUnit {
                    unit,
                    reads,
                    finishes,
                    foreign: false,
                },
            ]
        };
        let queues = ["vm2", "vm3"].map(|node| (node.to_owned(), queue(node)));
        Desired {
            id: ID.into(),
            deployment: "x".into(),
            stages: vec![DesiredStage {
                one_by_one: None,
                name: "base".into(),
                queues: queues.into(),
            }],
            pipeline: None,
            data: BTreeMap::new(),
            brokers: BTreeMap::new(),
            topics: BTreeMap::new(),
            former: crate::topology::Former::default(),
        }
    }

    /// A host on which these nodes' things lie, with the manifest of the last of them.
    fn host(nodes: &[&str], manifest: Option<(&str, &str)>) -> Facts {
        let mut facts = Facts::default();
        for node in nodes {
            let path = format!("/etc/deployer/x/{node}");
            facts.files.insert(path, FileFact::default());
            let unit = UnitFact {
                active: "active".into(),
                ..UnitFact::default()
            };
            facts.units.insert(format!("x-{node}.service"), unit);
        }
        facts.manifest = manifest.map(|(node, id)| Manifest {
            id: id.into(),
            deployment: "x".into(),
            node: node.into(),
            items: desired().items(node),
            ..Manifest::default()
        });
        facts
    }

    fn found(facts: &[(&str, &Facts)], desired: Option<&Desired>) -> Vec<(String, usize)> {
        let facts = facts
            .iter()
            .map(|(node, facts)| ((*node).to_owned(), (*facts).clone()));
        let found = to_undo(ID, "x", &facts.collect(), desired);
        let found = found.into_iter();
        found
            .map(|(node, manifest)| (node, manifest.items.len()))
            .collect()
    }

    #[test]
    fn a_lost_manifest_is_made_up_for_by_what_should_be_there() {
        let (whole, lost) = (host(&["vm2"], Some(("vm2", ID))), host(&["vm3"], None));
        let desired = desired();
        let both = [("vm2", &whole), ("vm3", &lost)];
        let all = [("vm2".to_owned(), 2), ("vm3".to_owned(), 2)];
        assert_eq!(found(&both, Some(&desired)), all);
        // Nothing is known of it, or nothing of ours is there.
        assert_eq!(found(&both, None), all[..1]);
        assert_eq!(found(&[("vm3", &host(&[], None))], Some(&desired)), []);
    }

    #[test]
    fn a_namesake_is_left_alone() {
        let theirs = host(&["vm2"], Some(("vm2", "ffffffffffff")));
        assert_eq!(found(&[("vm2", &theirs)], Some(&desired())), []);
    }

    /// N2: the manifest is that of the name that came last.
    #[test]
    fn one_machine_under_two_names_is_undone_one_name_at_a_time() {
        let desired = desired();
        let both = host(&["vm2", "vm3"], Some(("vm3", ID)));
        let first = found(&[("vm2", &both), ("vm3", &both)], Some(&desired));
        assert_eq!(first, [("vm3".to_owned(), 2)]);
        let rest = host(&["vm2"], None);
        let second = found(&[("vm2", &rest), ("vm3", &rest)], Some(&desired));
        assert_eq!(second, [("vm2".to_owned(), 2)]);
        let item = Item::Unit {
            unit: "x-vm2.service".into(),
        };
        assert!(desired.items("vm2").contains(&item));
    }
}
