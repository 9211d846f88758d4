//! Whether what runs on a node fits into its memory.

use std::collections::BTreeSet;

use super::findings::Findings;
use super::members::Member;
use crate::inventory::{CloudName, Inventory, Role};

/// The system itself, with systemd, sshd and the page cache it cannot do without.
const SYSTEM_MIB: u64 = 256;

/// What a machine that a cloud sells has at least unless the inventory says otherwise.
const SOLD_MIB: u64 = 2048;

/// A part of what a node needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Whose, in words.
    pub(super) what: String,
    /// MiB.
    pub(super) mib: u64,
}

/// What roles need: for each its heap, if it has one, and what it uses beside the heap (measured on small clusters and
/// rounded up).
pub(super) fn needed(roles: &BTreeSet<Role>, zookeeper_heap: u64, kafka_heap: u64) -> Vec<Part> {
    let part = |what: String, mib| Part { what, mib };
    let java = |name: &str, heap: u64, beside: u64| {
        part(
            format!("{name} {heap} + {beside}"),
            heap.saturating_add(beside),
        )
    };
    let mut parts = vec![part(format!("system {SYSTEM_MIB}"), SYSTEM_MIB)];
    parts.extend(roles.iter().map(|role| match role {
        Role::Zookeeper => java("ZooKeeper", zookeeper_heap, 96),
        Role::Kafka => java("Kafka", kafka_heap, 256),
        Role::Couchdb => part("CouchDB 256".to_owned(), 256),
        Role::Consumer => part("consumer 128".to_owned(), 128),
        Role::Producer => part("producer 32".to_owned(), 32),
    }));
    parts
}

/// The memory a node has or gets; `None`: a host of the user's, of which the inventory does not say.
pub(super) fn available(member: &Member<'_>, inventory: &Inventory) -> Option<u64> {
    member.entry.memory_mib.or(match member.cloud {
        CloudName::Local => Some(inventory.clouds.local.memory_mib),
        CloudName::Existing => None,
        // Of what a cloud sells, the smallest that fits; below 2 GB little does.
        CloudName::Aws | CloudName::Chameleon => Some(SOLD_MIB.max(sum(member, inventory))),
    })
}

fn parts(member: &Member<'_>, inventory: &Inventory) -> Vec<Part> {
    needed(
        &member.entry.roles,
        inventory.zookeeper.heap_mib,
        inventory.kafka.heap_mib,
    )
}

fn sum(member: &Member<'_>, inventory: &Inventory) -> u64 {
    parts(member, inventory).iter().map(|part| part.mib).sum()
}

/// Checks that each node's roles fit.
pub(super) fn check(inventory: &Inventory, members: &[Member<'_>], findings: &mut Findings<'_>) {
    for member in members {
        let Some(available) = available(member, inventory) else {
            continue;
        };
        let sizes = [
            "zookeeper.heap_mib",
            "kafka.heap_mib",
            "clouds.local.memory_mib",
        ];
        let own = format!("{}.memory_mib", member.key);
        if !sizes.iter().all(|key| findings.knows(key)) || !findings.knows(&own) {
            continue;
        }
        let parts = parts(member, inventory);
        let sum = sum(member, inventory);
        if sum <= available {
            continue;
        }
        let words: Vec<&str> = parts.iter().map(|part| part.what.as_str()).collect();
        findings.add(
            &member.key,
            format!(
                "needs {sum} MiB of memory ({}) and has {available}",
                words.join(", ")
            ),
            format!("lower `heap_mib`, or raise `{}.memory_mib`", member.key),
        );
    }
}
