//! How Kafka is reached: the keys that both agents have below `[kafka]`.

use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, files, not_empty};

/// That the connection is encrypted, and who is trusted on it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificates, in PEM, of which one must have signed the brokers'.
    pub ca_file: PathBuf,
    /// The agent's own certificate, in PEM, where the brokers ask for one.
    pub certificate_file: Option<PathBuf>,
    /// Its private key, in PEM and without a password.
    pub key_file: Option<PathBuf>,
}

/// Who the agent is, by name and password.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    /// How the password is proved; it is never sent.
    #[serde(default)]
    pub mechanism: Mechanism,
    /// The user.
    pub user: String,
    /// The file that holds this user's password.
    pub password_file: PathBuf,
}

/// How a password is proved to a broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Mechanism {
    /// With SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    Sha256,
    /// With SHA-512.
    #[default]
    #[serde(rename = "SCRAM-SHA-512")]
    Sha512,
}

impl Mechanism {
    /// Returns the name that Kafka has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }
}

impl Tls {
    /// Refuses files that are not named or named by halves.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        not_empty("kafka.tls.ca_file", &self.ca_file.display().to_string())?;
        match (&self.certificate_file, &self.key_file) {
            (Some(_), None) => Err(missing_half("kafka.tls.key_file", "certificate_file")),
            (None, Some(_)) => Err(missing_half("kafka.tls.certificate_file", "key_file")),
            _ => Ok(()),
        }
    }

    /// Reads all files once, so that what is wrong with one is said at the start.
    ///
    /// # Errors
    /// When one cannot be read or holds something else.
    pub fn check_files(&self) -> Result<(), ConfigError> {
        files::certificates("kafka.tls.ca_file", &self.ca_file)?;
        if let Some(file) = &self.certificate_file {
            files::certificates("kafka.tls.certificate_file", file)?;
        }
        if let Some(file) = &self.key_file {
            files::check_private_key("kafka.tls.key_file", file)?;
        }
        Ok(())
    }
}

impl Sasl {
    /// Refuses a user without a name and a password without a file.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        not_empty("kafka.sasl.user", &self.user)?;
        not_empty(
            "kafka.sasl.password_file",
            &self.password_file.display().to_string(),
        )
    }

    /// Reads the password.
    ///
    /// # Errors
    /// When the file cannot be read, is empty, or is open to everybody.
    pub fn password(&self) -> Result<String, ConfigError> {
        files::password("kafka.sasl.password_file", &self.password_file)
    }
}

fn missing_half(key: &str, other: &str) -> (String, String) {
    (
        key.to_owned(),
        format!("must be given too where {other} is"),
    )
}
