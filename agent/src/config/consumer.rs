//! The consumer's configuration file.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::{
    Checked, ConfigError, Connection, CouchdbLogin, KafkaLogin, LogFormat, Login, MetricsSettings,
    Sasl, Tls, Topic, check_bootstrap, check_topic, not_empty,
};
use crate::sink::{self, couchdb};

/// All settings of a consumer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerConfig {
    /// The consumer group whose offsets are kept by Kafka; those of named sinks have the sink's name behind it.
    pub group: String,
    /// How log lines are written.
    #[serde(default)]
    pub log: LogFormat,
    /// Where the events come from.
    pub kafka: ConsumerKafka,
    /// The `CouchDB` to which every topic with a database goes, and which the deployer's calls ask.
    pub couchdb: Option<couchdb::Settings>,
    /// Who asks there for its users; it is in no file.
    #[serde(skip)]
    pub couchdb_login: Option<CouchdbLogin>,
    /// Further sinks, by name.
    #[serde(default)]
    pub sinks: BTreeMap<String, SinkSettings>,
    /// How many events are written at once.
    #[serde(default)]
    pub batch: Batch,
    /// The topics that are read.
    pub topics: Vec<Topic>,
    /// Where the consumer tells about itself.
    #[serde(default)]
    pub metrics: MetricsSettings,
}

/// Where the events come from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerKafka {
    /// `HOST:PORT` of one or more brokers, separated by commas.
    pub bootstrap: String,
    /// That the connection is encrypted; it is not where this is missing.
    pub tls: Option<Tls>,
    /// Who the agent is; nobody where this is missing.
    pub sasl: Option<Sasl>,
    /// Who asks instead of the agent; it is in no file.
    #[serde(skip)]
    pub login: Option<KafkaLogin>,
}

/// Limits of one write; what comes first ends a batch.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    /// The most documents of one write.
    pub documents: usize,
    /// The most bytes of one write.
    pub bytes: usize,
    /// The longest time, in milliseconds, an event waits for others while more keep coming.
    pub age_ms: u64,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            documents: 500,
            bytes: 4_000_000,
            age_ms: 50,
        }
    }
}

impl Batch {
    /// Returns the longest time an event waits for others.
    pub fn age(&self) -> Duration {
        Duration::from_millis(self.age_ms)
    }
}

impl ConsumerConfig {
    /// Lets somebody else ask Kafka than the agent, and `CouchDB` for its users.
    pub fn log_in(&mut self, login: Login) {
        self.couchdb_login = login.couchdb;
        self.kafka = ConsumerKafka {
            bootstrap: login.kafka.bootstrap.clone(),
            tls: None,
            sasl: None,
            login: Some(login.kafka),
        };
    }

    /// Returns the topic of the canaries, if one is configured.
    pub fn canary_topic(&self) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.canary)
    }

    /// Returns the topics that go to `CouchDB`.
    pub fn documented(&self) -> Vec<&Topic> {
        self.topics
            .iter()
            .filter(|topic| topic.has_database())
            .collect()
    }

    /// Returns the `CouchDB` that the deployer's calls ask.
    ///
    /// # Errors
    /// When there is none.
    pub fn couchdb(&self) -> Result<&couchdb::Settings, ConfigError> {
        self.couchdb.as_ref().ok_or(ConfigError::NoCouchdb)
    }

    /// Returns what is written to: `CouchDB`, without a name, and each named sink.
    pub fn all_sinks(&self) -> Vec<SinkOf<'_>> {
        let couchdb = self.couchdb.as_ref().map(|settings| SinkOf {
            name: None,
            group: self.group.clone(),
            topics: self.documented(),
            settings,
        });
        let named = self.sinks.iter().map(|(name, sink)| SinkOf {
            name: Some(name),
            group: format!("{}-{name}", self.group),
            topics: self
                .topics
                .iter()
                .filter(|topic| {
                    let is_proof = topic.canary && sink.kind.takes_canaries();
                    is_proof || sink.from.contains(&topic.name)
                })
                .collect(),
            settings: &*sink.kind,
        });
        let sinks = couchdb.into_iter().chain(named);
        sinks.filter(|sink| !sink.topics.is_empty()).collect()
    }
}

/// A sink, what goes there, and the group that reads it.
#[derive(Debug)]
pub struct SinkOf<'a> {
    /// Its name; `CouchDB`'s has none.
    pub name: Option<&'a str>,
    /// Its consumer group.
    pub group: String,
    /// The topics that go there.
    pub topics: Vec<&'a Topic>,
    /// How it is reached.
    pub settings: &'a dyn sink::Settings,
}

impl SinkOf<'_> {
    /// Returns how it is called in words.
    pub fn title(&self) -> String {
        self.name
            .map_or_else(|| "CouchDB".to_owned(), |name| format!("sink {name}"))
    }
}

/// A named sink.
#[derive(Debug, Clone)]
pub struct SinkSettings {
    /// The topics that go there.
    pub from: Vec<String>,
    /// Which kind it is, and how it is reached.
    pub kind: Arc<dyn sink::Settings>,
}

impl<'de> Deserialize<'de> for SinkSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Keys {
            kind: String,
            from: Vec<String>,
            #[serde(flatten)]
            of_kind: toml::Table,
        }
        let Keys {
            kind,
            from,
            of_kind,
        } = Keys::deserialize(deserializer)?;
        let kind = sink::settings(&kind, of_kind).map_err(D::Error::custom)?;
        Ok(Self { from, kind })
    }
}

impl Checked for ConsumerConfig {
    fn check(&self) -> Result<(), (String, String)> {
        not_empty("group", &self.group)?;
        check_bootstrap(&self.kafka.bootstrap)?;
        self.kafka.tls.as_ref().map_or(Ok(()), Tls::check)?;
        self.kafka.sasl.as_ref().map_or(Ok(()), Sasl::check)?;
        self.metrics.check()?;
        if let Some(couchdb) = &self.couchdb {
            sink::Settings::check(couchdb)?;
        }
        // Larger batches make CouchDB slower than proportion; a smaller byte limit than one event would never be kept.
        check_range("batch.documents", self.batch.documents, 1, 10_000)?;
        check_range("batch.bytes", self.batch.bytes, 1_000, 64_000_000)?;
        if self.batch.age_ms > 60_000 {
            return Err((
                "batch.age_ms".to_owned(),
                format!("{} is more than 60000", self.batch.age_ms),
            ));
        }
        self.check_topics()?;
        self.check_sinks()
    }

    fn log(&self) -> LogFormat {
        self.log
    }

    // Kafka's are named by a key of their own, and what named sinks meet is theirs to say.
    fn needs_certificates(&self) -> bool {
        let trusts_none = |couchdb: &couchdb::Settings| {
            couchdb.ca_file.is_some() || couchdb.url.starts_with("http:")
        };
        !(self.sinks.is_empty() && self.couchdb.as_ref().is_none_or(trusts_none))
    }

    fn check_files(&self) -> Result<(), ConfigError> {
        Connection::of_consumer(self)?;
        let mut sinks = self.all_sinks().into_iter();
        sinks.try_for_each(|sink| sink.settings.check_files())
    }
}

impl ConsumerConfig {
    fn check_topics(&self) -> Result<(), (String, String)> {
        if self.topics.is_empty() {
            return Err(("topics".to_owned(), "name at least one topic".to_owned()));
        }
        let mut names = HashSet::new();
        let mut databases = HashSet::new();
        for (index, topic) in self.topics.iter().enumerate() {
            let key = |field: &str| format!("topics[{index}].{field}");
            check_topic(&key("name"), &topic.name)?;
            if topic.epoch.is_empty() || !topic.epoch.chars().all(|c| c.is_ascii_alphanumeric()) {
                return Err((
                    key("epoch"),
                    format!("{:?} is not made of letters and digits", topic.epoch),
                ));
            }
            if !names.insert(&topic.name) {
                return Err((key("name"), format!("{:?} is there twice", topic.name)));
            }
            if !topic.has_database() {
                continue;
            }
            if !databases.insert(topic.database.clone()) || !databases.insert(topic.dead_letters())
            {
                return Err((
                    key("database"),
                    format!("{:?} is there twice", topic.database),
                ));
            }
        }
        if self.topics.iter().filter(|topic| topic.canary).count() > 1 {
            return Err((
                "topics".to_owned(),
                "only one topic can be the canaries'".to_owned(),
            ));
        }
        Ok(())
    }

    fn check_sinks(&self) -> Result<(), (String, String)> {
        for (name, sink) in &self.sinks {
            let key = |field: &str| format!("sinks.{name}.{field}");
            if name.is_empty()
                || !name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
            {
                return Err((
                    format!("sinks.{name}"),
                    "is a name of other characters than a-z, A-Z, 0-9, '_' and '-'".to_owned(),
                ));
            }
            if sink.from.is_empty() {
                return Err((key("from"), "must name a topic at least".to_owned()));
            }
            let is_known = |from: &&String| self.topics.iter().any(|topic| topic.name == **from);
            if let Some(from) = sink.from.iter().find(|from| !is_known(from)) {
                return Err((key("from"), format!("{from:?} is none of `topics`")));
            }
            sink.kind
                .check()
                .map_err(|(field, problem)| (key(&field), problem))?;
        }
        for (index, topic) in self.topics.iter().enumerate() {
            let reads = |sink: &&SinkOf<'_>| sink.topics.iter().any(|one| one.name == topic.name);
            let sinks = self.all_sinks();
            let key = |field: &str| format!("topics[{index}].{field}");
            // One that no sink reads stays in Kafka.
            for reader in sinks.iter().filter(reads) {
                reader
                    .settings
                    .check_topic(topic)
                    .map_err(|(field, problem)| (key(field), problem))?;
            }
        }
        Ok(())
    }
}

fn check_range(key: &str, value: usize, low: usize, high: usize) -> Result<(), (String, String)> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err((
            key.to_owned(),
            format!("{value} is not between {low} and {high}"),
        ))
    }
}
