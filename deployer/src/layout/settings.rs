//! Checks of values by themselves that the schema cannot express, and of settings that are passed on to Kafka and `CouchDB`.

use super::findings::Findings;
use crate::component::couchdb::settings as couchdb;
use crate::component::kafka::settings::{self as kafka, Scope};
use crate::component::refusal::Refusal;
use crate::inventory::{Distribution, Inventory, TimeSpan};

/// Checks the values of an inventory.
pub(super) fn check(inventory: &Inventory, findings: &mut Findings<'_>) {
    check_spans(inventory, findings);
    check_kafka(inventory, findings);
    check_topics(inventory, findings);
    check_couchdb(inventory, findings);
}

fn check_spans(inventory: &Inventory, findings: &mut Findings<'_>) {
    let intervals = inventory
        .nodes
        .iter()
        .filter_map(|(name, node)| {
            let interval = node.producer.interval?;
            Some((format!("nodes.{name}.producer.interval"), interval))
        })
        .chain([("producer.interval".to_owned(), inventory.producer.interval)]);
    let ten = TimeSpan::from_milliseconds(10);
    for (key, interval) in intervals {
        check_span(&key, interval, ten, TimeSpan::from_days(1), findings);
    }
    let retentions = inventory
        .topics
        .extra
        .iter()
        .filter_map(|(name, topic)| {
            let retention = topic.retention?;
            Some((format!("topics.extra.{name}.retention"), retention))
        })
        .chain([("topics.retention".to_owned(), inventory.topics.retention)]);
    let century = TimeSpan::from_days(36_500);
    for (key, retention) in retentions {
        check_span(
            &key,
            retention,
            TimeSpan::from_seconds(60),
            century,
            findings,
        );
    }
    check_span(
        "consumer.batch_age",
        inventory.consumer.batch_age,
        TimeSpan::from_milliseconds(0),
        TimeSpan::from_seconds(60),
        findings,
    );
}

fn check_span(
    key: &str,
    span: TimeSpan,
    shortest: TimeSpan,
    longest: TimeSpan,
    findings: &mut Findings<'_>,
) {
    if span < shortest || span > longest {
        let message = format!("must be between {shortest} and {longest}, is {span}");
        findings.say(key, message);
    }
}

fn check_kafka(inventory: &Inventory, findings: &mut Findings<'_>) {
    for (name, value) in &inventory.kafka.settings {
        let checked = kafka::check(Scope::Broker, name, &value.0);
        refuse(format!("kafka.settings.{name}"), checked, findings);
    }
}

fn check_topics(inventory: &Inventory, findings: &mut Findings<'_>) {
    let all = ("topics".to_owned(), &inventory.topics.settings);
    let extra = inventory
        .topics
        .extra
        .iter()
        .map(|(name, topic)| (format!("topics.extra.{name}"), &topic.settings));
    for (of, settings) in extra.chain([all]) {
        for (name, value) in settings {
            let key = format!("{of}.settings.{name}");
            if name == kafka::RETENTION {
                let hint = format!("use `{of}.retention`");
                findings.add(key, "is set by the deployer itself", hint);
                continue;
            }
            let checked = kafka::check(Scope::Topic, name, &value.0);
            let copies = inventory.kafka.replication;
            if name == "min.insync.replicas"
                && value
                    .0
                    .trim()
                    .parse()
                    .is_ok_and(|least: u32| least > copies)
            {
                let message = format!(
                    "{} copies in sync of only {copies}: nothing could ever be written",
                    value.0
                );
                findings.add(&key, message, format!("set it to {copies} at most"));
            }
            refuse(key, checked, findings);
        }
    }
}

fn check_couchdb(inventory: &Inventory, findings: &mut Findings<'_>) {
    let said = &inventory.couchdb;
    match (said.distribution, &said.archive) {
        (Distribution::Archive, None) => findings.add(
            "couchdb.distribution",
            "`archive` needs a release as tar.gz",
            "name the file in `couchdb.archive`",
        ),
        (Distribution::Auto | Distribution::Apache | Distribution::Pouchdb, Some(_)) => findings
            .add(
                "couchdb.archive",
                "is used with `distribution: archive` only",
                "set `couchdb.distribution: archive`, or leave the archive out",
            ),
        _ => {}
    }
    match (&said.repository, &said.repository_key) {
        (Some(repository), None) if repository.starts_with("http://") => findings.add(
            "couchdb.repository",
            "is read over http, where anybody on the way may answer: its key has to be given",
            "name the file with it in `couchdb.repository_key`, or take https",
        ),
        (None, Some(_)) => findings.add(
            "couchdb.repository_key",
            "is the key of another repository than Apache's, whose own is known",
            "name the repository in `couchdb.repository`, or leave the key out",
        ),
        _ => {}
    }
    if said.distribution == Distribution::Pouchdb && !said.settings.is_empty() {
        findings.add(
            "couchdb.settings",
            "the stand-in `pouchdb` takes no settings of CouchDB",
            "leave them out, or take another `couchdb.distribution`",
        );
    }
    for (section, keys) in &said.settings {
        for (name, value) in keys {
            let checked = couchdb::check(section, name, &value.0);
            refuse(
                format!("couchdb.settings.{section}.{name}"),
                checked,
                findings,
            );
        }
    }
}

fn refuse(key: String, checked: Result<(), Refusal>, findings: &mut Findings<'_>) {
    match checked {
        Ok(()) => {}
        Err(Refusal {
            message,
            hint: Some(hint),
        }) => findings.add(key, message, hint),
        Err(Refusal {
            message,
            hint: None,
        }) => findings.say(key, message),
    }
}
