//! The consumer's configuration file.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Certificate;
use serde::Deserialize;

use super::{
    Checked, ConfigError, Connection, LogFormat, MetricsSettings, Sasl, Tls, check_bootstrap,
    check_topic, files, not_empty,
};

/// All settings of a consumer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerConfig {
    /// The consumer group whose offsets are kept by Kafka.
    pub group: String,
    /// How log lines are written.
    #[serde(default)]
    pub log: LogFormat,
    /// Where the events come from.
    pub kafka: ConsumerKafka,
    /// Where the documents go.
    pub couchdb: Couchdb,
    /// How many events are written at once.
    #[serde(default)]
    pub batch: Batch,
    /// The topics read, each with its database.
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
}

/// Where the documents go and as whom they are written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Couchdb {
    /// The server, as in `http://HOST:5984`; no user, password or path.
    pub url: String,
    /// The certificates, in PEM, of which one must have signed the server's; of `https` alone. Those the system trusts
    /// where this is missing.
    pub ca_file: Option<PathBuf>,
    /// The user who writes the documents; no administrator.
    pub user: String,
    /// The file that holds this user's password.
    pub password_file: PathBuf,
}

impl Couchdb {
    /// Reads the certificates that are trusted; none where the system's are.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else.
    pub fn roots(&self) -> Result<Option<Vec<Certificate>>, ConfigError> {
        self.ca_file
            .as_ref()
            .map(|file| files::certificates("couchdb.ca_file", file))
            .transpose()
    }
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

/// A topic and the database its events go to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// The topic's name.
    pub name: String,
    /// The database's name.
    pub database: String,
    /// A random word that changes when the topic is made anew, so that its offsets stay unique.
    pub epoch: String,
    /// Whether this is the topic of the canaries.
    #[serde(default)]
    pub canary: bool,
}

impl Topic {
    /// Returns the database for what can never be stored.
    pub fn dead_letters(&self) -> String {
        dead_letters(&self.database)
    }
}

/// Returns the database for what `database` can never store.
fn dead_letters(database: &str) -> String {
    format!("{database}-dead-letters")
}

impl ConsumerConfig {
    /// Returns the topic of the canaries, if one is configured.
    pub fn canary_topic(&self) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.canary)
    }

    /// Reads the password of the user who writes the documents.
    ///
    /// # Errors
    /// When the file cannot be read, is empty, or is open to everybody.
    pub fn password(&self) -> Result<String, ConfigError> {
        files::password("couchdb.password_file", &self.couchdb.password_file)
    }
}

impl Checked for ConsumerConfig {
    fn check(&self) -> Result<(), (String, String)> {
        not_empty("group", &self.group)?;
        check_bootstrap(&self.kafka.bootstrap)?;
        self.kafka.tls.as_ref().map_or(Ok(()), Tls::check)?;
        self.kafka.sasl.as_ref().map_or(Ok(()), Sasl::check)?;
        check_url(&self.couchdb.url)?;
        if self.couchdb.ca_file.is_some() && !self.couchdb.url.starts_with("https:") {
            return Err((
                "couchdb.ca_file".to_owned(),
                "is of no use: couchdb.url does not begin with https://".to_owned(),
            ));
        }
        self.metrics.check()?;
        not_empty("couchdb.user", &self.couchdb.user)?;
        if self.couchdb.user.contains(':') {
            return Err((
                "couchdb.user".to_owned(),
                format!("{:?} must not hold a ':'", self.couchdb.user),
            ));
        }
        not_empty(
            "couchdb.password_file",
            &self.couchdb.password_file.display().to_string(),
        )?;
        // Larger batches make CouchDB slower than proportion; a smaller byte limit than one event would never be kept.
        check_range("batch.documents", self.batch.documents, 1, 10_000)?;
        check_range("batch.bytes", self.batch.bytes, 1_000, 64_000_000)?;
        if self.batch.age_ms > 60_000 {
            return Err((
                "batch.age_ms".to_owned(),
                format!("{} is more than 60000", self.batch.age_ms),
            ));
        }
        self.check_topics()
    }

    fn log(&self) -> LogFormat {
        self.log
    }

    fn check_files(&self) -> Result<(), ConfigError> {
        Connection::of_consumer(self)?;
        self.password()?;
        self.couchdb.roots().map(drop)
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
            check_database(&key("database"), &topic.database)?;
            if topic.epoch.is_empty() || !topic.epoch.chars().all(|c| c.is_ascii_alphanumeric()) {
                return Err((
                    key("epoch"),
                    format!("{:?} is not made of letters and digits", topic.epoch),
                ));
            }
            if !names.insert(&topic.name) {
                return Err((key("name"), format!("{:?} is there twice", topic.name)));
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

fn check_url(value: &str) -> Result<(), (String, String)> {
    let key = "couchdb.url";
    let error = |problem: &str| Err((key.to_owned(), problem.to_owned()));
    // The address itself is not shown where it may hold a password.
    let Ok(url) = reqwest::Url::parse(value) else {
        return error("is not an address like http://HOST:5984");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return error("must not hold a user or password; they have their own keys");
    }
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return error("is not an address like http://HOST:5984");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return error("must end after the port");
    }
    Ok(())
}

fn check_database(key: &str, value: &str) -> Result<(), (String, String)> {
    let first = value.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    let rest = value
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_$()+-".contains(c));
    if first && rest && value.len() <= 200 {
        return Ok(());
    }
    Err((
        key.to_owned(),
        format!("{value:?} is not a database name (a-z first, then a-z, 0-9 and _$()+-)"),
    ))
}
