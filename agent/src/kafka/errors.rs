//! What a Kafka client says is wrong outside of any call, and what to do about it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// The last thing a client said was wrong, which a call that ran out of time does not know. Copies share it.
#[derive(Debug, Clone, Default)]
pub struct LastError(Arc<Mutex<Errors>>);

#[derive(Debug, Default)]
struct Errors {
    last: Option<String>,
    logged: String,
}

impl LastError {
    /// Logs an error, and keeps it.
    pub fn note(&self, error: &KafkaError, reason: &str) {
        self.keep(error, reason);
        // The client hands each error over twice.
        if std::mem::replace(&mut self.lock().logged, reason.to_owned()) != reason {
            log_error(error, reason);
        }
    }

    /// Keeps an error, with what is to be done about it where somebody must act.
    pub fn keep(&self, error: &KafkaError, reason: &str) {
        let mut errors = self.lock();
        // That no broker is left says less than what was wrong with the last.
        let is_all = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        if !is_all || errors.last.is_none() {
            errors.last = Some(match advice(error, reason) {
                Some(advice) => format!("{reason}; {advice}"),
                None => reason.to_owned(),
            });
        }
    }

    /// Keeps what a log line says of a broker that speaks another protocol; there is no error of it.
    pub fn keep_log(&self, message: &str) {
        if speaks_another_protocol(message) {
            self.lock().last = Some(format!("{message}; {PROTOCOL_ADVICE}"));
        }
    }

    /// Forgets it: all is well again.
    pub fn clear(&self) {
        *self.lock() = Errors::default();
    }

    /// Returns it.
    pub fn get(&self) -> Option<String> {
        self.lock().last.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Errors> {
        // Each change is one assignment: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to look at where a broker speaks another protocol.
pub(super) const PROTOCOL_ADVICE: &str =
    "look whether kafka.tls and kafka.sasl are what the broker's port asks for";

/// Returns an error in words, with what to look at.
pub fn with_advice(error: &KafkaError) -> String {
    match advice(error, "") {
        Some(advice) => format!("{error}; {advice}"),
        None => error.to_string(),
    }
}

/// Says what to look at where a broker does not let us in, or cannot do what it is asked for.
fn advice(error: &KafkaError, reason: &str) -> Option<&'static str> {
    match error.rdkafka_error_code()? {
        RDKafkaErrorCode::Unknown => Some(
            "the broker's own log says why; with a topic's compression.type, its Java may not be able to load that library",
        ),
        RDKafkaErrorCode::Authentication => Some("look at the user and password of kafka.sasl"),
        RDKafkaErrorCode::SSL => Some("look at the files of kafka.tls"),
        // A broker that refuses our certificate ends the connection with an alert.
        RDKafkaErrorCode::BrokerTransportFailure if reason.contains("SSL") => {
            Some("look at the files of kafka.tls")
        }
        _ => None,
    }
}

/// Returns whether a log line tells that a broker speaks another protocol: it hangs up on the first question, or
/// librdkafka names its own setting.
pub(super) fn speaks_another_protocol(message: &str) -> bool {
    message.contains("security.protocol")
        || message.contains("Disconnected") && message.contains("in state APIVERSION_QUERY")
}

/// Writes an error that librdkafka reports outside of any call. It goes on by itself, which helps unless it is not let in.
pub(super) fn log_error(error: &KafkaError, reason: &str) {
    if let Some(advice) = advice(error, reason) {
        tracing::error!("kafka: {reason}; {advice}");
    } else {
        tracing::warn!(code = ?error.rdkafka_error_code(), "kafka: {reason}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_says_what_to_look_at() {
        let last = LastError::default();
        let error = KafkaError::Global;
        last.keep(
            &error(RDKafkaErrorCode::AllBrokersDown),
            "1/1 brokers are down",
        );
        assert_eq!(last.get().as_deref(), Some("1/1 brokers are down"));
        last.keep(&error(RDKafkaErrorCode::Authentication), "no");
        last.keep(
            &error(RDKafkaErrorCode::AllBrokersDown),
            "1/1 brokers are down",
        );
        let said = last.get().unwrap_or_default();
        assert!(
            said.starts_with("no; ") && said.contains("kafka.sasl"),
            "{said}"
        );
        last.keep_log("b: Disconnected (after 5ms in state UP)");
        assert_eq!(last.get().as_ref(), Some(&said));
        last.keep_log("b: Disconnected: closed by peer (after 5ms in state APIVERSION_QUERY)");
        assert!(last.get().is_some_and(|said| said.contains("kafka.tls")));
        last.clear();
        assert_eq!(last.get(), None);
    }
}
