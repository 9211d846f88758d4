//! Judges what the node that answers for the pipeline says of brokers, topics and documents.

use std::collections::BTreeMap;

use super::{BrokersReport, TopicReport};
use crate::inspect::{Database, Inspect};
use crate::topology::{Role, Topology};

pub(super) type PipelineReport = (
    Option<BrokersReport>,
    Option<String>,
    BTreeMap<String, TopicReport>,
);

pub(super) fn judge_pipeline(
    topology: &Topology,
    inspection: &Inspect,
    now: jiff::Timestamp,
    problems: &mut Vec<String>,
) -> PipelineReport {
    let expected = topology.nodes_with(Role::Kafka).count();
    if let Some(error) = &inspection.kafka.error {
        problems.push(format!("kafka: {error}"));
    }
    let alive: Vec<i32> = inspection
        .kafka
        .brokers
        .iter()
        .map(|broker| broker.id)
        .collect();
    if inspection.kafka.reachable && alive.len() < expected {
        problems.push(format!(
            "kafka: {} of {expected} brokers are alive",
            alive.len()
        ));
    }
    let databases = inspection.couchdb.databases.iter();
    let documents: BTreeMap<&str, &Database> = databases
        .map(|database| (database.topic.as_str(), database))
        .collect();
    let has_couchdb = topology.couchdb_url().is_some();
    if has_couchdb && let Some(error) = &inspection.couchdb.error {
        problems.push(format!("couchdb: {error}"));
    }
    let mut topics = BTreeMap::new();
    for topic in topology.topics.values() {
        let seen = inspection
            .kafka
            .topics
            .iter()
            .find(|seen| seen.name == topic.name);
        let database = documents.get(topic.name.as_str());
        let partitions = seen.map_or(&[][..], |seen| &seen.partitions);
        let report = TopicReport {
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
            newest_age_seconds: database
                .and_then(|database| database.newest.as_deref())
                .and_then(|newest| newest.parse::<jiff::Timestamp>().ok())
                .map(|newest| now.duration_since(newest).as_secs().max(0)),
        };
        if inspection.kafka.reachable && report.partitions == 0 {
            problems.push(format!(
                "topic {} does not exist; `deployer up` makes it",
                topic.name
            ));
        }
        if report.under_replicated > 0 {
            problems.push(format!(
                "topic {}: {} partitions are not in sync on all replicas",
                topic.name, report.under_replicated
            ));
        }
        if report.without_leader > 0 {
            problems.push(format!(
                "topic {}: {} partitions have no leader",
                topic.name, report.without_leader
            ));
        }
        let error = database.and_then(|database| database.error.as_ref());
        if let Some(error) = error.filter(|error| inspection.couchdb.error.as_ref() != Some(error))
        {
            problems.push(format!("database {}: {error}", topic.database));
        }
        if database.is_some_and(|database| database.access_kept == Some(false)) {
            problems.push(format!(
                "database {}: its access rules (_security) were changed; `deployer up` mends it",
                topic.database
            ));
        }
        let answers = inspection.couchdb.reachable && inspection.couchdb.error.is_none();
        if answers && has_couchdb && error.is_none() && report.documents.is_none() {
            problems.push(format!(
                "database {} does not exist; `deployer up` makes it",
                topic.database
            ));
        }
        if let Some(dead) = report.dead_letters.filter(|dead| *dead > 0) {
            problems.push(format!(
                "topic {}: {dead} dead letters in {}-dead-letters; `deployer dead-letters` shows them, --put-away settles them",
                topic.name, topic.database
            ));
        }
        let deleted = seen.and_then(|seen| seen.deleted).unwrap_or(0).max(0);
        let lost = database.and_then(|database| database.lost_events);
        let lost = lost.unwrap_or(0) + deleted.unsigned_abs();
        if lost > 0 {
            problems.push(format!(
                "topic {}: Kafka deleted {lost} events before the consumer had read them: the topic's retention is shorter than it was behind, or a producer's clock is wrong",
                topic.name
            ));
        }
        topics.insert(topic.name.clone(), report);
    }
    let brokers = Some(BrokersReport { expected, alive });
    (brokers, inspection.couchdb.vendor.clone(), topics)
}
