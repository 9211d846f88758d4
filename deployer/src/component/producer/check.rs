//! What of an inventory no producer could do.

use super::{NAME, ProducerChange, ProducerSection, Source, bucket};
use crate::inventory::{Findings, Inventory, Member, TimeSpan};

/// Looks at all that concerns producers.
pub(super) fn check(inventory: &Inventory, members: &[Member<'_>], findings: &mut Findings<'_>) {
    check_intervals(inventory, findings);
    for member in members {
        check_role(member, findings);
        if member.has(NAME) {
            check_source(inventory, member, findings);
            bucket::check(inventory, member, findings);
            check_run(inventory, member, findings);
        }
    }
}

/// What is said of all holds for each of them, also where a node has another source.
fn check_intervals(inventory: &Inventory, findings: &mut Findings<'_>) {
    let all: &ProducerSection = inventory.sections.get();
    let mut shortest = all.source.shortest();
    for (name, node) in &inventory.nodes {
        let own: &ProducerChange = node.sections.get();
        let of_own = own.source.unwrap_or(all.source).shortest();
        match own.interval {
            Some(interval) => {
                let key = format!("nodes.{name}.producer.interval");
                findings.check_span(&key, interval, of_own, TimeSpan::from_days(1));
            }
            None => shortest = shortest.max(of_own),
        }
    }
    if let Some(interval) = all.interval {
        findings.check_span(
            "producer.interval",
            interval,
            shortest,
            TimeSpan::from_days(1),
        );
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

/// Checks what is said of a producer's runs.
fn check_run(inventory: &Inventory, member: &Member<'_>, findings: &mut Findings<'_>) {
    let all: &ProducerSection = inventory.sections.get();
    let own: &ProducerChange = member.entry.sections.get();
    let source = own.source.unwrap_or(all.source);
    if own.seed.is_some() && !source.is_made_up() {
        findings.add(
            format!("{}.producer.seed", member.key),
            "is of no use: the source makes nothing up",
            "add `source: logins`, `trucks` or `logs`, or take it away",
        );
    }
    if own.schedule.as_ref().or(all.schedule.as_ref()).is_none() {
        return;
    }
    let key = if own.schedule.is_some() {
        format!("{}.producer.schedule", member.key)
    } else {
        "producer.schedule".to_owned()
    };
    if !source.is_own() {
        findings.add(
            key,
            "is of no use: events of the source come when they come",
            "take it away, or let the source be `top`, `logins`, `trucks` or `logs`",
        );
    } else if own.count.unwrap_or(all.count) == 0 {
        findings.add(
            key,
            "needs runs that end, and `count: 0` is for ever",
            "say how many events a run has: `count: 100`",
        );
    }
}
