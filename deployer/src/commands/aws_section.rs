//! The inventory's section for AWS, as far as it can be judged without asking AWS.

use std::collections::BTreeSet;

use crate::inventory::{Inventory, Problems};
use crate::topology::{CloudName, Topology};

const SECTION: &str = "clouds.aws";

/// Checks it where a node lives on AWS.
pub fn check(inventory: &Inventory, topology: &Topology) -> Result<(), Problems> {
    let nodes = topology.nodes.values();
    let nodes: BTreeSet<String> = nodes
        .filter(|node| node.cloud == CloudName::Aws)
        .map(|node| node.name.clone())
        .collect();
    if nodes.is_empty() {
        return Ok(());
    }
    let problems = topology.aws.problems(&nodes).into_iter().map(|problem| {
        // Each begins with the key it is about.
        let place = problem
            .strip_prefix('`')
            .and_then(|rest| rest.split_once("`: "))
            .filter(|(key, _)| {
                key.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            });
        match place {
            Some((key, message)) => inventory.problem(format!("{SECTION}.{key}"), message, None),
            None => inventory.problem(SECTION, problem, None),
        }
    });
    Problems::check(problems.collect())
}
