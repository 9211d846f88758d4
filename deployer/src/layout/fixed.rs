//! Keys that are about how machines are made: a machine that is there keeps what it was made with, so a change is refused rather
//! than taken without effect.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::inventory::{CloudKind, CloudName, EXTEND, Findings, Inventory, Problems};

/// What the machines of a deployment were made by.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// The inventory of the last `up`.
    pub inventory: &'a Inventory,
    /// Its cloud, with `--cloud` taken into account.
    pub cloud: CloudName,
    /// Nodes that have a machine, with the cloud that gave it: what was given, or what of it is still there.
    pub machines: &'a [(String, CloudName)],
}

/// Refuses that things are looked for where they are not: to be asked before a cloud is, of every machine that was made.
///
/// # Errors
/// All such keys, at their places in the new inventory.
pub fn check_places(made: &Made<'_>, inventory: &Inventory) -> Result<(), Problems> {
    let mut findings = Findings::new(inventory);
    let places = |kind: &CloudKind| kind.places.iter().map(|key| (*key, "")).collect();
    compare(places, made, inventory, &mut findings);
    for (name, cloud) in made.machines {
        let Some((key, node)) = entry(inventory, name) else {
            continue;
        };
        if entry(made.inventory, name).is_some() && node.cloud.unwrap_or(made.cloud) != *cloud {
            findings.add(
                format!("nodes.{key}.cloud"),
                format!(
                    "`{name}` has a machine of {cloud}, and a node does not move to another cloud"
                ),
                "take it out, `deployer up --prune`, and give the new one another name",
            );
        }
    }
    findings.check()
}

/// Refuses what machines that are there cannot become: to be asked of those that a cloud still has.
///
/// # Errors
/// All such keys, at their places in the new inventory.
pub fn check_machines(made: &Made<'_>, inventory: &Inventory) -> Result<(), Problems> {
    let mut findings = Findings::new(inventory);
    let keys = |kind: &CloudKind| kind.machine_keys.to_vec();
    compare(keys, made, inventory, &mut findings);
    for cloud in clouds(made) {
        let Some((key, time)) = cloud.kind().time_to_live else {
            continue;
        };
        let (before, now) = (time(&made.inventory.clouds), time(&inventory.clouds));
        let shorter = before.0.zip(now.0);
        // A longer time is given by the next renewal; a shorter one would wait for it.
        if shorter.is_some_and(|(before, now)| now < before) {
            let before = Value::from(before.to_string());
            let key = format!("clouds.{cloud}.{key}");
            refuse(&key, &before, EXTEND, &mut findings);
        }
    }
    for (name, cloud) in made.machines {
        let (Some(before), Some(now)) = (entry(made.inventory, name), entry(inventory, name))
        else {
            continue;
        };
        let key = format!("nodes.{}", now.0);
        if cloud.is_sold() && before.1.memory_mib != now.1.memory_mib {
            let before = serde_json::to_value(before.1.memory_mib).unwrap_or_default();
            refuse(&format!("{key}.memory_mib"), &before, "", &mut findings);
        }
    }
    findings.check()
}

/// The clouds that have made a machine.
fn clouds(made: &Made<'_>) -> BTreeSet<CloudName> {
    made.machines.iter().map(|(_, cloud)| *cloud).collect()
}

/// Compares keys of the section of each cloud that has made a machine: each with what to do instead of changing it.
fn compare(
    keys: impl Fn(&CloudKind) -> Vec<(&'static str, &'static str)>,
    made: &Made<'_>,
    inventory: &Inventory,
    findings: &mut Findings<'_>,
) {
    let (before, now) = (json(made.inventory), json(inventory));
    for cloud in clouds(made) {
        for (key, instead) in keys(cloud.kind()) {
            let key = format!("clouds.{cloud}.{key}");
            let at = |value: &Value| {
                let pointer = format!("/{}", key.replace('.', "/"));
                value.pointer(&pointer).cloned().unwrap_or(Value::Null)
            };
            let (before, now) = (at(&before), at(&now));
            if before != now {
                refuse(&key, &before, instead, findings);
            }
        }
    }
}

fn refuse(key: &str, before: &Value, instead: &str, findings: &mut Findings<'_>) {
    let with = match before {
        Value::Null => "without it".to_owned(),
        other => format!("with `{}`", shown(other)),
    };
    let hint = if instead.is_empty() {
        "take the change back, or `deployer teardown` first"
    } else {
        instead
    };
    let message = format!("the machines that are there were made {with}, and keep that");
    findings.add(key, message, hint);
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn json(inventory: &Inventory) -> Value {
    serde_json::to_value(inventory).unwrap_or_default()
}

/// The entry that a node comes from.
fn entry<'a>(
    inventory: &'a Inventory,
    node: &str,
) -> Option<(&'a String, &'a crate::inventory::Node)> {
    inventory.nodes.iter().find(|(name, entry)| {
        let counted = |number: &str| number.parse().is_ok_and(|number: u32| number >= 1);
        let index = node
            .strip_prefix(name.as_str())
            .and_then(|rest| rest.strip_prefix('-'));
        match entry.count {
            None => *name == node,
            Some(_) => index.is_some_and(counted),
        }
    })
}
