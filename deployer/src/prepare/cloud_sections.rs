//! The inventory's sections for clouds that sell machines, as far as they can be judged without asking anybody.

use std::collections::{BTreeMap, BTreeSet};

use crate::cloud::registry;
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
    Problems::check(problems)
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
