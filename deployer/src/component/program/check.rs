//! What of an inventory's programs could never run.

use std::collections::{BTreeMap, BTreeSet};

use super::environment::OWN;
use super::schedule::calendar;
use super::section::{KAFKA, OwnProgram, PROGRAMS, ProgramsSection};
use crate::component::kafka::{self, UsersSection, no_topic};
use crate::component::{self, Component};
use crate::inventory::{Findings, Inventory, Member};
use crate::topology::Topic;

/// Looks at all but the names of topics.
pub(super) fn check(inventory: &Inventory, members: &[Member<'_>], findings: &mut Findings<'_>) {
    let ProgramsSection(programs) = inventory.sections.get();
    let UsersSection(users) = inventory.sections.get();
    for (name, program) in programs {
        let key = format!("{PROGRAMS}.{name}");
        check_places(&key, program, members, findings);
        check_files(&key, program, findings);
        check_login(&key, program, members, findings);
        for (index, package) in program.packages.iter().enumerate() {
            let fits =
                |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || "+-.".contains(one);
            if package.len() < 2 || package.starts_with('-') || !package.chars().all(fits) {
                findings.say(
                    format!("{key}.packages[{index}]"),
                    format!("`{package}` is not the name of a Debian package"),
                );
            }
        }
        for variable in program.environment.keys() {
            if OWN.contains(&variable.as_str()) {
                findings.add(
                    format!("{key}.environment.{variable}"),
                    "is set by the deployer itself",
                    "take another name",
                );
            }
        }
        if members.iter().any(|member| means(name, member)) {
            findings.add(
                key.clone(),
                format!("`{name}` is a node, too"),
                "give it another name",
            );
        }
        if users.contains_key(name) {
            findings.add(
                key,
                format!("`{name}` is one of `users`, too"),
                "give it another name",
            );
        }
    }
    let names: BTreeSet<&String> = programs.keys().chain(users.keys()).collect();
    for name in &names {
        let within = |other: &&&String| name.starts_with(&kafka::users::groups(other));
        if let Some(other) = names.iter().find(within)
            && (programs.contains_key(*name) || programs.contains_key(*other))
        {
            let section = if programs.contains_key(*name) {
                PROGRAMS
            } else {
                "users"
            };
            findings.add(
                format!("{section}.{name}"),
                format!("begins like the groups of `{other}`, who could take part in its own"),
                "give it a name of another beginning",
            );
        }
    }
}

/// Whether a program that runs on something is on a member.
pub(super) fn is_on(program: &OwnProgram, member: &Member<'_>) -> bool {
    program.on.0.iter().any(|on| means(on, member))
}

/// A node, the nodes of an entry with a `count`, or those of a role.
fn means(on: &str, member: &Member<'_>) -> bool {
    member.name == on || member.key == format!("nodes.{on}") || member.has(on)
}

fn check_places(
    key: &str,
    program: &OwnProgram,
    members: &[Member<'_>],
    findings: &mut Findings<'_>,
) {
    if program.on.0.is_empty() {
        findings.add(key, "runs nowhere", "add `on: NODE`");
    }
    for on in &program.on.0 {
        if members.iter().any(|member| means(on, member)) {
            continue;
        }
        let is_role =
            component::named(on).is_some_and(|component: &dyn Component| component.is_role());
        let why = if is_role {
            format!("no node has the role `{on}`")
        } else {
            format!("there is no node or role `{on}`")
        };
        let nodes: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
        let nodes: Vec<String> = nodes.into_iter().map(|node| format!("`{node}`")).collect();
        let hint = format!("name a role, or one of the nodes {}", nodes.join(", "));
        findings.lacks(format!("{key}.on"), why, hint);
    }
}

fn check_files(key: &str, program: &OwnProgram, findings: &mut Findings<'_>) {
    if program.run.trim().is_empty() {
        findings.add(
            key,
            "runs nothing",
            "add such as `run: python3 producer.py`",
        );
    } else if program.run.chars().any(char::is_control) {
        findings.add(
            format!("{key}.run"),
            "must be one line",
            "put more into a file, and run that",
        );
    }
    if let Some(schedule) = &program.schedule
        && calendar(schedule).is_none()
    {
        findings.add(
            format!("{key}.schedule"),
            format!("`{schedule}` is more than a timer can say"),
            "write five fields of numbers, names, `*`, lists, ranges and steps, such as `0,20,40 * * * *`",
        );
    }
    let mut names = BTreeSet::new();
    for file in &program.files.0 {
        let Some(name) = std::path::Path::new(file).file_name() else {
            findings.add(
                format!("{key}.files"),
                format!("`{file}` has no name of its own"),
                "name a file or a folder",
            );
            continue;
        };
        if !names.insert(name) {
            findings.add(
                format!("{key}.files"),
                format!("names `{}` twice", name.display()),
                "all of them come to lie in one folder: give one another name",
            );
        }
    }
}

fn check_login(
    key: &str,
    program: &OwnProgram,
    members: &[Member<'_>],
    findings: &mut Findings<'_>,
) {
    for env in &program.env.0 {
        if env != KAFKA {
            findings.add(
                format!("{key}.env"),
                format!("`{env}` is nothing that a program logs in to"),
                format!("known: `{KAFKA}`"),
            );
        }
    }
    if program.uses(KAFKA) && !members.iter().any(|member| member.has(kafka::NAME)) {
        findings.lacks(
            format!("{key}.env"),
            "no node has Kafka",
            "give a node the role `kafka`",
        );
    }
    for (right, topics) in program.topics() {
        if !topics.is_empty() && !program.uses(KAFKA) {
            findings.add(
                format!("{key}.{right}"),
                "is of no use: the program does not log in to Kafka",
                format!("add `env: {KAFKA}`"),
            );
        }
    }
}

/// Looks at the names of topics.
pub fn check_topics(
    inventory: &Inventory,
    topics: &BTreeMap<String, Topic>,
    findings: &mut Findings<'_>,
) {
    let ProgramsSection(programs) = inventory.sections.get();
    for (name, program) in programs {
        for (right, named) in program.topics() {
            for (index, topic) in named.iter().enumerate() {
                if topics.get(topic).is_none_or(|topic| topic.canary) {
                    let key = format!("{PROGRAMS}.{name}.{right}[{index}]");
                    no_topic(key, topic, topics, findings);
                }
            }
        }
    }
}
