//! The settings that topics have of their own, beside what the brokers give to all.

use std::collections::BTreeMap;

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigEntry, ConfigResourceResult, ConfigSource,
    OwnedResourceSpecifier, ResourceSpecifier,
};
use rdkafka::error::KafkaResult;
use tokio::time::Instant;

use crate::config::Topic;
use crate::deadline::left;
use crate::kafka::Keeping;

/// Keys and their values.
pub(super) type Settings = BTreeMap<String, String>;

/// Keys that Kafka's own tools set while they move partitions; they are nobody's wish and go with the move.
const OF_A_MOVE: [&str; 2] = [
    "follower.replication.throttled.replicas",
    "leader.replication.throttled.replicas",
];

/// Asks for all settings of some topics, each with where it comes from.
pub(super) async fn describe<C: rdkafka::ClientContext>(
    client: &AdminClient<C>,
    topics: impl Iterator<Item = &str>,
    options: &AdminOptions,
) -> KafkaResult<Vec<ConfigResourceResult>> {
    let resources: Vec<ResourceSpecifier<'_>> = topics.map(ResourceSpecifier::Topic).collect();
    client.describe_configs(&resources, options).await
}

/// Returns what a topic has of its own, and what of that is there for a move only.
pub(super) fn own(entries: &[ConfigEntry]) -> (Settings, Settings) {
    entries
        .iter()
        .filter(|entry| entry.source == ConfigSource::DynamicTopic && !entry.is_read_only)
        .filter_map(|entry| Some((entry.name.clone(), entry.value.clone()?)))
        .partition(|(name, _)| !OF_A_MOVE.contains(&name.as_str()))
}

/// Returns a value as Kafka writes it, as far as that can be told without its kind: no spaces in lists, no case in yes and
/// no, no zeros that mean nothing in numbers.
pub(super) fn plain(value: &str) -> String {
    let plain = |item: &str| {
        let lower = item.to_ascii_lowercase();
        if let Ok(number) = item.parse::<i128>() {
            number.to_string()
        } else if let Ok(number) = item.parse::<f64>() {
            number.to_string()
        } else if matches!(lower.as_str(), "true" | "false") {
            lower
        } else {
            item.to_owned()
        }
    };
    let items: Vec<String> = value.split(',').map(|item| plain(item.trim())).collect();
    items.join(",")
}

/// Asks for the own settings of topics by name; a topic that does not exist has no entry, and nobody has one where the
/// controller does not answer in time.
pub(super) async fn ask(
    client: &AdminClient<Keeping>,
    topics: &[Topic],
    deadline: Instant,
) -> BTreeMap<String, Settings> {
    let options = AdminOptions::new().request_timeout(Some(left(deadline)));
    let names = topics.iter().map(|topic| topic.name.as_str());
    let answer = tokio::time::timeout_at(deadline, describe(client, names, &options)).await;
    let described = match answer {
        Ok(Ok(described)) => described,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the settings of the topics are not known");
            Vec::new()
        }
        Err(_) => Vec::new(),
    };
    let known = described.into_iter().filter_map(|described| {
        let described = described.ok()?;
        let OwnedResourceSpecifier::Topic(name) = described.specifier else {
            return None;
        };
        // The client does not say what went wrong with one; a topic that is there has settings of the brokers at least.
        if described.entries.is_empty() {
            return None;
        }
        Some((name, own(&described.entries).0))
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_topic_has_of_its_own_is_told_from_what_brokers_give_it() {
        let entry = |name: &str, value: &str, source| ConfigEntry {
            name: name.into(),
            value: Some(value.into()),
            is_default: source == ConfigSource::Default,
            source,
            is_read_only: false,
            is_sensitive: false,
        };
        let entries = [
            entry("retention.ms", "1000", ConfigSource::DynamicTopic),
            entry("segment.bytes", "1073741824", ConfigSource::Default),
            entry("min.insync.replicas", "1", ConfigSource::StaticBroker),
            entry("cleanup.policy", "compact", ConfigSource::DynamicTopic),
            entry(OF_A_MOVE[0], "0:1", ConfigSource::DynamicTopic),
        ];
        let (own, moves) = own(&entries);
        let keys = |settings: &Settings| settings.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&own), ["cleanup.policy", "retention.ms"]);
        assert_eq!(keys(&moves), [OF_A_MOVE[0]]);
    }

    #[test]
    fn values_are_compared_as_kafka_writes_them() {
        for (value, written) in [
            ("0604800000", "604800000"),
            ("0.50", "0.5"),
            ("TRUE", "true"),
            ("compact, delete", "compact,delete"),
            ("Delete", "Delete"),
            ("", ""),
        ] {
            assert_eq!(plain(value), written);
        }
    }
}
