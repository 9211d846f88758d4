//! Settings of Kafka clients that both agents share, and their log lines.

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;

/// Returns the settings every client begins with: quick to come back after a broker was away.
pub fn client(bootstrap: &str, name: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("client.id", name)
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("socket.connection.setup.timeout.ms", "5000")
        .set("socket.keepalive.enable", "true")
        .set("log.connection.close", "false");
    config
}

/// Writes a log line of librdkafka.
pub fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    if facility == "FAIL" {
        // A connection that failed; reported as an error as well.
        tracing::debug!(facility, "kafka: {message}");
        return;
    }
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => {
            tracing::error!(facility, "kafka: {message}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(facility, "kafka: {message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(facility, "kafka: {message}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(facility, "kafka: {message}"),
    }
}

/// Writes an error that librdkafka reports outside of any call; it goes on by itself.
pub fn log_error(error: &KafkaError, reason: &str) {
    tracing::warn!(code = ?error.rdkafka_error_code(), "kafka: {reason}");
}

/// A client's context that only logs.
#[derive(Debug, Clone, Default)]
pub struct Logging;

impl ClientContext for Logging {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl rdkafka::consumer::ConsumerContext for Logging {}
