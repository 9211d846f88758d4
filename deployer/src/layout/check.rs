//! Checks of roles across nodes: what needs what, and what there can be one of only.

use crate::component::{self, Component, Count, Port};
use crate::inventory::{Findings, Inventory, Member};
use crate::topology::{Node, Topology};

/// Nodes that fit into a deployment's /24 on this box, beside its bridge.
const MAX_LOCAL_NODES: usize = 250;

/// Checks the roles of all nodes.
pub(super) fn check(
    inventory: &Inventory,
    members: &[Member<'_>],
    topology: &Topology,
    findings: &mut Findings<'_>,
) {
    for component in component::ALL {
        if component.count() == Count::One {
            one_of_a_kind(members, *component, findings);
        }
    }
    for component in component::ALL {
        for needed in component.requires(inventory) {
            needs_another(members, component.name(), needed, findings);
        }
        component.check(inventory, members, findings);
    }
    for member in members {
        check_ports(inventory, &topology.nodes[&member.name], topology, findings);
    }
    let local = members
        .iter()
        .filter(|member| member.cloud.is_of_this_box())
        .count();
    if local > MAX_LOCAL_NODES {
        findings.add(
            "nodes",
            format!("{local} machines on this box; {MAX_LOCAL_NODES} at most"),
            "lower a `count`",
        );
    }
}

fn one_of_a_kind(members: &[Member<'_>], component: &dyn Component, findings: &mut Findings<'_>) {
    let (role, software) = (component.name(), component.title());
    let mut with = members.iter().filter(|member| member.has(role));
    let Some(first) = with.next() else {
        return;
    };
    for other in with {
        findings.add(
            other.roles_key(),
            format!(
                "`{}` is a second node with {software}, beside `{}`",
                other.name, first.name
            ),
            format!("give `{role}` to one node"),
        );
    }
}

fn needs_another(members: &[Member<'_>], role: &str, needed: &str, findings: &mut Findings<'_>) {
    if members.iter().any(|member| member.has(needed)) {
        return;
    }
    if let Some(member) = members.iter().find(|member| member.has(role)) {
        findings.lacks(
            member.roles_key(),
            format!("`{role}` needs `{needed}`, and no node has it"),
            format!("give a node the role `{needed}`"),
        );
    }
}

fn check_ports(
    inventory: &Inventory,
    node: &Node,
    topology: &Topology,
    findings: &mut Findings<'_>,
) {
    let open: Vec<Port> = component::of_node(node, topology)
        .flat_map(|component| component.ports(node, topology))
        .collect();
    for (index, Port { number, key, .. }) in open.iter().enumerate() {
        let taken = open[..index].iter().find(|other| other.number == *number);
        if let Some(Port { key: other, .. }) = taken {
            // The one that the file says is the one to change.
            let (key, other) = if inventory.says(key) {
                (key, other)
            } else {
                (other, key)
            };
            findings.add(
                *key,
                format!(
                    "{number} is `{other}` too, and `{}` has both roles",
                    node.name
                ),
                "take another port",
            );
        }
    }
}
