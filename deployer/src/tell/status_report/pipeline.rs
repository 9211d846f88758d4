//! Judges what the node that answers for the pipeline says of brokers, topics and documents.

use std::collections::{BTreeMap, BTreeSet};

use crate::component::pipeline::{self, LOG, MOVER, SENDER, STORE};
use crate::inspect::{self, Database, Inspect, Log};
use crate::topology::{Topic, Topology};

use super::{BrokersReport, SinkReport, TopicReport};

pub(super) type PipelineReport = (
    Option<BrokersReport>,
    Option<String>,
    BTreeMap<String, TopicReport>,
);

/// Where it is said what is not well, and what else is worth knowing.
pub(super) struct Said<'a> {
    pub(super) problems: &'a mut Vec<String>,
    pub(super) notes: &'a mut Vec<String>,
}

/// Events that may be on their way between two answers of the same moment, at least and as a share of all.
const ON_THEIR_WAY: i64 = 100;
const SHARE_ON_THEIR_WAY: i64 = 20;
/// A topic whose newest document is older than this many seconds is at rest: nothing is on its way.
const AT_REST: i64 = 10;

pub(super) fn judge_pipeline(
    topology: &Topology,
    inspection: &Inspect,
    now: jiff::Timestamp,
    said: &mut Said<'_>,
) -> PipelineReport {
    let log = &inspection.log;
    let brokers = judge_brokers(topology, log, said);
    let databases = inspection.store.databases.iter();
    let documents: BTreeMap<&str, &Database> = databases
        .map(|database| (database.topic.as_str(), database))
        .collect();
    let has_store = pipeline::has_store(topology);
    if has_store && let Some(error) = &inspection.store.error {
        said.problems.push(format!("{}: {error}", STORE.name()));
    }
    let report = |name: &str, former| {
        let seen = log.topics.iter().find(|seen| seen.name == name);
        topic_report(seen, documents.get(name).copied(), now, former)
    };
    let mut topics = BTreeMap::new();
    for topic in topology.topics.values() {
        let mut report = report(&topic.name, false);
        report.sinks = sink_reports(&topic.name, &inspection.sinks, now, said);
        judge_topic(
            topic,
            &report,
            inspection,
            has_store && topic.documented,
            &pipeline::readers(topology, &topic.database),
            said,
        );
        topics.insert(topic.name.clone(), report);
    }
    for name in topology.former.topics.keys() {
        let report = report(name, true);
        if report.partitions > 0 {
            topics.insert(name.clone(), report);
        }
    }
    (Some(brokers), inspection.store.vendor.clone(), topics)
}

fn judge_brokers(topology: &Topology, log: &Log, said: &mut Said<'_>) -> BrokersReport {
    let nodes = topology.nodes_with(LOG.name());
    let wanted: BTreeMap<i32, &str> = nodes
        .filter_map(|node| {
            Some((
                i32::try_from(node.number(LOG.name())?).ok()?,
                node.name.as_str(),
            ))
        })
        .collect();
    let expected = topology.nodes_with(LOG.name()).count();
    if let Some(error) = &log.error {
        said.problems.push(format!("{}: {error}", LOG.name()));
    }
    let alive: Vec<i32> = log.brokers.iter().map(|broker| broker.id).collect();
    let (ours, others): (Vec<i32>, Vec<i32>) =
        alive.iter().partition(|id| wanted.contains_key(*id));
    if log.reachable && ours.len() < expected {
        said.problems.push(format!(
            "{}: {} of {expected} brokers are alive",
            LOG.name(),
            ours.len()
        ));
    }
    let former = |id: i32| {
        let id = u32::try_from(id).ok()?;
        topology.former.brokers.get(&id).map(String::as_str)
    };
    if log.reachable {
        let gone = log.gone(&wanted.keys().copied().collect());
        said.problems.extend(
            gone.iter()
                .map(|(id, held)| held.gone_in_words(*id, former(*id))),
        );
    }
    let any = log.partitions().next().is_some();
    for (id, node) in wanted.iter().filter(|(id, _)| any && ours.contains(id)) {
        if log.held_by(*id).copies == 0 {
            said.notes.push(format!(
                "{node}: its broker has no partitions: topics that are there stay where they are, and only new ones use it"
            ));
        }
    }
    BrokersReport {
        expected,
        alive,
        others,
    }
}

fn topic_report(
    seen: Option<&inspect::Topic>,
    database: Option<&Database>,
    now: jiff::Timestamp,
    former: bool,
) -> TopicReport {
    let partitions = seen.map_or(&[][..], |seen| &seen.partitions);
    TopicReport {
        partitions: partitions.len(),
        under_replicated: partitions
            .iter()
            .filter(|partition| partition.isr.len() < partition.replicas.len())
            .count(),
        without_leader: partitions
            .iter()
            .filter(|partition| partition.leader < 0)
            .count(),
        events: seen.and_then(|seen| seen.messages),
        lag: seen.and_then(|seen| seen.lag),
        documents: database.and_then(|database| database.documents),
        dead_letters: database.and_then(|database| database.dead_letters),
        put_away: database
            .and_then(|database| database.put_away)
            .filter(|count| *count > 0),
        newest_age_seconds: database.and_then(|database| age(database.newest.as_deref(), now)),
        sinks: BTreeMap::new(),
        former,
    }
}

/// How many seconds ago something was.
fn age(moment: Option<&str>, now: jiff::Timestamp) -> Option<i64> {
    let moment = moment?.parse::<jiff::Timestamp>().ok()?;
    Some(now.duration_since(moment).as_secs().max(0))
}

/// What the sinks of a topic hold, by their names.
fn sink_reports(
    topic: &str,
    sinks: &[inspect::Sink],
    now: jiff::Timestamp,
    said: &mut Said<'_>,
) -> BTreeMap<String, SinkReport> {
    let mut reports = BTreeMap::new();
    for sink in sinks.iter().filter(|sink| sink.topic == topic) {
        let name = &sink.name;
        if let Some(error) = &sink.error {
            said.problems.push(format!("sink {name}: {error}"));
        }
        if let Some(dead) = sink.dead_letters.filter(|dead| *dead > 0) {
            said.notes.push(format!(
                "topic {topic}: {dead} dead letters beside sink {name}; `deployer dead-letters` shows them"
            ));
        }
        let report = SinkReport {
            records: sink.records,
            dead_letters: sink.dead_letters,
            newest_age_seconds: age(sink.newest.as_deref(), now),
        };
        reports.insert(name.clone(), report);
    }
    reports
}

fn judge_topic(
    topic: &Topic,
    report: &TopicReport,
    inspection: &Inspect,
    has_store: bool,
    readers: &BTreeSet<String>,
    said: &mut Said<'_>,
) {
    let Topic { name, database, .. } = topic;
    let log = &inspection.log;
    let mut problem = |words: String| said.problems.push(words);
    if log.reachable && report.partitions == 0 {
        problem(format!(
            "topic {name} does not exist; `deployer up` makes it"
        ));
    }
    if let Some(seen) = log.topic(name) {
        // An older tool says nothing of settings.
        if seen.config.is_some() {
            for difference in seen.settings_differ(&topic.config) {
                problem(format!("{difference}; `deployer up` sets it"));
            }
        }
        let count = seen.partitions.len();
        if u32::try_from(count).is_ok_and(|count| count < topic.partitions) {
            problem(format!(
                "topic {name}: {count} of {} partitions; `deployer up` adds the others",
                topic.partitions
            ));
        }
        if let Some(words) = seen.copies_differ(topic.replication) {
            problem(words);
        }
    }
    if report.under_replicated > 0 {
        problem(format!(
            "topic {name}: {} partitions are not in sync on all replicas",
            report.under_replicated
        ));
    }
    if report.without_leader > 0 {
        problem(format!(
            "topic {name}: {} partitions have no leader",
            report.without_leader
        ));
    }
    let mut databases = inspection.store.databases.iter();
    let seen = databases.find(|database| database.topic == *name);
    let error = seen.and_then(|seen| seen.error.as_ref());
    if let Some(error) = error.filter(|error| inspection.store.error.as_ref() != Some(error)) {
        problem(format!("database {database}: {error}"));
    }
    let differs = seen.map(|seen| seen.access_differs(readers));
    if let Some(differs) = differs.filter(|differs| !differs.is_empty()) {
        let more = differs.iter().filter(|why| *why != "changed");
        let more: String = more.map(|why| format!(", {why}")).collect();
        problem(format!(
            "database {database}: its access rules (_security) were changed{more}; `deployer up` mends it"
        ));
    }
    let answers = inspection.store.reachable && inspection.store.error.is_none();
    if answers && has_store && error.is_none() && report.documents.is_none() {
        problem(format!(
            "database {database} does not exist; `deployer up` makes it"
        ));
    }
    if let Some(dead) = report.dead_letters.filter(|dead| *dead > 0) {
        problem(format!(
            "topic {name}: {dead} dead letters in {database}-dead-letters; `deployer dead-letters` shows them, --put-away settles them"
        ));
    }
    let deleted = log.topic(name).and_then(|seen| seen.deleted);
    let lost = seen.and_then(|seen| seen.lost_events);
    let lost = lost.unwrap_or(0) + deleted.unwrap_or(0).max(0).unsigned_abs();
    if lost > 0 {
        problem(format!(
            "topic {name}: {} deleted {lost} events before the {} had read them: the topic's retention is shorter than it was behind, or a {}'s clock is wrong",
            LOG.title(),
            MOVER.title(),
            SENDER.title()
        ));
    }
    // Where documents are replaced there are as many as keys, whatever the number of events.
    let missing = missing_documents(report).filter(|_| !topic.replaced);
    if let Some(missing) = missing {
        let events = report.events.unwrap_or_default();
        let words = format!(
            "topic {name}: {missing} of {events} events were read and are no documents of {database}"
        );
        if report.documents == Some(0) {
            problem(format!(
                "{words}: were they deleted? `deployer import` brings back what was exported"
            ));
        } else {
            said.notes.push(format!(
                "{words}: documents were deleted, or events are there twice"
            ));
        }
    }
}

/// Events that were taken and are neither documents nor dead letters, apart from those that may be on their way
/// between the answers.
fn missing_documents(report: &TopicReport) -> Option<i64> {
    let (events, lag) = (report.events?, report.lag?);
    let letters = report.dead_letters.unwrap_or(0) + report.put_away.unwrap_or(0);
    let stored = report.documents? + letters;
    let missing = events - lag - i64::try_from(stored).ok()?;
    let is_at_rest = report.newest_age_seconds.is_none_or(|age| age > AT_REST);
    let spared = if is_at_rest && lag == 0 {
        0
    } else {
        ON_THEIR_WAY.max(events / SHARE_ON_THEIR_WAY)
    };
    (missing > spared).then_some(missing)
}
