//! Topics: making the missing ones, raising partitions, setting keys without resetting others.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigEntry, ConfigSource, NewPartitions, NewTopic,
    OwnedResourceSpecifier, ResourceSpecifier, TopicReplication, TopicResult,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::AdminError;
use super::metadata::Cluster;
use crate::backoff::Backoff;
use crate::command::chain;
use crate::kafka::{Connection, Logging};

/// How long Kafka may take to answer for one change. Then it is asked again, which is quicker than to wait where a controller
/// that has just begun lost the question, and does no harm where it only takes its time.
const CHANGE: Duration = Duration::from_secs(4);

/// A topic as it is wanted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The topic's name.
    pub name: String,
    /// The least number of partitions.
    pub partitions: i32,
    /// The number of copies, for a topic that is made.
    pub replication: i32,
    /// Keys of the topic and their values; keys that are not named are left alone.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
}

/// What became of a topic.
#[derive(Debug, Serialize)]
pub struct Prepared {
    name: String,
    created: bool,
}

/// Makes topics as they are wanted.
pub(super) struct Topics {
    client: AdminClient<Logging>,
    deadline: Instant,
}

impl Topics {
    pub(super) fn new(connection: &Connection, deadline: Instant) -> Result<Self, AdminError> {
        let client = connection
            .client("consumer-admin")
            .create_with_context(Logging)
            .map_err(AdminError::kafka("a client"))?;
        Ok(Self { client, deadline })
    }

    /// Brings every wanted topic about; `cluster` says which exist.
    pub(super) async fn prepare(
        &self,
        wanted: &[Wanted],
        cluster: &Cluster,
    ) -> Result<Vec<Prepared>, AdminError> {
        let (existing, missing): (Vec<&Wanted>, Vec<&Wanted>) = wanted
            .iter()
            .partition(|topic| cluster.topic(&topic.name).is_some());
        if let ([first, ..], []) = (existing.as_slice(), missing.as_slice()) {
            self.probe(first).await?;
        }
        let ((), (), ()) = futures_util::future::try_join3(
            self.create(&missing),
            self.raise_partitions(&existing, cluster),
            self.configure(&existing),
        )
        .await?;
        let created = |topic: &Wanted| cluster.topic(&topic.name).is_none();
        Ok(wanted
            .iter()
            .map(|topic| Prepared {
                name: topic.name.clone(),
                created: created(topic),
            })
            .collect())
    }

    /// Waits until the controller answers: asked to check a topic that exists, it says that it does.
    async fn probe(&self, existing: &Wanted) -> Result<(), AdminError> {
        let probe = [NewTopic::new(
            &existing.name,
            existing.partitions,
            TopicReplication::Fixed(existing.replication),
        )];
        self.until_done("the controller does not answer", || async {
            let results = self
                .client
                .create_topics(&probe, &options().validate_only(true))
                .await?;
            first_error(results, &[RDKafkaErrorCode::TopicAlreadyExists])
        })
        .await
    }

    async fn create(&self, missing: &[&Wanted]) -> Result<(), AdminError> {
        let new: Vec<NewTopic<'_>> = missing
            .iter()
            .map(|topic| {
                let new = NewTopic::new(
                    &topic.name,
                    topic.partitions,
                    TopicReplication::Fixed(topic.replication),
                );
                topic
                    .config
                    .iter()
                    .fold(new, |new, (key, value)| new.set(key, value))
            })
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        self.until_done("cannot make topic", || async {
            let results = self.client.create_topics(&new, &options()).await?;
            // One that was made by an earlier try that got no answer is there now.
            first_error(results, &[RDKafkaErrorCode::TopicAlreadyExists])
        })
        .await
    }

    async fn raise_partitions(
        &self,
        existing: &[&Wanted],
        cluster: &Cluster,
    ) -> Result<(), AdminError> {
        let fewer = |topic: &&&Wanted| {
            let present = cluster
                .topic(&topic.name)
                .map_or(0, |topic| topic.partitions.len());
            usize::try_from(topic.partitions).is_ok_and(|wanted| wanted > present)
        };
        let raised: Vec<NewPartitions<'_>> = existing
            .iter()
            .filter(fewer)
            .filter_map(|topic| {
                Some(NewPartitions::new(
                    &topic.name,
                    usize::try_from(topic.partitions).ok()?,
                ))
            })
            .collect();
        if raised.is_empty() {
            return Ok(());
        }
        self.until_done("cannot add partitions to topic", || async {
            let results = self.client.create_partitions(&raised, &options()).await?;
            // Kafka answers so when an earlier try that got no answer has added them.
            first_error(results, &[RDKafkaErrorCode::InvalidPartitions])
        })
        .await
    }

    /// Sets keys. Kafka's call replaces all of a topic's own keys, so those that are set now are sent along.
    async fn configure(&self, existing: &[&Wanted]) -> Result<(), AdminError> {
        let configured: Vec<&&Wanted> = existing
            .iter()
            .filter(|topic| !topic.config.is_empty())
            .collect();
        if configured.is_empty() {
            return Ok(());
        }
        self.until_done("cannot set keys of topic", || async {
            let resources: Vec<ResourceSpecifier<'_>> = configured
                .iter()
                .map(|topic| ResourceSpecifier::Topic(&topic.name))
                .collect();
            let described = self.client.describe_configs(&resources, &options()).await?;
            let mut changes: Vec<(&str, BTreeMap<String, String>)> = Vec::new();
            for described in described {
                let described = described.map_err(KafkaError::AdminOp)?;
                let is_described = |topic: &&&&Wanted| {
                    described.specifier == OwnedResourceSpecifier::Topic(topic.name.clone())
                };
                let Some(topic) = configured.iter().find(is_described) else {
                    continue;
                };
                if let Some(entries) = merged(&topic.config, &described.entries) {
                    tracing::info!(topic = topic.name, "setting keys of the topic");
                    changes.push((&topic.name, entries));
                }
            }
            if changes.is_empty() {
                return Ok(());
            }
            let alter: Vec<AlterConfig<'_>> = changes
                .iter()
                .map(|(topic, entries)| {
                    let alter = AlterConfig::new(ResourceSpecifier::Topic(topic));
                    entries
                        .iter()
                        .fold(alter, |alter, (key, value)| alter.set(key, value))
                })
                .collect();
            let results = self.client.alter_configs(&alter, &options()).await?;
            results.into_iter().try_for_each(|result| match result {
                Err((OwnedResourceSpecifier::Topic(topic), code)) => Err(Refused {
                    topic,
                    error: KafkaError::AdminOp(code),
                }),
                Err((_, code)) => Err(KafkaError::AdminOp(code).into()),
                Ok(_) => Ok(()),
            })
        })
        .await
    }

    /// Tries a change until it is done, refused for good, or the deadline.
    async fn until_done<F>(&self, subject: &str, change: impl Fn() -> F) -> Result<(), AdminError>
    where
        F: Future<Output = Result<(), Refused>>,
    {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        loop {
            let Err(Refused { topic, error }) = change().await else {
                return Ok(());
            };
            let subject = format!("{subject} {topic}");
            if is_final(&error) || Instant::now() >= self.deadline {
                return Err(AdminError::kafka(subject.trim())(error));
            }
            if backoff.attempt().is_power_of_two() {
                tracing::info!("{} yet: {}", subject.trim(), chain(&error));
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }
}

/// A change that was not done.
struct Refused {
    /// The topic that was refused; empty where the whole call failed.
    topic: String,
    error: KafkaError,
}

impl From<KafkaError> for Refused {
    fn from(error: KafkaError) -> Self {
        Self {
            topic: String::new(),
            error,
        }
    }
}

fn options() -> AdminOptions {
    // Kafka answers once the controller has done the change; the copies are waited for separately.
    AdminOptions::new()
        .request_timeout(Some(CHANGE))
        .operation_timeout(Some(CHANGE))
}

fn first_error(results: Vec<TopicResult>, fine: &[RDKafkaErrorCode]) -> Result<(), Refused> {
    let mut errors = results.into_iter().filter_map(Result::err);
    match errors.find(|(_, code)| !fine.contains(code)) {
        Some((topic, code)) => Err(Refused {
            topic,
            error: KafkaError::AdminOp(code),
        }),
        None => Ok(()),
    }
}

/// Returns whether the same change will be refused again.
fn is_final(error: &KafkaError) -> bool {
    matches!(
        error,
        KafkaError::AdminOp(
            RDKafkaErrorCode::InvalidTopic
                | RDKafkaErrorCode::InvalidConfig
                | RDKafkaErrorCode::InvalidPartitions
                | RDKafkaErrorCode::InvalidRequest
                | RDKafkaErrorCode::InvalidArgument
                | RDKafkaErrorCode::PolicyViolation
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
        )
    )
}

/// Returns all keys a topic must be given, or none where every wanted one has its value already.
fn merged(
    wanted: &BTreeMap<String, String>,
    present: &[ConfigEntry],
) -> Option<BTreeMap<String, String>> {
    let value = |key: &str| {
        present
            .iter()
            .find(|entry| entry.name == key)
            .and_then(|entry| entry.value.as_deref())
    };
    if wanted
        .iter()
        .all(|(key, wanted)| value(key) == Some(wanted))
    {
        return None;
    }
    let own = present
        .iter()
        .filter(|entry| entry.source == ConfigSource::DynamicTopic && !entry.is_read_only);
    let mut entries: BTreeMap<String, String> = own
        .filter_map(|entry| Some((entry.name.clone(), entry.value.clone()?)))
        .collect();
    entries.extend(
        wanted
            .iter()
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, value: &str, source: ConfigSource) -> ConfigEntry {
        let is_default = source == ConfigSource::Default;
        ConfigEntry {
            name: name.into(),
            value: Some(value.into()),
            source,
            is_read_only: false,
            is_default,
            is_sensitive: false,
        }
    }

    fn keys(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn keys_set_by_hand_survive_and_nothing_is_sent_when_nothing_differs() {
        let present = [
            entry("retention.ms", "1000", ConfigSource::DynamicTopic),
            entry("cleanup.policy", "compact", ConfigSource::DynamicTopic),
            entry("segment.bytes", "1073741824", ConfigSource::Default),
            entry("min.insync.replicas", "1", ConfigSource::StaticBroker),
        ];
        assert_eq!(merged(&keys(&[("retention.ms", "1000")]), &present), None);
        assert_eq!(
            merged(&keys(&[("min.insync.replicas", "1")]), &present),
            None,
            "the broker's own value is good enough"
        );
        assert_eq!(
            merged(&keys(&[("retention.ms", "5")]), &present),
            Some(keys(&[
                ("cleanup.policy", "compact"),
                ("retention.ms", "5")
            ]))
        );
    }
}
