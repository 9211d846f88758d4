//! What of an inventory Kafka would refuse, or could never do.

use super::settings::{self, RETENTION, Scope};
use super::{KafkaSection, NAME, TopicsSection, users};
use crate::component::refusal::refuse;
use crate::inventory::{Findings, Inventory, Member, TimeSpan};

/// Looks at all that concerns brokers and topics.
pub(super) fn check(inventory: &Inventory, members: &[Member<'_>], findings: &mut Findings<'_>) {
    check_replication(inventory, members, findings);
    check_extra_topics(inventory, members, findings);
    check_retentions(inventory, findings);
    check_brokers_settings(inventory, findings);
    check_topics_settings(inventory, findings);
    users::check(inventory, members, findings);
}

fn check_replication(inventory: &Inventory, members: &[Member<'_>], findings: &mut Findings<'_>) {
    let kafka: &KafkaSection = inventory.sections.get();
    let brokers: Vec<&Member<'_>> = members.iter().filter(|member| member.has(NAME)).collect();
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
    let brokers = members.iter().any(|member| member.has(NAME));
    let topics: &TopicsSection = inventory.sections.get();
    if !brokers && !topics.extra.is_empty() {
        findings.lacks(
            "topics.extra",
            "topics need Kafka, and no node has it",
            "give a node the role `kafka`",
        );
    }
}

fn check_retentions(inventory: &Inventory, findings: &mut Findings<'_>) {
    let topics: &TopicsSection = inventory.sections.get();
    let retentions = topics
        .extra
        .iter()
        .filter_map(|(name, topic)| {
            let retention = topic.retention?;
            Some((format!("topics.extra.{name}.retention"), retention))
        })
        .chain([("topics.retention".to_owned(), topics.retention)]);
    let century = TimeSpan::from_days(36_500);
    for (key, retention) in retentions {
        findings.check_span(&key, retention, TimeSpan::from_seconds(60), century);
    }
}

fn check_brokers_settings(inventory: &Inventory, findings: &mut Findings<'_>) {
    let kafka: &KafkaSection = inventory.sections.get();
    for (name, value) in &kafka.settings {
        let checked = settings::check(Scope::Broker, name, &value.0);
        refuse(format!("kafka.settings.{name}"), checked, findings);
    }
}

fn check_topics_settings(inventory: &Inventory, findings: &mut Findings<'_>) {
    let copies = inventory.sections.get::<KafkaSection>().replication;
    let topics: &TopicsSection = inventory.sections.get();
    let all = ("topics".to_owned(), &topics.settings);
    let extra = topics
        .extra
        .iter()
        .map(|(name, topic)| (format!("topics.extra.{name}"), &topic.settings));
    for (of, own) in extra.chain([all]) {
        for (name, value) in own {
            let key = format!("{of}.settings.{name}");
            if name == RETENTION {
                let hint = format!("use `{of}.retention`");
                findings.add(key, "is set by the deployer itself", hint);
                continue;
            }
            let checked = settings::check(Scope::Topic, name, &value.0);
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
