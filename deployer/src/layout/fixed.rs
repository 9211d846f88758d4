//! Keys that are about how machines are made: a machine that is there keeps what it was made with, so a change is refused rather
//! than taken without effect.

use std::collections::BTreeSet;

use serde_json::Value;

use super::findings::Findings;
use crate::inventory::{CloudName, Inventory, Problems};

/// A key, the cloud whose machines keep it, and what to do instead where that is not to begin anew.
type Kept = (&'static str, CloudName, &'static str);

/// Where things are made, and what they are made in: looking elsewhere would find nothing of what is there.
const PLACES: &[Kept] = &[
    ("clouds.local.network", CloudName::Local, ""),
    ("clouds.aws.region", CloudName::Aws, ""),
    ("clouds.aws.vpc", CloudName::Aws, ""),
    ("clouds.aws.subnet", CloudName::Aws, ""),
    ("clouds.aws.cidr", CloudName::Aws, ""),
    ("clouds.aws.endpoint_url", CloudName::Aws, ""),
    ("clouds.chameleon.site", CloudName::Chameleon, ""),
    ("clouds.chameleon.network", CloudName::Chameleon, ""),
    ("clouds.chameleon.cidr", CloudName::Chameleon, ""),
];

/// What a machine is made with: once it is gone, the next one may be another.
const MACHINES: &[Kept] = &[
    ("clouds.local.release", CloudName::Local, ""),
    ("clouds.aws.architecture", CloudName::Aws, ""),
    ("clouds.aws.image.id", CloudName::Aws, ""),
    ("clouds.aws.image.owner", CloudName::Aws, ""),
    ("clouds.aws.image.pattern", CloudName::Aws, ""),
    ("clouds.aws.image.user", CloudName::Aws, ""),
    ("clouds.aws.instance_type", CloudName::Aws, ""),
    ("clouds.aws.disk_gib", CloudName::Aws, ""),
    ("clouds.aws.ssh_keys", CloudName::Aws, LOG_IN),
    ("clouds.aws.tags", CloudName::Aws, ""),
    ("clouds.aws.public_ip", CloudName::Aws, ""),
    ("clouds.aws.bastion", CloudName::Aws, ""),
    ("clouds.aws.on_ttl", CloudName::Aws, ""),
    ("clouds.chameleon.image", CloudName::Chameleon, ""),
    ("clouds.chameleon.user", CloudName::Chameleon, ""),
    ("clouds.chameleon.flavor", CloudName::Chameleon, ""),
    ("clouds.chameleon.lease", CloudName::Chameleon, EXTEND),
    ("clouds.chameleon.ssh_keys", CloudName::Chameleon, LOG_IN),
];

const LOG_IN: &str =
    "add it by hand on each node (`deployer ssh NODE`, then `~/.ssh/authorized_keys`)";
const EXTEND: &str = "`deployer extend` changes how long it lives";

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
    compare(PLACES, made, inventory, &mut findings);
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
    compare(MACHINES, made, inventory, &mut findings);
    // A longer time is given by the next renewal; a shorter one would wait for it.
    let (before, now) = (made.inventory.clouds.aws.ttl, inventory.clouds.aws.ttl);
    let shorter = before
        .0
        .zip(now.0)
        .is_some_and(|(before, now)| now < before);
    let on_aws = made
        .machines
        .iter()
        .any(|(_, cloud)| *cloud == CloudName::Aws);
    if on_aws && shorter {
        let before = Value::from(before.to_string());
        refuse("clouds.aws.ttl", &before, EXTEND, &mut findings);
    }
    for (name, cloud) in made.machines {
        let (Some(before), Some(now)) = (entry(made.inventory, name), entry(inventory, name))
        else {
            continue;
        };
        let key = format!("nodes.{}", now.0);
        let sized = matches!(cloud, CloudName::Aws | CloudName::Chameleon);
        if sized && before.1.memory_mib != now.1.memory_mib {
            let before = serde_json::to_value(before.1.memory_mib).unwrap_or_default();
            refuse(&format!("{key}.memory_mib"), &before, "", &mut findings);
        }
    }
    findings.check()
}

fn compare(keys: &[Kept], made: &Made<'_>, inventory: &Inventory, findings: &mut Findings<'_>) {
    let clouds: BTreeSet<CloudName> = made.machines.iter().map(|(_, cloud)| *cloud).collect();
    let (before, now) = (json(made.inventory), json(inventory));
    for (key, cloud, instead) in keys {
        let at = |value: &Value| {
            let pointer = format!("/{}", key.replace('.', "/"));
            value.pointer(&pointer).cloned().unwrap_or(Value::Null)
        };
        let (before, now) = (at(&before), at(&now));
        if clouds.contains(cloud) && before != now {
            refuse(key, &before, instead, findings);
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
