//! One question, one answer: all facts of a node in one round trip.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use crate::facts::{Facts, Patience, Query};
use crate::host::{Command, Host, HostError, Input};
use crate::step::{LOGIN, Manifest};

mod answer;
mod ports;
mod sections;
mod system;
#[cfg(test)]
mod tests;

/// What runs on the node.
const SCRIPT: &str = concat!(include_str!("../listing.sh"), include_str!("ask.sh"));
/// A node that has not answered by then is not well.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often to ask again when files changed while they were read.
const TRIES: usize = 3;

const OS_RELEASE: &str = "/etc/os-release";
const HOSTS: &str = "/etc/hosts";

/// Asks a node. An answer that broke off is no answer: what it does not mention would count as missing.
pub(super) async fn ask(host: &dyn Host, node: &str, query: &Query) -> Result<Facts, HostError> {
    let command = command(query);
    let mut tries = 0;
    loop {
        tries += 1;
        let asked_at = SystemTime::now();
        let started = Instant::now();
        let output = host.run(&command).await?;
        if output.status != 0 {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().rfind(|line| !line.trim().is_empty());
            return Err(HostError::NoAnswer {
                node: node.into(),
                status: output.status,
                detail: last.unwrap_or("without a word").trim().to_owned(),
            });
        }
        let exchange = Exchange {
            asked_at,
            took: started.elapsed(),
        };
        let (facts, whole) = answer::parse(query, &output.stdout, &exchange);
        if whole || tries == TRIES {
            return Ok(facts);
        }
    }
}

/// When the question left, and how long the answer took.
struct Exchange {
    asked_at: SystemTime,
    took: Duration,
}

fn command(query: &Query) -> Command {
    let program = query.pipeline.as_ref().map_or("", |tool| &tool.program);
    let config = query.pipeline.as_ref().map_or("", |tool| &tool.config);
    let login = query.pipeline.as_ref().and_then(|tool| tool.login.as_ref());
    let packages = query.packages.iter().flat_map(|entry| alternatives(entry));
    let figures: Vec<String> = query.figures.iter().map(u16::to_string).collect();
    let sources = query.sources.iter();
    let sources: Vec<String> = sources
        .map(|(path, group)| format!("{group}:{path}"))
        .collect();
    let lists = [
        lines(files(query).iter().map(String::as_str)),
        lines(shown(query).iter().map(String::as_str)),
        lines(query.units.iter().map(String::as_str)),
        lines(packages),
        lines(query.users.iter().map(String::as_str)),
        lines(query.tables.iter().map(String::as_str)),
        program.to_owned(),
        config.to_owned(),
        if query.system { "system" } else { "" }.to_owned(),
        lines(figures.iter().map(String::as_str)),
        if query.addresses { "addresses" } else { "" }.to_owned(),
        lines(query.archives.iter().map(String::as_str)),
        if query.whole { "whole" } else { "" }.to_owned(),
        lines(query.disks.iter().map(String::as_str)),
        lines(query.unread.iter().map(String::as_str)),
        lines(sources.iter().map(String::as_str)),
        login.map_or("", |_| LOGIN).to_owned(),
        seconds(query.patience).to_string(),
    ];
    let mut arguments: Vec<String> = vec!["-c".into(), SCRIPT.into(), "ask".into()];
    arguments.extend(lists);
    Command {
        program: "sh".into(),
        arguments,
        input: Input::text(
            query
                .pipeline
                .as_ref()
                .map_or(String::new(), |tool| tool.input("")),
        ),
        timeout: TIMEOUT,
        root: true,
    }
}

/// How many seconds the pipeline has.
fn seconds(patience: Patience) -> u8 {
    match patience {
        Patience::Long => 10,
        Patience::Short => 2,
    }
}

/// All paths to look at: those asked for, and those that other facts are read from.
fn files(query: &Query) -> BTreeSet<String> {
    let mut files: BTreeSet<String> = query.files.keys().cloned().collect();
    files.extend(shown(query));
    files
}

/// The paths whose text comes along, in the order of the answer.
fn shown(query: &Query) -> BTreeSet<String> {
    let mut shown: BTreeSet<String> = query
        .files
        .iter()
        .filter(|(_, shown)| **shown)
        .map(|(path, _)| path.clone())
        .collect();
    shown.insert(HOSTS.to_owned());
    if query.system {
        shown.insert(OS_RELEASE.to_owned());
    }
    if !query.deployment.is_empty() {
        shown.insert(Manifest::path(&query.deployment));
    }
    shown
}

/// The names in an entry such as `openjdk-21-jre-headless | openjdk-17-jre-headless`.
pub(super) fn alternatives(entry: &str) -> impl Iterator<Item = &str> {
    entry.split('|').map(str::trim)
}

/// One item a line. A name with a line break cannot be asked for; it counts as absent.
fn lines<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<&str> = items.filter(|item| !item.contains('\n')).collect();
    items.join("\n")
}
