//! Hosts that the user has: the entries of `clouds.existing.hosts`.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::{Findings, Host, Inventory, Member, suggestion};
use crate::machine::{Access, SshAccess};

/// The address that stands for this box.
const SELF: &str = "self";
const HOSTS: &str = "clouds.existing.hosts";

/// How a host is reached.
pub(super) fn access(host: &Host) -> Access {
    if host.address == SELF {
        return Access::Here;
    }
    Access::Ssh(SshAccess {
        address: host.address.clone(),
        user: host.user.clone(),
        port: host.port,
        key: host.key.clone(),
        host_key: host.host_key.clone(),
        jump: host.jump.clone(),
    })
}

/// Checks that each node of `existing` has a host of its own, and each host a node.
pub(super) fn check(inventory: &Inventory, members: &[Member<'_>], findings: &mut Findings<'_>) {
    let hosts = &inventory.clouds.existing.hosts;
    let mut used: BTreeMap<&str, &Host> = BTreeMap::new();
    let mut addresses: BTreeMap<(String, u16), &str> = BTreeMap::new();
    for member in members {
        let name = &member.name;
        if !member.cloud.is_of_the_user() {
            continue;
        }
        let Some(host) = hosts.get(name) else {
            findings.lacks(
                &member.key,
                format!("its node `{name}` is a host of yours, and `{HOSTS}` does not say which"),
                format!("add `{name}: {{ address: … }}` there"),
            );
            continue;
        };
        used.insert(name, host);
        let place = (host.address.to_lowercase(), host.port.unwrap_or(22));
        if let Some(other) = addresses.insert(place, name) {
            findings.add(
                format!("{HOSTS}.{name}.address"),
                format!("`{}` is the host of `{other}` already", host.address),
                "a host carries one node, which may have several roles",
            );
        }
    }
    for (name, host) in &used {
        check_jump(name, host, &used, findings);
    }
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    for (name, host) in hosts {
        let key = format!("{HOSTS}.{name}");
        if !names.contains(&name.as_str()) && !is_spare(name, inventory) {
            let hint = suggestion(name, &names)
                .unwrap_or_else(|| "a node with a count is called `NAME-1`, `NAME-2` …".to_owned());
            findings.lacks(&key, "no node is called so", hint);
        }
        check_self(&key, host, findings);
    }
}

/// Whether a host waits for a higher count: `vm1-3` where `vm1` has a count of 2.
fn is_spare(name: &str, inventory: &Inventory) -> bool {
    name.rsplit_once('-').is_some_and(|(entry, index)| {
        let counted = inventory
            .nodes
            .get(entry)
            .is_some_and(|node| node.count.is_some());
        counted && index.parse::<u32>().is_ok_and(|index| index > 0)
    })
}

fn check_self(key: &str, host: &Host, findings: &mut Findings<'_>) {
    if host.address != SELF {
        return;
    }
    let given = [
        ("user", host.user.is_some()),
        ("port", host.port.is_some()),
        ("key", host.key.is_some()),
        ("host_key", host.host_key.is_some()),
        ("jump", host.jump.is_some()),
    ];
    for (name, _) in given.into_iter().filter(|(_, given)| *given) {
        findings.say(
            format!("{key}.{name}"),
            "has no meaning with `address: self`, which is this box without sshd",
        );
    }
}

/// Follows the jumps from a host: each must be another node that is reached by SSH, and none may come back.
fn check_jump(name: &str, host: &Host, used: &BTreeMap<&str, &Host>, findings: &mut Findings<'_>) {
    let Some(first) = host.jump.as_deref() else {
        return;
    };
    let key = format!("{HOSTS}.{name}.jump");
    if used.get(first).is_none_or(|jump| jump.address == SELF) {
        findings.lacks(
            key,
            format!("`{first}` is not a node of `existing` that is reached by SSH"),
            "name another one, or say `ProxyJump` in `~/.ssh/config`",
        );
        return;
    }
    let mut passed = BTreeSet::from([name]);
    let mut next = Some(first);
    while let Some(jump) = next {
        if !passed.insert(jump) {
            findings.say(key, format!("leads in a circle by way of `{jump}`"));
            return;
        }
        next = used.get(jump).and_then(|host| host.jump.as_deref());
    }
}
