//! The producer's configuration file.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Checked, ConfigError, Connection, LogFormat, MetricsSettings, Sasl, Tls, check_bootstrap,
    check_topic, not_empty,
};

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
    #[serde(default)]
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

/// Which source the events come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// A snapshot of the machine by `top`, on a fixed grid of time.
    #[default]
    Top,
    /// The lines of the standard input.
    Stdin,
    /// The lines of a file that grows, from its beginning on, through rotation.
    File,
}

/// What is produced, how often and how many times.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceSettings {
    /// Which source it is.
    pub kind: SourceKind,
    /// How many events make a run; 0 is for ever.
    pub count: u64,
    /// Milliseconds from one snapshot to the next.
    pub interval_ms: u64,
    /// Whether the text of `top` is sent along.
    pub raw: bool,
    /// The file, where the source is one.
    pub path: PathBuf,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            kind: SourceKind::Top,
            count: 100,
            interval_ms: 1000,
            raw: false,
            path: PathBuf::new(),
        }
    }
}

impl SourceSettings {
    /// Returns the time from one snapshot to the next.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }
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
        if !(1..=86_400_000).contains(&self.source.interval_ms) {
            return Err((
                "source.interval_ms".to_owned(),
                "must be at least 1 and at most a day".to_owned(),
            ));
        }
        let is_file = self.source.kind == SourceKind::File;
        if is_file && !self.source.path.is_absolute()
            || !is_file && !self.source.path.as_os_str().is_empty()
        {
            return Err((
                "source.path".to_owned(),
                "must be an absolute path where the kind is file, and nothing elsewhere".to_owned(),
            ));
        }
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
        Connection::of_producer(self).map(drop)
    }
}
