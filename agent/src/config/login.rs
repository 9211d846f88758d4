//! The deployer's own login: it comes in by the standard input of one call and lies on no disk of the node.

use std::fmt;
use std::io::{BufRead, Read};

use serde::Deserialize;
use serde_json::error::Category;

use super::{ConfigError, files};

/// The most bytes of its line.
const MAX_BYTES: u64 = 1 << 20;

/// Who asks, instead of the agent. It holds a private key, so nothing shows all of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// At Kafka.
    pub(super) kafka: KafkaLogin,
    /// At `CouchDB`, whose administrator alone sees its users; none where nobody asks for these.
    pub(super) couchdb: Option<CouchdbLogin>,
}

/// A login by certificate.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaLogin {
    /// `HOST:PORT` of one or more brokers, separated by commas.
    pub(super) bootstrap: String,
    /// The certificates, as PEM, of which one must have signed the brokers'.
    pub(super) ca: String,
    /// The certificate of who asks, as PEM.
    pub(super) certificate: String,
    /// Its private key, as PEM.
    pub(super) key: String,
}

/// A login by password.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CouchdbLogin {
    /// Who asks.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for CouchdbLogin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("CouchdbLogin");
        shown.field("user", &self.user);
        shown.finish_non_exhaustive()
    }
}

impl fmt::Debug for KafkaLogin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("KafkaLogin");
        shown.field("bootstrap", &self.bootstrap);
        shown.finish_non_exhaustive()
    }
}

impl Login {
    /// Reads it from the first line of an input; what follows is left there.
    ///
    /// # Errors
    /// When there is no such line, or one of its parts cannot be used; none of it is in the words.
    pub fn read(input: &mut impl BufRead) -> Result<Self, ConfigError> {
        let refuse = |problem: String| ConfigError::Login(problem);
        let mut line = String::new();
        let read = input.take(MAX_BYTES).read_line(&mut line);
        read.map_err(|error| refuse(format!("cannot be read: {error}")))?;
        let login: Self = serde_json::from_str(&line).map_err(|error| {
            refuse(match error.classify() {
                Category::Eof if line.is_empty() => "is missing".to_owned(),
                _ => format!("is not understood at its column {}", error.column()),
            })
        })?;
        let KafkaLogin {
            ca,
            certificate,
            key,
            ..
        } = &login.kafka;
        for (name, text) in [("ca", ca), ("certificate", certificate)] {
            files::certificates_in(text)
                .map_err(|problem| refuse(format!("kafka.{name} {problem}")))?;
        }
        files::private_key_in(key).map_err(|problem| refuse(format!("kafka.key {problem}")))?;
        Ok(login)
    }
}
