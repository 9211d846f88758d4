//! The inventory's sections for clouds that sell machines, as far as they can be judged without asking anybody.

use std::collections::BTreeSet;

use crate::inventory::{Inventory, Problem, Problems};
use crate::topology::{CloudName, Topology};

/// Checks the section of each cloud where a node lives.
pub fn check(inventory: &Inventory, topology: &Topology) -> Result<(), Problems> {
    let nodes = |cloud| -> BTreeSet<String> {
        let nodes = topology.nodes.values();
        let nodes = nodes.filter(|node| node.cloud == cloud);
        nodes.map(|node| node.name.clone()).collect()
    };
    let (aws, chameleon) = (nodes(CloudName::Aws), nodes(CloudName::Chameleon));
    let mut problems = Vec::new();
    if !aws.is_empty() {
        let found = topology.aws.problems(&aws).into_iter();
        problems.extend(found.map(|problem| placed(inventory, "clouds.aws", problem)));
    }
    if !chameleon.is_empty() {
        let found = topology.chameleon.problems(&chameleon).into_iter();
        problems.extend(found.map(|problem| placed(inventory, "clouds.chameleon", problem)));
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
