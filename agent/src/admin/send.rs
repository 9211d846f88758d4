//! Lines as events of a topic. They are numbered within a run whose id the caller derives from their content, so whoever sends
//! them twice makes no second document of any.

use std::io::BufRead;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::AdminError;
use crate::config::{Connection, ConsumerConfig};
use crate::event::{MAX_BYTES, SCHEMA};
use crate::kafka::{LastError, with_advice};

/// Who these events are from.
const CLIENT: &str = "send";
/// How many milliseconds an event may take: brokers that are away may come back.
const PATIENCE: &str = "60000";
/// How long it is waited for room, and for the last answers, at once.
const LOOK: Duration = Duration::from_millis(100);

/// Lines of a run.
#[derive(Debug, Clone, Copy)]
pub struct Lines<'a> {
    /// The topic they go to.
    pub topic: &'a str,
    /// The run's id.
    pub run: &'a str,
    /// The number of the first one.
    pub first: u64,
}

/// What became of them.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// How many were sent.
    pub sent: u64,
    /// How many were acknowledged by all replicas in sync.
    pub acked: u64,
    /// The first one that was not.
    pub failed: Option<Failed>,
}

/// A line that was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// Its number.
    pub line: u64,
    /// Why not.
    pub reason: String,
}

/// Counts what is acknowledged.
#[derive(Debug, Clone, Default)]
struct Counting {
    sent: Arc<Mutex<Sent>>,
    last: LastError,
}

impl Counting {
    fn change<T>(&self, change: impl FnOnce(&mut Sent) -> T) -> T {
        // Each change is whole, whatever happens elsewhere.
        change(&mut self.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fail(&self, line: u64, reason: String) {
        self.change(|sent| {
            if sent.failed.as_ref().is_none_or(|failed| line < failed.line) {
                sent.failed = Some(Failed { line, reason });
            }
        });
    }

    fn has_failed(&self) -> bool {
        self.change(|sent| sent.failed.is_some())
    }
}

impl ClientContext for Counting {
    fn log(&self, _: RDKafkaLogLevel, _: &str, message: &str) {
        self.last.keep_log(message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.last.keep(&error, reason);
    }
}

impl ProducerContext for Counting {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, line: usize) {
        match result {
            Ok(_) => self.change(|sent| sent.acked += 1),
            Err((error, _)) => {
                let mut reason = with_advice(error);
                if let Some(last) = self.last.get() {
                    reason = format!("{reason}: {last}");
                }
                self.fail(line as u64, reason);
            }
        }
    }
}

/// Sends the lines, in order, and waits for the answers. After the first failure no more are sent. Blocks.
///
/// # Errors
/// When there can be no client, or the lines cannot be read.
pub fn send(
    config: &ConsumerConfig,
    lines: Lines<'_>,
    mut input: impl BufRead,
) -> Result<Sent, AdminError> {
    let counting = Counting::default();
    let producer: BaseProducer<Counting> = Connection::of_consumer(config)?
        .client(CLIENT)
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", PATIENCE)
        .set("partitioner", "murmur2_random")
        .set("compression.type", "lz4")
        .set("queue.buffering.max.kbytes", "65536")
        .create_with_context(counting.clone())
        .map_err(AdminError::kafka("a client"))?;
    let (mut number, mut bytes) = (lines.first, Vec::new());
    while !counting.has_failed() {
        bytes.clear();
        if input
            .read_until(b'\n', &mut bytes)
            .map_err(AdminError::Input)?
            == 0
        {
            break;
        }
        let event = event(lines.run, number, &bytes).map_err(AdminError::Request)?;
        if event.len() > MAX_BYTES {
            let reason = format!(
                "its event has {} bytes, and {MAX_BYTES} is the most",
                event.len()
            );
            counting.fail(number, reason);
            break;
        }
        give(&producer, &counting, lines, (number, &event));
        number += 1;
    }
    // Each is acknowledged, or given up after its time.
    while producer.in_flight_count() > 0 {
        producer.poll(LOOK);
    }
    Ok(counting.change(std::mem::take))
}

/// Gives an event to the client, which may have to make room first. One key for the run: its events stay in order.
fn give(
    producer: &BaseProducer<Counting>,
    counting: &Counting,
    lines: Lines<'_>,
    (number, event): (u64, &str),
) {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "agents are built for machines of 64 bits"
    )]
    let mut record = BaseRecord::with_opaque_to(lines.topic, number as usize)
        .key(lines.run)
        .payload(event);
    loop {
        match producer.send(record) {
            Ok(()) => break counting.change(|sent| sent.sent += 1),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                producer.poll(LOOK);
            }
            Err((error, _)) => break counting.fail(number, with_advice(&error)),
        }
    }
    producer.poll(Duration::ZERO);
}

/// An event of our producers' format. It holds nothing but its line and its number: sent again it is the same.
#[derive(Serialize)]
struct Event<'a> {
    schema: u32,
    client: &'a str,
    run: &'a str,
    sequence: u64,
    #[serde(flatten)]
    payload: Payload<'a>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Payload<'a> {
    /// An object stays one, byte for byte.
    Json { event: &'a RawValue },
    /// All else is text; what was not UTF-8 is replaced.
    Line { line: &'a str },
}

fn event(run: &str, sequence: u64, line: &[u8]) -> Result<String, serde_json::Error> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = String::from_utf8_lossy(line);
    // Whatever a document cannot hold is no object here either.
    let is_object = serde_json::from_str::<Value>(&text).is_ok_and(|value| value.is_object());
    let payload = if is_object {
        Payload::Json {
            event: serde_json::from_str(&text)?,
        }
    } else {
        Payload::Line { line: &text }
    };
    serde_json::to_string(&Event {
        schema: SCHEMA,
        client: CLIENT,
        run,
        sequence,
        payload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_stays_one_and_all_else_is_text() {
        let made = |line: &[u8]| event("r", 7, line).expect("an event");
        let head = r#"{"schema":1,"client":"send","run":"r","sequence":7,"#;
        assert_eq!(
            made(b"{\"total\": 1.50}\r\n"),
            format!(r#"{head}"kind":"json","event":{{"total": 1.50}}}}"#)
        );
        for (line, text) in [
            (&b"a\tb\n"[..], r"a\tb"),
            (b"12", "12"),
            (b"\n", ""),
            (b"{\"a\":1e400}\n", r#"{\"a\":1e400}"#),
            (b"\xff", "\u{fffd}"),
        ] {
            assert_eq!(
                made(line),
                format!(r#"{head}"kind":"line","line":"{text}"}}"#)
            );
        }
    }

    #[test]
    fn the_first_line_that_failed_is_named() {
        let counting = Counting::default();
        for line in [9, 4, 6] {
            counting.fail(line, line.to_string());
        }
        let sent = counting.change(std::mem::take);
        assert_eq!(sent.failed.map(|failed| failed.line), Some(4));
    }
}
