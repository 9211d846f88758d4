//! Topics: making the missing ones, raising partitions, giving them exactly the settings they should have.

use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, OwnedResourceSpecifier,
    ResourceSpecifier, TopicReplication, TopicResult,
};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::AdminError;
use super::metadata::Cluster;
use super::settings::{self, Settings};
use crate::backoff::Backoff;
use crate::config::Connection;
use crate::error::chain;
use crate::kafka::Logging;

/// How long Kafka may take to answer for one change. Then it is asked again, which is quicker than to wait where a controller
/// that has just begun lost the question, and does no harm where it only takes its time.
const CHANGE: Duration = Duration::from_secs(4);
/// The name of a topic that Kafka only checks and never makes.
const CHECKED: &str = "deployer-checked-only";

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
    /// All settings the topic should have of its own: others are taken from it. None: they are left alone.
    #[serde(default)]
    pub config: Option<Settings>,
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
        self.until_done("the controller does not answer", &[existing], || async {
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
                let settings = topic.config.iter().flatten();
                settings.fold(new, |new, (key, value)| new.set(key, value))
            })
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        self.until_done("cannot make topic", missing, || async {
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
        self.until_done("cannot add partitions to topic", existing, || async {
            let results = self.client.create_partitions(&raised, &options()).await?;
            // Kafka answers so when an earlier try that got no answer has added them.
            first_error(results, &[RDKafkaErrorCode::InvalidPartitions])
        })
        .await
    }

    /// Gives topics exactly the settings they should have of their own: Kafka's call replaces them all. Its client does not
    /// say that Kafka refused some, so they are checked before and looked at after.
    async fn configure(&self, existing: &[&Wanted]) -> Result<(), AdminError> {
        let configured: Vec<(&str, &Settings)> = existing
            .iter()
            .filter_map(|topic| Some((topic.name.as_str(), topic.config.as_ref()?)))
            .collect();
        if configured.is_empty() {
            return Ok(());
        }
        self.until_done("cannot set the settings of topic", existing, || async {
            let changes = self.differing(&configured).await?;
            if changes.is_empty() {
                return Ok(());
            }
            let refused = |topic: &str, code| Refused {
                topic: topic.to_owned(),
                error: KafkaError::AdminOp(code),
            };
            for (topic, settings) in &changes {
                if !self.accepts(settings).await? {
                    return Err(refused(topic, RDKafkaErrorCode::InvalidConfig));
                }
                tracing::info!(topic, "setting the settings of the topic");
            }
            let alter: Vec<AlterConfig<'_>> = changes
                .iter()
                .map(|(topic, settings)| {
                    let alter = AlterConfig::new(ResourceSpecifier::Topic(topic));
                    settings
                        .iter()
                        .fold(alter, |alter, (key, value)| alter.set(key, value))
                })
                .collect();
            self.client.alter_configs(&alter, &options()).await?;
            match self.differing(&configured).await?.first() {
                None => Ok(()),
                Some((topic, _)) => Err(refused(topic, RDKafkaErrorCode::RequestTimedOut)),
            }
        })
        .await
    }

    /// Returns the topics whose own settings are not those that are wanted, with all that they are to be given.
    async fn differing<'a>(
        &self,
        configured: &[(&'a str, &Settings)],
    ) -> KafkaResult<Vec<(&'a str, Settings)>> {
        let names = configured.iter().map(|(name, _)| *name);
        let mut changes = Vec::new();
        for described in settings::describe(&self.client, names, &options()).await? {
            let described = described.map_err(KafkaError::AdminOp)?;
            let (own, moves) = settings::own(&described.entries);
            let wanted = configured.iter().find(|(name, _)| {
                described.specifier == OwnedResourceSpecifier::Topic((*name).to_owned())
            });
            if let Some((name, wanted)) = wanted.filter(|(_, wanted)| !same(wanted, &own)) {
                let all = (*wanted).clone().into_iter().chain(moves);
                changes.push((*name, all.collect()));
            }
        }
        Ok(changes)
    }

    /// Returns whether Kafka takes these settings: it is asked to check a topic that is never made.
    async fn accepts(&self, settings: &Settings) -> KafkaResult<bool> {
        let probe = NewTopic::new(CHECKED, 1, TopicReplication::Fixed(1));
        let probe = settings
            .iter()
            .fold(probe, |probe, (key, value)| probe.set(key, value));
        let results = self
            .client
            .create_topics(&[probe], &options().validate_only(true))
            .await?;
        let mut errors = results.into_iter().filter_map(Result::err);
        Ok(!errors.any(|(_, code)| code == RDKafkaErrorCode::InvalidConfig))
    }

    /// Returns the settings of a topic that Kafka refuses each by itself, as `key: value`; Kafka's answer names none.
    async fn refused_settings(&self, topic: &Wanted) -> Vec<String> {
        let mut refused = Vec::new();
        for (key, value) in topic.config.iter().flatten() {
            let alone = [(key.clone(), value.clone())].into();
            if matches!(self.accepts(&alone).await, Ok(false)) {
                refused.push(format!("`{key}: {value}`"));
            }
        }
        refused
    }

    /// Tries a change until it is done, refused for good, or the deadline.
    async fn until_done<F>(
        &self,
        subject: &str,
        topics: &[&Wanted],
        change: impl Fn() -> F,
    ) -> Result<(), AdminError>
    where
        F: Future<Output = Result<(), Refused>>,
    {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        loop {
            let Err(Refused { topic, error }) = change().await else {
                return Ok(());
            };
            let mut subject = format!("{subject} {topic}").trim().to_owned();
            if is_final(&error) || Instant::now() >= self.deadline {
                let named = topics.iter().find(|wanted| wanted.name == topic);
                let about_settings =
                    matches!(error, KafkaError::AdminOp(RDKafkaErrorCode::InvalidConfig));
                if let Some(topic) = named.filter(|_| about_settings) {
                    subject = match self.refused_settings(topic).await.as_slice() {
                        [] => format!("{subject}: its settings do not fit together"),
                        refused => format!("{subject}: no good setting: {}", refused.join(", ")),
                    };
                }
                return Err(AdminError::kafka(subject)(error));
            }
            if backoff.attempt().is_power_of_two() {
                tracing::info!("{subject} yet: {}", chain(&error));
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

/// Returns whether settings are the wanted ones, but for how Kafka writes them.
fn same(wanted: &Settings, own: &Settings) -> bool {
    let plain = |settings: &Settings| -> Vec<(String, String)> {
        let settings = settings.iter();
        settings
            .map(|(key, value)| (key.clone(), settings::plain(value)))
            .collect()
    };
    plain(wanted) == plain(own)
}
