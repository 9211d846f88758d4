//! The producer's configuration file.

use std::path::PathBuf;
use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::{
    Checked, ConfigError, Connection, LogFormat, MetricsSettings, Sasl, Tls, check_bootstrap,
    check_topic, not_empty,
};
use crate::schedule::Schedule;
use crate::source;

/// All settings of a producer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProducerConfig {
    /// The client's name: the key of its records and the beginning of its document ids.
    pub client: String,
    /// How log lines are written.
    #[serde(default)]
    pub log: LogFormat,
    /// Where the events go.
    pub kafka: ProducerKafka,
    /// Where the events come from.
    #[serde(default = "default_source")]
    pub source: SourceSettings,
    /// Where the producer remembers how far it came.
    pub state: StateSettings,
    /// How events are kept until Kafka has them.
    #[serde(default)]
    pub spool: SpoolSettings,
    /// Where the producer tells about itself.
    #[serde(default)]
    pub metrics: MetricsSettings,
}

/// Where the events go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProducerKafka {
    /// `HOST:PORT` of one or more brokers, separated by commas.
    pub bootstrap: String,
    /// The topic of this client.
    pub topic: String,
    /// That the connection is encrypted; it is not where this is missing.
    pub tls: Option<Tls>,
    /// Who the agent is; nobody where this is missing.
    pub sasl: Option<Sasl>,
}

/// What is produced and how many times.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// How many events make a run; 0 is for ever.
    pub count: u64,
    /// When a run begins; at once and only once where this is missing.
    pub schedule: Option<Schedule>,
    /// Where they come from.
    pub kind: Arc<dyn source::Settings>,
}

impl SourceSettings {
    fn check(&self) -> Result<(), (String, String)> {
        self.kind.check()?;
        let problem = match self.schedule {
            Some(_) if self.count == 0 => "needs runs that end: give `source.count`",
            Some(_) if !self.kind.makes_events() => {
                "is of sources that make their events themselves"
            }
            _ => return Ok(()),
        };
        Err(("source.schedule".to_owned(), problem.to_owned()))
    }
}

impl<'de> Deserialize<'de> for SourceSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Keys {
            #[serde(default = "default_kind")]
            kind: String,
            #[serde(default = "default_count")]
            count: u64,
            schedule: Option<String>,
            #[serde(flatten)]
            of_kind: toml::Table,
        }
        let keys = Keys::deserialize(deserializer)?;
        let kind = source::settings(&keys.kind, keys.of_kind).map_err(D::Error::custom)?;
        let schedule = keys.schedule.as_deref().map(Schedule::parse).transpose();
        let schedule =
            schedule.map_err(|error| D::Error::custom(format!("source.schedule: {error}")))?;
        Ok(Self {
            count: keys.count,
            schedule,
            kind,
        })
    }
}

fn default_source() -> SourceSettings {
    SourceSettings {
        count: default_count(),
        schedule: None,
        kind: Arc::new(source::top::Settings::default()),
    }
}

fn default_kind() -> String {
    "top".to_owned()
}

fn default_count() -> u64 {
    100
}

/// Where the producer remembers how far it came.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateSettings {
    /// A directory of its own, made at the first start.
    pub directory: PathBuf,
}

/// When events are safe on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpoolSync {
    /// Before they are sent: neither a crash nor a power cut loses one.
    #[default]
    Always,
    /// When the system writes them: a crash loses none, a power cut the last seconds. A new boot begins a new run.
    Os,
}

/// How events are kept in the state directory until Kafka has confirmed them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpoolSettings {
    /// The size at which the source is not read any more.
    pub bytes: u64,
    /// When events are safe.
    pub sync: SpoolSync,
}

impl Default for SpoolSettings {
    fn default() -> Self {
        Self {
            bytes: 512 << 20,
            sync: SpoolSync::Always,
        }
    }
}

impl Checked for ProducerConfig {
    fn check(&self) -> Result<(), (String, String)> {
        not_empty("client", &self.client)?;
        if let Some(bad) = self
            .client
            .chars()
            .find(|c| !c.is_ascii_alphanumeric() && !"._-".contains(*c))
        {
            return Err((
                "client".to_owned(),
                format!(
                    "{:?} holds {bad:?}; use a-z, A-Z, 0-9, '.', '_' and '-'",
                    self.client
                ),
            ));
        }
        if self.client.starts_with('_') {
            // CouchDB keeps ids that begin so for itself.
            return Err((
                "client".to_owned(),
                format!("{:?} must not begin with '_'", self.client),
            ));
        }
        check_bootstrap(&self.kafka.bootstrap)?;
        check_topic("kafka.topic", &self.kafka.topic)?;
        self.kafka.tls.as_ref().map_or(Ok(()), Tls::check)?;
        self.kafka.sasl.as_ref().map_or(Ok(()), Sasl::check)?;
        self.source.check()?;
        self.metrics.check()?;
        // Less does not hold a few segments; more takes long to read at a start.
        if !(1 << 20..=64 << 30).contains(&self.spool.bytes) {
            return Err((
                "spool.bytes".to_owned(),
                format!(
                    "{} is not between 1048576 (1 MiB) and 68719476736 (64 GiB)",
                    self.spool.bytes
                ),
            ));
        }
        if !self.state.directory.is_absolute() {
            return Err((
                "state.directory".to_owned(),
                format!("{} is not an absolute path", self.state.directory.display()),
            ));
        }
        Ok(())
    }

    fn log(&self) -> LogFormat {
        self.log
    }

    fn check_files(&self) -> Result<(), ConfigError> {
        self.source.kind.check_files()?;
        Connection::of_producer(self).map(drop)
    }
}
