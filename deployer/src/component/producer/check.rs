//! What of an inventory no producer could do.

use super::{NAME, ProducerChange, ProducerSection, Source};
use crate::inventory::{Findings, Inventory, Member, TimeSpan};

/// Looks at all that concerns producers.
pub(super) fn check(inventory: &Inventory, members: &[Member<'_>], findings: &mut Findings<'_>) {
    check_intervals(inventory, findings);
    for member in members {
        check_role(member, findings);
        if member.has(NAME) {
            check_source(inventory, member, findings);
        }
    }
}

fn check_intervals(inventory: &Inventory, findings: &mut Findings<'_>) {
    let all: &ProducerSection = inventory.sections.get();
    let intervals = inventory
        .nodes
        .iter()
        .filter_map(|(name, node)| {
            let interval = node.sections.get::<ProducerChange>().interval?;
            Some((format!("nodes.{name}.producer.interval"), interval))
        })
        .chain([("producer.interval".to_owned(), all.interval)]);
    let ten = TimeSpan::from_milliseconds(10);
    for (key, interval) in intervals {
        findings.check_span(&key, interval, ten, TimeSpan::from_days(1));
    }
}

fn check_role(member: &Member<'_>, findings: &mut Findings<'_>) {
    let says = *member.entry.sections.get::<ProducerChange>() != ProducerChange::default();
    if says && !member.has(NAME) {
        findings.lacks(
            format!("{}.producer", member.key),
            "says what a producer does, and the node is none",
            format!("add `producer` to `{}`", member.roles_key()),
        );
    }
}

/// Checks that a producer's file is named where it is read.
fn check_source(inventory: &Inventory, member: &Member<'_>, findings: &mut Findings<'_>) {
    let all: &ProducerSection = inventory.sections.get();
    let own: &ProducerChange = member.entry.sections.get();
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
    }
}
