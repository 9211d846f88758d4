//! The inventory's sections for clouds that sell machines, as far as they can be judged without asking anybody.

use std::collections::{BTreeMap, BTreeSet};

use crate::cloud::registry;
use crate::component;
use crate::inventory::{Inventory, Problem, Problems};
use crate::topology::{CloudName, Topology};

/// Checks the section of each cloud where a node lives.
pub fn check(inventory: &Inventory, topology: &Topology) -> Result<(), Problems> {
    let mut nodes: BTreeMap<CloudName, BTreeSet<String>> = BTreeMap::new();
    for node in topology.nodes.values() {
        let of_cloud = nodes.entry(node.cloud).or_default();
        of_cloud.insert(node.name.clone());
    }
    let mut problems = Vec::new();
    for (cloud, nodes) in nodes {
        let Ok(provider) = registry::provider(cloud) else {
            continue;
        };
        let section = format!("clouds.{cloud}");
        let found = provider.problems(&topology.clouds, &nodes).into_iter();
        problems.extend(found.map(|problem| placed(inventory, &section, problem)));
    }
    problems.extend(profiles(inventory, topology));
    Problems::check(problems)
}

/// Profiles of machines whose cloud has none.
fn profiles(inventory: &Inventory, topology: &Topology) -> Vec<Problem> {
    let nodes = topology.nodes.values();
    let problems = nodes.filter_map(|node| {
        let profile = component::profile(node, topology)?;
        let provider = registry::provider(node.cloud).ok()?;
        (!provider.has_profiles()).then(|| {
            let message = format!(
                "{} has a machine of {}, where there are no instance profiles",
                node.name, node.cloud
            );
            let hint = "write `credentials_file: PATH` in its place".to_owned();
            inventory.problem(profile.key.as_str(), message, Some(hint))
        })
    });
    problems.collect()
}

/// A problem at its place: each begins with the key it is about.
fn placed(inventory: &Inventory, section: &str, problem: String) -> Problem {
    let key = |(key, _): &(&str, &str)| {
        key.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let place = problem
        .strip_prefix('`')
        .and_then(|rest| rest.split_once("`: "))
        .filter(key);
    match place {
        Some((key, message)) => inventory.problem(format!("{section}.{key}"), message, None),
        None => inventory.problem(section, problem, None),
    }
}
