//! The settings all Kafka clients of an agent begin with: where the brokers are, and how they let us in.

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

use super::{ConfigError, ConsumerConfig, ProducerConfig, Sasl, Tls};

/// How Kafka is reached, with every file read that must be: made before anything is opened.
#[derive(Debug, Clone)]
pub struct Connection(ClientConfig);

impl Connection {
    /// As a producer's configuration says.
    ///
    /// # Errors
    /// When a file it names cannot be used.
    pub fn of_producer(config: &ProducerConfig) -> Result<Self, ConfigError> {
        let kafka = &config.kafka;
        Self::new(&kafka.bootstrap, kafka.tls.as_ref(), kafka.sasl.as_ref())
    }

    /// As a consumer's configuration says.
    ///
    /// # Errors
    /// When a file it names cannot be used.
    pub fn of_consumer(config: &ConsumerConfig) -> Result<Self, ConfigError> {
        let kafka = &config.kafka;
        Self::new(&kafka.bootstrap, kafka.tls.as_ref(), kafka.sasl.as_ref())
    }

    /// Takes the settings every client begins with: quick to come back after a broker was away.
    fn new(bootstrap: &str, tls: Option<&Tls>, sasl: Option<&Sasl>) -> Result<Self, ConfigError> {
        let mut config = ClientConfig::new();
        config
            // That a broker speaks another protocol is said at this level alone.
            .set_log_level(RDKafkaLogLevel::Info)
            .set("bootstrap.servers", bootstrap)
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.connection.setup.timeout.ms", "5000")
            .set("socket.keepalive.enable", "true");
        let protocol = match (tls, sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(tls) = tls {
            tls.check_files()?;
            config.set("ssl.ca.location", tls.ca_file.to_string_lossy());
            if let (Some(certificate), Some(key)) = (&tls.certificate_file, &tls.key_file) {
                config
                    .set("ssl.certificate.location", certificate.to_string_lossy())
                    .set("ssl.key.location", key.to_string_lossy());
            }
        }
        if let Some(sasl) = sasl {
            config
                .set("sasl.mechanisms", sasl.mechanism.name())
                .set("sasl.username", &sasl.user)
                .set("sasl.password", sasl.password()?);
        }
        Ok(Self(config))
    }

    /// Returns the settings of a client that goes by this name in the brokers' logs.
    pub fn client(&self, name: &str) -> ClientConfig {
        let mut config = self.0.clone();
        config.set("client.id", name);
        config
    }
}
