//! What an inventory says of brokers and topics.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NAME;
use super::topic_name::check_topic_name;
use super::users::{UsersSection, check_user_name};
use crate::inventory::{Section, Setting, TimeSpan};

/// The version whose checksums are pinned. 3.9 is the last line that works with ZooKeeper.
const VERSION: &str = "3.9.1";

/// All of them.
pub(super) fn all() -> Vec<Section> {
    vec![
        Section::of::<KafkaSection>(NAME).with(&[("kafka-version", check_version)]),
        Section::of::<TopicsSection>("topics").with(&[("topic-name", check_topic_name)]),
        Section::of::<UsersSection>("users").with(&[("user-name", check_user_name)]),
    ]
}

/// Kafka's brokers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaSection {
    /// Version. Only the one whose checksums are pinned.
    #[schemars(extend("format" = "kafka-version"))]
    pub version: String,
    /// Port of clients.
    #[schemars(range(min = 1024))]
    pub port: u16,
    /// Port at which brokers ask each other, and the deployer them, where security is on: by certificates.
    #[schemars(range(min = 1024))]
    pub brokers_port: u16,
    /// Java heap in MiB.
    #[schemars(range(min = 128, max = 65_536))]
    pub heap_mib: u64,
    /// Copies of each partition, each on another broker.
    #[schemars(range(min = 1, max = 50))]
    pub replication: u32,
    /// Copies that must be in sync before a write is acknowledged.
    #[schemars(range(min = 1, max = 50))]
    pub min_insync_replicas: u32,
    /// Another place to fetch Kafka from: a base address, tried before Apache's.
    #[schemars(extend("format" = "web-address"))]
    pub mirror: Option<String>,
    /// More settings of the brokers, by their Kafka names.
    #[schemars(extend("propertyNames" = {"format": "setting-name"}))]
    pub settings: BTreeMap<String, Setting>,
}

impl Default for KafkaSection {
    fn default() -> Self {
        Self {
            version: VERSION.to_owned(),
            port: 9092,
            brokers_port: 9093,
            heap_mib: 512,
            replication: 2,
            min_insync_replicas: 1,
            mirror: None,
            settings: BTreeMap::new(),
        }
    }
}

/// Topics: what all have in common, and those that no producer of the inventory brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TopicsSection {
    /// Partitions of each topic.
    #[schemars(range(min = 1, max = 1000))]
    pub partitions: u32,
    /// How long events are kept.
    pub retention: TimeSpan,
    /// More settings of each topic, by their Kafka names.
    #[schemars(extend("propertyNames" = {"format": "setting-name"}))]
    pub settings: BTreeMap<String, Setting>,
    /// Topics of producers that are not in the inventory, and settings of others, by name. Several producers may write to one.
    #[schemars(extend("propertyNames" = {"format": "topic-name"}))]
    pub extra: BTreeMap<String, ExtraTopic>,
}

impl Default for TopicsSection {
    fn default() -> Self {
        Self {
            partitions: 1,
            retention: TimeSpan::from_days(7),
            settings: BTreeMap::new(),
            extra: BTreeMap::new(),
        }
    }
}

/// A topic of producers that are not in the inventory. What it does not say is as for all topics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExtraTopic {
    /// Partitions.
    #[schemars(range(min = 1, max = 1000))]
    pub partitions: Option<u32>,
    /// How long events are kept.
    pub retention: Option<TimeSpan>,
    /// More settings, by their Kafka names; they go before those of all topics.
    #[schemars(extend("propertyNames" = {"format": "setting-name"}))]
    pub settings: BTreeMap<String, Setting>,
}

fn check_version(version: &str) -> Result<(), String> {
    if version == VERSION {
        return Ok(());
    }
    Err(format!(
        "is not a supported version of Kafka; known is `{VERSION}`, whose checksums are pinned"
    ))
}

#[cfg(test)]
mod tests {
    use super::check_version;

    #[test]
    fn only_the_pinned_version_is_taken() {
        assert_eq!(check_version("3.9.1"), Ok(()));
        for version in ["", "3.9", "4.0.0"] {
            assert!(check_version(version).is_err(), "{version}");
        }
    }
}
