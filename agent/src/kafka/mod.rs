//! Kafka clients as both agents make them, and their log lines.

mod errors;
pub mod transaction_log;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

pub use errors::{LastError, with_advice};
use errors::{PROTOCOL_ADVICE, log_error, speaks_another_protocol};

/// Writes a log line of librdkafka.
pub fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    if facility == "FAIL" {
        if speaks_another_protocol(message) {
            tracing::warn!("kafka: {message}; {PROTOCOL_ADVICE}");
        }
        // A connection that failed; reported as an error as well, or an idle one that was closed.
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
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::debug!(facility, "kafka: {message}");
        }
    }
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

/// A client's context that keeps the last error for the call that fails by it.
#[derive(Debug, Clone, Default)]
pub struct Keeping(pub LastError);

impl ClientContext for Keeping {
    fn log(&self, _: RDKafkaLogLevel, _: &str, message: &str) {
        // The calls report what matters; the rest would be noise while brokers start.
        self.0.keep_log(message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.keep(&error, reason);
    }
}

impl rdkafka::consumer::ConsumerContext for Keeping {}
