//! The configuration files of the two agents, read and checked before anything is opened.

mod connection;
mod consumer;
pub mod error;
pub(crate) mod files;
mod kafka;
pub mod kinds;
mod login;
mod producer;
pub mod topic;
pub(crate) mod values;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use connection::Connection;
pub use consumer::{Batch, ConsumerConfig, ConsumerKafka, SinkOf, SinkSettings};
pub use error::ConfigError;
pub use kafka::{Mechanism, Sasl, Tls};
pub use login::{CouchdbLogin, KafkaLogin, Login};
pub use producer::{
    ProducerConfig, ProducerKafka, SourceSettings, SpoolSettings, SpoolSync, StateSettings,
};
pub use topic::Topic;
use values::not_empty;

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where an agent tells about itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsSettings {
    /// The address and port of `/metrics` and `/healthz`, on loopback (`localhost:PORT`) or a private network; none where
    /// nobody asks.
    listen: Option<String>,
}

impl MetricsSettings {
    /// Where it listens. `localhost` is a number here: a host that cannot resolve the name has figures all the same.
    pub fn listen(&self) -> Option<SocketAddr> {
        let listen = self.listen.as_ref()?;
        listen.replacen("localhost:", "127.0.0.1:", 1).parse().ok()
    }

    /// Refuses an address that strangers may reach.
    fn check(&self) -> Result<(), (String, String)> {
        let Some(listen) = &self.listen else {
            return Ok(());
        };
        let is_near = match self.listen().map(|listen| listen.ip()) {
            Some(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
            Some(IpAddr::V6(ip)) => {
                ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
            }
            None => false,
        };
        if is_near {
            return Ok(());
        }
        Err((
            "metrics.listen".to_owned(),
            format!("{listen:?} is not localhost or a private address with a port"),
        ))
    }
}

/// A configuration that can check its own values.
pub trait Checked: DeserializeOwned {
    /// Names the first key whose value cannot work, with the reason.
    fn check(&self) -> Result<(), (String, String)>;

    /// How log lines are written.
    fn log(&self) -> LogFormat;

    /// Whether somebody may show a certificate that only the system's can vouch for.
    fn needs_certificates(&self) -> bool {
        true
    }

    /// Reads every file that a key names.
    ///
    /// # Errors
    /// When one cannot be used.
    fn check_files(&self) -> Result<(), ConfigError>;
}

/// Reads and checks a configuration file.
///
/// # Errors
/// When the file cannot be read, is not TOML of the right shape, or holds a value that cannot work.
pub fn load<C: Checked>(path: &Path) -> Result<C, ConfigError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: name.clone(),
        source,
    })?;
    parse(&name, &text)
}

/// Parses and checks the text of a configuration file called `name`.
///
/// # Errors
/// As [`load`], but for reading.
pub fn parse<C: Checked>(name: &str, text: &str) -> Result<C, ConfigError> {
    let config: C = toml::from_str(text).map_err(|error| ConfigError::Syntax {
        path: name.to_owned(),
        position: error.span().map_or_else(String::new, |span| {
            format!(":{}", line_of(text, span.start))
        }),
        message: error
            .message()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
    })?;
    config
        .check()
        .map_err(|(key, problem)| ConfigError::Value {
            path: name.to_owned(),
            key,
            problem,
        })?;
    Ok(config)
}

fn line_of(text: &str, byte: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(byte)
        .filter(|&&b| b == b'\n')
        .count()
        + 1
}

/// Refuses what is not a comma-separated list of `HOST:PORT`.
fn check_bootstrap(value: &str) -> Result<(), (String, String)> {
    let key = "kafka.bootstrap";
    not_empty(key, value)?;
    for server in value.split(',') {
        let port = server
            .trim()
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty())
            .map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(1..))) {
            return Err((key.to_owned(), format!("{server:?} is not HOST:PORT")));
        }
    }
    Ok(())
}

/// Refuses a name Kafka would refuse for a topic.
fn check_topic(key: &str, value: &str) -> Result<(), (String, String)> {
    let problem = if value.is_empty() {
        "must not be empty".to_owned()
    } else if value.len() > 249 {
        format!("{value:?} is longer than 249 characters")
    } else if value == "." || value == ".." {
        format!("{value:?} is not a topic name")
    } else if let Some(bad) = value
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !"._-".contains(*c))
    {
        format!("{value:?} holds {bad:?}; a topic name is made of a-z, A-Z, 0-9, '.', '_' and '-'")
    } else {
        return Ok(());
    };
    Err((key.to_owned(), problem))
}

#[cfg(test)]
mod tests {
    use super::MetricsSettings;

    /// Neither a table of hosts nor a name server is asked.
    #[test]
    fn localhost_is_a_number() {
        let listen = |text: &str| {
            let listen = Some(text.to_owned());
            MetricsSettings { listen }.listen()
        };
        assert_eq!(listen("localhost:9441"), "127.0.0.1:9441".parse().ok());
        assert_eq!(listen("10.0.0.1:9441"), "10.0.0.1:9441".parse().ok());
        assert_eq!(listen("elsewhere:9441"), None);
    }
}
