//! The settings all Kafka clients of an agent begin with: where the brokers are, and how they let us in.

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

use super::{ConfigError, ConsumerConfig, KafkaLogin, ProducerConfig, Sasl, Tls};

/// How Kafka is reached, with every file read that must be: made before anything is opened. It holds secrets, so nothing shows
/// it.
#[derive(Clone)]
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
        match &kafka.login {
            Some(login) => Ok(Self::by_login(login)),
            None => Self::new(&kafka.bootstrap, kafka.tls.as_ref(), kafka.sasl.as_ref()),
        }
    }

    /// As a login says that is in no file.
    fn by_login(login: &KafkaLogin) -> Self {
        let mut config = first_settings(&login.bootstrap);
        config
            .set("security.protocol", "ssl")
            .set("ssl.ca.pem", &login.ca)
            .set("ssl.certificate.pem", &login.certificate)
            .set("ssl.key.pem", &login.key);
        Self(config)
    }

    /// Takes the files' contents.
    fn new(bootstrap: &str, tls: Option<&Tls>, sasl: Option<&Sasl>) -> Result<Self, ConfigError> {
        let mut config = first_settings(bootstrap);
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

    /// The same for a client that only asks, by somebody who waits for the answer: it is quicker to try again.
    pub fn asking_client(&self, name: &str) -> ClientConfig {
        let mut config = self.client(name);
        config
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "200")
            .set("socket.connection.setup.timeout.ms", "1000");
        config
    }
}

/// Returns the settings every client begins with: quick to come back after a broker was away.
fn first_settings(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        // That a broker speaks another protocol is said at this level alone.
        .set_log_level(RDKafkaLogLevel::Info)
        .set("bootstrap.servers", bootstrap)
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("socket.connection.setup.timeout.ms", "5000")
        .set("socket.keepalive.enable", "true");
    config
}
