//! Checks of values by themselves that the schema cannot express, and of settings that the deployer makes itself.

use super::findings::Findings;
use super::topics::RETENTION;
use crate::inventory::{Distribution, Inventory, TimeSpan};

/// Brokers' settings that come from the topology, and the key that decides them (empty: none does).
const KAFKA_OWN: [(&str, &str); 12] = [
    ("advertised.listeners", "kafka.port"),
    ("broker.id", ""),
    ("controller.quorum.voters", ""),
    ("default.replication.factor", "kafka.replication"),
    ("listeners", "kafka.port"),
    ("log.dir", ""),
    ("log.dirs", ""),
    ("min.insync.replicas", "kafka.min_insync_replicas"),
    ("offsets.topic.replication.factor", "kafka.replication"),
    ("process.roles", ""),
    (
        "transaction.state.log.replication.factor",
        "kafka.replication",
    ),
    ("zookeeper.connect", "zookeeper.port"),
];

/// `CouchDB`'s settings that come from the topology: section, key (empty: the whole section), and the key that decides.
const COUCHDB_OWN: [(&str, &str, &str); 7] = [
    ("admins", "", ""),
    ("chttpd", "bind_address", ""),
    ("chttpd", "port", "couchdb.port"),
    ("chttpd_auth", "secret", ""),
    ("couchdb", "database_dir", ""),
    ("couchdb", "uuid", ""),
    ("couchdb", "view_index_dir", ""),
];

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
    for name in inventory.kafka.settings.keys() {
        if let Some((_, decides)) = KAFKA_OWN.iter().find(|(own, _)| own == name) {
            own_setting(&format!("kafka.settings.{name}"), decides, findings);
        }
    }
}

fn check_topics(inventory: &Inventory, findings: &mut Findings<'_>) {
    let all = ("topics".to_owned(), &inventory.topics.settings);
    let extra = inventory
        .topics
        .extra
        .iter()
        .map(|(name, topic)| (format!("topics.extra.{name}"), &topic.settings));
    for (key, settings) in extra.chain([all]) {
        if settings.contains_key(RETENTION) {
            own_setting(
                &format!("{key}.settings.{RETENTION}"),
                &format!("{key}.retention"),
                findings,
            );
        }
    }
}

fn check_couchdb(inventory: &Inventory, findings: &mut Findings<'_>) {
    let couchdb = &inventory.couchdb;
    match (couchdb.distribution, &couchdb.archive) {
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
    for (section, settings) in &couchdb.settings {
        for name in settings.keys() {
            let own = COUCHDB_OWN.iter().find(|(own_section, own, _)| {
                own_section == section && (own.is_empty() || own == name)
            });
            if let Some((_, _, decides)) = own {
                own_setting(
                    &format!("couchdb.settings.{section}.{name}"),
                    decides,
                    findings,
                );
            }
        }
    }
}

fn own_setting(key: &str, decides: &str, findings: &mut Findings<'_>) {
    if decides.is_empty() {
        findings.add(key, "is set by the deployer itself", "leave it out");
    } else {
        findings.add(
            key,
            "is set by the deployer itself",
            format!("use `{decides}`"),
        );
    }
}
