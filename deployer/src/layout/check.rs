//! Checks of roles across nodes: what needs what, and what there can be one of only.

use super::findings::Findings;
use super::members::Member;
use crate::component::{self, Component, Count, Port, consumer, couchdb, kafka, producer};
use crate::inventory::{Inventory, Source};
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
        for needed in component.needs() {
            let pair = (component.name(), *needed);
            // Sinks say themselves what they need.
            if pair == (consumer::NAME, couchdb::NAME) && !inventory.sinks.is_empty() {
                continue;
            }
            needs_another(members, component.name(), needed, findings);
        }
    }
    check_replication(inventory, members, findings);
    check_extra_topics(inventory, members, findings);
    for member in members {
        check_ports(inventory, &topology.nodes[&member.name], topology, findings);
        check_producer(member, findings);
        if member.has(producer::NAME) {
            check_source(inventory, member, findings);
        }
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

fn check_replication(inventory: &Inventory, members: &[Member<'_>], findings: &mut Findings<'_>) {
    let kafka = &inventory.kafka;
    let brokers: Vec<&Member<'_>> = members
        .iter()
        .filter(|member| member.has(kafka::NAME))
        .collect();
    let Some(first) = brokers.first() else {
        return;
    };
    let copies = usize::try_from(kafka.replication).unwrap_or(usize::MAX);
    if copies > brokers.len() {
        // Where the file does not say, the default is at fault: the broker's place helps more than the file's first line.
        let key = if inventory.says("kafka.replication") {
            "kafka.replication".to_owned()
        } else {
            first.roles_key()
        };
        let names: Vec<&str> = brokers.iter().map(|broker| broker.name.as_str()).collect();
        let have = match brokers.len() {
            1 => format!("{} is the only broker", names[0]),
            several => format!("there are {several} brokers ({})", names.join(", ")),
        };
        findings.lacks(
            key,
            format!("{copies} copies of each partition need {copies} brokers, and {have}"),
            format!(
                "give the role `kafka` to more nodes, or set `kafka.replication: {}`",
                brokers.len()
            ),
        );
    }
    if kafka.min_insync_replicas > kafka.replication && findings.knows("kafka.replication") {
        findings.add(
            "kafka.min_insync_replicas",
            format!(
                "{} copies in sync of only {}: nothing could ever be written",
                kafka.min_insync_replicas, kafka.replication
            ),
            format!("set it to {} at most", kafka.replication),
        );
    }
}

fn check_extra_topics(inventory: &Inventory, members: &[Member<'_>], findings: &mut Findings<'_>) {
    let brokers = members.iter().any(|member| member.has(kafka::NAME));
    if !brokers && !inventory.topics.extra.is_empty() {
        findings.lacks(
            "topics.extra",
            "topics need Kafka, and no node has it",
            "give a node the role `kafka`",
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

fn check_producer(member: &Member<'_>, findings: &mut Findings<'_>) {
    let says = member.entry.producer != crate::inventory::ProducerChange::default();
    if says && !member.has(producer::NAME) {
        findings.lacks(
            format!("{}.producer", member.key),
            "says what a producer does, and the node is none",
            format!("add `producer` to `{}`", member.roles_key()),
        );
    }
}

/// Where units of ours see nothing (`ProtectHome=`), or something else than others (`PrivateTmp=`).
const HIDDEN: &[&str] = &["/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"];

/// Checks that a producer's file is named where it is read, and lies where its unit can see it.
fn check_source(inventory: &Inventory, member: &Member<'_>, findings: &mut Findings<'_>) {
    let (all, own) = (&inventory.producer, &member.entry.producer);
    let key = |field: &str, is_own: bool| {
        if is_own {
            format!("{}.producer.{field}", member.key)
        } else {
            format!("producer.{field}")
        }
    };
    let is_file = own.source.unwrap_or(all.source) == Source::File;
    let Some(path) = own.path.as_ref().or(all.path.as_ref()) else {
        if is_file {
            findings.add(
                key("source", own.source.is_some()),
                "is `file`, and no file is named",
                "add `path: /var/log/syslog`",
            );
        }
        return;
    };
    let key = key("path", own.path.is_some());
    if !is_file {
        // One that stands for all may be for others.
        if own.path.is_some() {
            findings.add(
                key,
                "is of no use: the source is no file",
                "add `source: file`",
            );
        }
    } else if !path.starts_with('/') || path.ends_with('/') {
        findings.add(
            key,
            format!("`{path}` is not the absolute path of a file"),
            "write it from / on",
        );
    } else if let Some(hidden) = HIDDEN.iter().find(|hidden| path.starts_with(**hidden)) {
        findings.add(
            key,
            format!("`{path}` lies below {hidden}, which no service sees"),
            "let it be written elsewhere, such as below /var/log",
        );
    }
}
