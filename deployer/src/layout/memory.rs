//! Whether what runs on a node fits into its memory.

use std::collections::BTreeMap;

use crate::component::{self, Component, Count, Memory};
use crate::inventory::{Findings, Inventory, Machines, Member};
use crate::topology::{Node, Topology};

/// The system itself, with systemd, sshd and the page cache it cannot do without.
const SYSTEM_MIB: u64 = 256;

/// What a machine that a cloud sells has at least unless the inventory says otherwise.
const SOLD_MIB: u64 = 2048;

/// A part of what a node needs.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    /// Whose, in words.
    what: String,
    /// MiB.
    mib: u64,
}

/// What a node needs: the system, and each component its heap, if it has one, and what it uses beside the heap.
fn parts(node: &Node, topology: &Topology) -> Vec<Part> {
    let of = |component: &'static dyn Component| {
        let (title, Memory { heap, beside }) =
            (component.title(), component.memory(node, topology));
        match heap {
            Some(heap) => Part {
                what: format!("{title} {heap} + {beside}"),
                mib: heap.saturating_add(beside),
            },
            None => Part {
                what: format!("{title} {beside}"),
                mib: beside,
            },
        }
    };
    let system = Part {
        what: format!("system {SYSTEM_MIB}"),
        mib: SYSTEM_MIB,
    };
    let components = component::of_node(node, topology).map(of);
    std::iter::once(system).chain(components).collect()
}

fn sum(node: &Node, topology: &Topology) -> u64 {
    parts(node, topology).iter().map(|part| part.mib).sum()
}

/// The memory a node has or gets; `None`: a host of the user's, of which the inventory does not say.
fn available(member: &Member<'_>, inventory: &Inventory, topology: &Topology) -> Option<u64> {
    member
        .entry
        .memory_mib
        .or(match member.cloud.kind().machines {
            Machines::OfThisBox => Some(inventory.clouds.local.memory_mib),
            Machines::OfTheUser => None,
            // Of what a cloud sells, the smallest that fits; below 2 GB little does.
            Machines::Sold(_) => Some(SOLD_MIB.max(sum(&topology.nodes[&member.name], topology))),
        })
}

/// The nodes of a topology with the memory they have or get.
pub(super) fn filled(
    inventory: &Inventory,
    members: &[Member<'_>],
    topology: &Topology,
) -> BTreeMap<String, Node> {
    let with_memory = |member: &Member<'_>| {
        let node = Node {
            memory_mib: available(member, inventory, topology).unwrap_or(0),
            ..topology.nodes[&member.name].clone()
        };
        (member.name.clone(), node)
    };
    members.iter().map(with_memory).collect()
}

/// Checks that each node's roles fit.
pub(super) fn check(
    inventory: &Inventory,
    members: &[Member<'_>],
    topology: &Topology,
    findings: &mut Findings<'_>,
) {
    for member in members {
        let Some(has) = available(member, inventory, topology) else {
            continue;
        };
        let heaps = component::ALL
            .iter()
            .map(|component| format!("{}.heap_mib", component.name()));
        let mut sizes = heaps.chain(["clouds.local.memory_mib".to_owned()]);
        let own = format!("{}.memory_mib", member.key);
        if !sizes.all(|key| findings.knows(&key)) || !findings.knows(&own) {
            continue;
        }
        let node = &topology.nodes[&member.name];
        let parts = parts(node, topology);
        let total: u64 = parts.iter().map(|part| part.mib).sum();
        if total <= has {
            continue;
        }
        let words: Vec<&str> = parts.iter().map(|part| part.what.as_str()).collect();
        // What is there once cannot be on all nodes of an entry.
        let alone =
            |other: &Member<'_>| members.iter().filter(|one| one.key == other.key).count() == 1;
        let others = members
            .iter()
            .filter(|other| other.name != member.name && alone(other));
        let rooms = others.filter_map(|other| {
            let own = sum(&topology.nodes[&other.name], topology);
            let room = available(other, inventory, topology)?.checked_sub(own)?;
            Some((other.name.as_str(), room))
        });
        let elsewhere = elsewhere(node, topology, total - has, rooms);
        let elsewhere = elsewhere
            .map(|(role, other)| format!("give `{role}` to {other}, which has room for it, or "));
        findings.add(
            &member.key,
            format!(
                "needs {total} MiB of memory ({}) and has {has}",
                words.join(", ")
            ),
            format!(
                "{}lower `heap_mib`, or raise `{}.memory_mib` to {total}",
                elsewhere.unwrap_or_default(),
                member.key
            ),
        );
    }
}

/// What of a node could be on another one, so that the rest fits, and the one that has most room: it is there once and keeps no data.
fn elsewhere<'a>(
    node: &Node,
    topology: &Topology,
    missing: u64,
    rooms: impl Iterator<Item = (&'a str, u64)>,
) -> Option<(&'static str, &'a str)> {
    let (other, room) = rooms.max_by_key(|(_, room)| *room)?;
    let movable = component::of_node(node, topology).filter(|component| {
        let Memory { heap, beside } = component.memory(node, topology);
        let takes = heap.unwrap_or(0).saturating_add(beside);
        let is_one = match component.count() {
            Count::Any => false,
            Count::One => true,
            Count::Together => topology.nodes_with(component.name()).count() == 1,
        };
        is_one && !component.holds_data() && (missing..=room).contains(&takes)
    });
    let name = movable.map(Component::name).next()?;
    Some((name, other))
}
