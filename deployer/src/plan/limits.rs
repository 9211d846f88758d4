//! What stands against a plan because partitions cannot be moved yet (brokers could; we cannot) or taken away: what is refused, what
//! is lost, what `up` cannot mend, and what the user should know. All of it from the pipeline's own report.

use std::collections::BTreeSet;

use crate::component::pipeline::LOG;
use crate::component::{self, Contrary};
use crate::few::few;
use crate::inspect::{Held, Inspect, Log};
use crate::step::Action;
use crate::topology::Topic;

use super::check::inspect;
use super::data::{Data, begins_anew_with, data, holders, loss, recorded};
use super::{Desired, Loss, Situation};

/// The brokers' name of the time for which events stay.
const RETENTION: &str = "retention.ms";

/// A wish of the inventory that cannot be fulfilled: nothing is changed before the user has taken it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impossible {
    /// What is wished, and why it cannot be.
    pub what: String,
    /// What the user can do.
    pub hint: String,
}

/// What the pipeline says, unless the plan makes all of it anew.
fn report(desired: &Desired, situation: &Situation<'_>) -> Option<Inspect> {
    if begins_anew_with(desired, situation, LOG).is_some() {
        return None;
    }
    let (node, _) = desired.pipeline.as_ref()?;
    situation.facts.get(node).and_then(inspect)
}

/// What the brokers say, if they say anything.
fn log(desired: &Desired, situation: &Situation<'_>) -> Option<Log> {
    let log = report(desired, situation)?.log;
    log.reachable.then_some(log)
}

/// Whether a number of a topic is another one than at the last `up`. A topic that is new in the inventory asks for no change.
fn changed(situation: &Situation<'_>, wanted: &Topic, number: impl Fn(&Topic) -> u32) -> bool {
    match situation.last {
        None => true,
        Some(last) => {
            let was = last.topics.get(&wanted.name);
            was.is_some_and(|was| number(was) != number(wanted))
        }
    }
}

/// The wishes that cannot be fulfilled.
pub fn impossible(desired: &Desired, situation: &Situation<'_>) -> Vec<Impossible> {
    let mut found = contraries(desired, situation);
    let Some(log) = log(desired, situation) else {
        return found;
    };
    let mut copies: Vec<&str> = Vec::new();
    let mut numbers = BTreeSet::new();
    for wanted in desired.topics.values() {
        let Some(there) = log.topic(&wanted.name) else {
            continue;
        };
        let differ = there.copies_differ(wanted.replication).is_some();
        if differ && changed(situation, wanted, |topic| topic.replication) {
            copies.push(&wanted.name);
            let counts = there.partitions.iter();
            numbers.extend(counts.map(|partition| partition.replicas.len()));
        }
        let count = there.partitions.len();
        let fewer = u32::try_from(count).is_ok_and(|count| count > wanted.partitions);
        if fewer && changed(situation, wanted, |topic| topic.partitions) {
            found.push(Impossible {
                what: format!(
                    "topic {}: partitions {count} → {}: {} cannot take partitions away",
                    wanted.name,
                    wanted.partitions,
                    LOG.title()
                ),
                hint: format!(
                    "say `partitions: {count}`; only a topic of another name can have fewer"
                ),
            });
        }
    }
    let wanted = desired.topics.values().map(|topic| topic.replication).max();
    if let (Some(wanted), Some(there), false) = (wanted, numbers.last(), copies.is_empty()) {
        found.push(Impossible {
            what: format!(
                "{}.replication {there} → {wanted}: {} exist with {there} copies of each partition, and partitions \
                 cannot be moved or copied to other brokers yet",
                LOG.name(),
                listed("topics", &copies)
            ),
            hint: format!(
                "say `replication: {there}` under `{}`; a deployment made anew gets {wanted}",
                LOG.name()
            ),
        });
    }
    found
}

/// What stands in data that stay against what tools are to make of them.
fn contraries(desired: &Desired, situation: &Situation<'_>) -> Vec<Impossible> {
    let mut found = Vec::new();
    for (node, facts) in situation.facts {
        let Some(report) = &facts.pipeline else {
            continue;
        };
        for action in desired.actions(node) {
            let Action::CallTool {
                component, wanted, ..
            } = action
            else {
                continue;
            };
            let component = component::named(component).into_iter();
            found.extend(component.flat_map(|one| one.contraries(wanted, report)));
        }
    }
    let stays = |one: &Contrary| {
        holders(desired, one.holder).any(|node| {
            let data = data(desired, situation, node, one.holder);
            matches!(data, Data::There | Data::Unknown)
        })
    };
    let staying = found.into_iter().filter(stays);
    staying
        .map(|Contrary { what, hint, .. }| Impossible { what, hint })
        .collect()
}

/// What is lost with brokers that are no longer wanted.
pub(super) fn losses(desired: &Desired, situation: &Situation<'_>) -> Vec<Loss> {
    let Some(report) = report(desired, situation) else {
        return Vec::new();
    };
    let leaving = situation.receipt.numbers_of(LOG.name()).iter();
    let leaving = leaving.filter(|(node, _)| {
        !desired.brokers.contains_key(*node) && situation.receipt.machines.contains_key(*node)
    });
    leaving
        .filter_map(|(node, id)| {
            let removed = situation.prune && situation.orphans.contains(node);
            let stopped = desired.nodes().contains(node.as_str());
            let dropped = situation.last.is_none_or(|last| {
                let node = last.nodes.get(node);
                node.is_some_and(|node| node.has(LOG.name()))
            });
            // One that was left alone stays so, and one whose data is given up without `--prune` loses nothing.
            let given_up = situation.destroy_data.contains(node);
            if !removed && !stopped && (!dropped || given_up) {
                return None;
            }
            let log = &report.log;
            if !log.reachable {
                let held = recorded(situation, node, LOG.name());
                let words = format!(
                    "whether its broker holds partitions is not known: {} does not answer",
                    LOG.title()
                );
                return held.then(|| loss(situation, node, words));
            }
            let id = i32::try_from(*id).ok()?;
            let held = log.held_by(id);
            let alive = log.brokers.iter().any(|broker| broker.id == id);
            (alive && held.copies > 0).then(|| {
                let words = format!(
                    "its broker goes and {}; partitions cannot be moved yet, so {node} should stay a broker",
                    holds(&held)
                );
                loss(situation, node, words)
            })
        })
        .collect()
}

fn holds(held: &Held) -> String {
    let last = match held.last_copies {
        0 => String::new(),
        last => format!(", of {last} the last ones"),
    };
    format!(
        "leads {} and has copies of {} partitions ({}){last}",
        held.leads,
        held.copies,
        held.topics_in_words()
    )
}

/// What is not as it should be and `up` cannot mend.
pub(super) fn troubles(desired: &Desired, situation: &Situation<'_>) -> Vec<String> {
    let Some(log) = log(desired, situation) else {
        return Vec::new();
    };
    let mut troubles: Vec<String> = desired
        .topics
        .values()
        .filter_map(|wanted| log.topic(&wanted.name)?.copies_differ(wanted.replication))
        .map(|words| {
            format!(
                "{words}; {}'s own tools can move partitions, this program cannot yet",
                LOG.title()
            )
        })
        .collect();
    let ids = situation.receipt.numbers_of(LOG.name());
    let wanted = desired.brokers.keys().map(|node| ids.get(node).copied());
    if let Some(wanted) = wanted.collect::<Option<BTreeSet<u32>>>() {
        let wanted = wanted.into_iter().filter_map(|id| i32::try_from(id).ok());
        let gone = log.gone(&wanted.collect());
        troubles.extend(gone.iter().map(|(id, held)| {
            let node = u32::try_from(*id).ok();
            let node = node.and_then(|id| desired.former.brokers.get(&id));
            held.gone_in_words(*id, node.map(String::as_str))
        }));
    }
    troubles
}

/// What the user should know of brokers, topics and databases.
pub(super) fn notes(desired: &Desired, situation: &Situation<'_>) -> Vec<String> {
    let Some(Inspect { log, store, .. }) =
        report(desired, situation).filter(|report| report.log.reachable)
    else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    let ids = situation.receipt.numbers_of(LOG.name());
    let any = log.partitions().next().is_some();
    for node in desired.brokers.keys().filter(|_| any) {
        let id = ids.get(node).and_then(|id| i32::try_from(*id).ok());
        if id.is_some_and(|id| log.held_by(id).copies == 0) {
            notes.push(format!(
                "{node}: its broker has no partitions: topics that are there stay where they are, and only new ones use it"
            ));
        }
    }
    for wanted in desired.topics.values() {
        let Some(there) = log.topic(&wanted.name) else {
            continue;
        };
        let count = there.partitions.len();
        if u32::try_from(count).is_ok_and(|count| count > wanted.partitions) {
            notes.push(format!(
                "topic {}: {count} partitions, not {}; {} cannot take any away",
                wanted.name,
                wanted.partitions,
                LOG.title()
            ));
        }
        let emptied = store
            .databases
            .iter()
            .any(|database| database.name == wanted.database && database.documents.is_none())
            && wanted.documented;
        let read = there
            .messages
            .zip(there.lag)
            .map_or(0, |(messages, lag)| messages - lag);
        if store.reachable && emptied && read > 0 {
            notes.push(format!(
                "database {}: made anew and empty; the {read} events of its topic that were documents are not read again",
                wanted.database
            ));
        }
    }
    let time = |text: Option<&String>| text.and_then(|text| text.parse::<u64>().ok());
    let shorter: Vec<&str> = desired
        .topics
        .values()
        .filter(|wanted| {
            let there = log
                .topic(&wanted.name)
                .and_then(|there| there.config.as_ref());
            let there = time(there.and_then(|config| config.get(RETENTION)));
            there > time(wanted.config.get(RETENTION))
        })
        .map(|wanted| wanted.name.as_str())
        .collect();
    if !shorter.is_empty() {
        notes.push(format!(
            "{}: the shorter retention deletes older events; documents stay",
            listed("topics", &shorter)
        ));
    }
    let former: Vec<&str> = desired
        .former
        .topics
        .keys()
        .filter(|name| log.partitions().any(|(topic, _)| topic == name.as_str()))
        .map(String::as_str)
        .collect();
    if !former.is_empty() {
        notes.push(format!(
            "{}: no longer in the inventory, and read until --prune",
            listed("topics", &former)
        ));
    }
    notes
}

/// Some of many names.
fn listed(noun: &str, names: &[&str]) -> String {
    let noun = if names.len() == 1 {
        noun.trim_end_matches('s')
    } else {
        noun
    };
    format!("{noun} {}", few(names, 5))
}
