//! The events of a topic as they come, read beside all groups: nothing of it stays in Kafka.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::AdminError;
use super::metadata;
use crate::config::ConsumerConfig;
use crate::event::format_timestamp;
use crate::sink::headers::{self, Header};

/// How long the brokers may take to say where a topic begins and ends.
const ASKING: Duration = Duration::from_secs(10);
/// How soon a wish to end is heard.
const LOOK: Duration = Duration::from_millis(100);
/// What stands where an event has no such thing.
const NONE: &str = "-";

/// What is shown of a topic.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The topic.
    pub topic: &'a str,
    /// That those are shown, too, which are there already.
    pub from_beginning: bool,
    /// After how many it ends.
    pub most: Option<u64>,
}

/// Gives each event to `show` as a line, until there were enough or `ended` is so. Blocks. `begun` is called with the number of
/// partitions once it is settled from where on they are read: whatever is sent after that is shown.
///
/// # Errors
/// When there is no such topic, the brokers do not answer, or `show` fails.
pub fn tail<E: From<AdminError>>(
    config: &ConsumerConfig,
    wish: Wish<'_>,
    ended: &AtomicBool,
    begun: impl FnOnce(usize),
    mut show: impl FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    let Wish {
        topic,
        from_beginning,
        most,
    } = wish;
    // A group only in name: it is never joined, and has no offsets.
    let client = metadata::client_of(config, "tail")?;
    let subject = format!("where topic {topic} begins and ends");
    let failed = || AdminError::kafka(subject.as_str());
    let cluster =
        metadata::fetch(&client, ASKING).map_err(AdminError::kafka("the brokers and topics"))?;
    let found = cluster
        .topic(topic)
        .ok_or_else(|| AdminError::NoTopic(topic.to_owned()))?;
    let until = Instant::now() + ASKING;
    let mut places = TopicPartitionList::new();
    for partition in &found.partitions {
        let left = until.saturating_duration_since(Instant::now());
        let (low, high) = client
            .fetch_watermarks(topic, partition.id, left)
            .map_err(failed())?;
        let from = Offset::Offset(if from_beginning { low } else { high });
        places
            .add_partition_offset(topic, partition.id, from)
            .map_err(failed())?;
    }
    client.assign(&places).map_err(failed())?;
    begun(found.partitions.len());
    let mut seen = 0;
    while most.is_none_or(|most| seen < most) && !ended.load(Ordering::Relaxed) {
        match client.poll(LOOK) {
            None => {}
            Some(Ok(message)) => {
                show(&line(&message))?;
                seen += 1;
            }
            Some(Err(error)) if is_final(&error) => {
                return Err(AdminError::kafka(format!("topic {topic}"))(error).into());
            }
            // Brokers that are away come back.
            Some(Err(error)) => tracing::warn!("kafka: {error}"),
        }
    }
    Ok(())
}

/// Whether waiting does not help.
fn is_final(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::Fatal
        )
    )
}

/// An event on a line: when Kafka got it, its partition and offset, its key, its headers and its value, with tabs between them.
fn line(message: &BorrowedMessage<'_>) -> String {
    let headers = message.headers().map(headers::take).unwrap_or_default();
    shown(
        message.timestamp().to_millis(),
        (message.partition(), message.offset()),
        message.key(),
        &headers,
        message.payload(),
    )
}

fn shown(
    millis: Option<i64>,
    (partition, offset): (i32, i64),
    key: Option<&[u8]>,
    headers: &[Header],
    value: Option<&[u8]>,
) -> String {
    let at = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let at = at.map_or_else(|| NONE.to_owned(), format_timestamp);
    let headers: Vec<String> = headers.iter().map(header).collect();
    let headers = if headers.is_empty() {
        NONE.to_owned()
    } else {
        headers.join(",")
    };
    let (key, value) = (text(key), text(value));
    format!("{at}\t{partition}:{offset}\t{key}\t{headers}\t{value}")
}

fn header(header: &Header) -> String {
    let value = header.value.as_deref().or(header.value_base64.as_deref());
    let value = value.map_or_else(|| NONE.to_owned(), printable);
    format!("{}={value}", printable(&header.name))
}

fn text(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(
        || NONE.to_owned(),
        |bytes| printable(&String::from_utf8_lossy(bytes)),
    )
}

/// A text on one line that does nothing to a terminal.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            // A text takes everything.
            let _ = write!(printable, "{}", character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_whatever_it_holds() {
        let headers = [
            Header::new("trace", Some(b"7")),
            Header::new("raw", Some(&[0xff])),
            Header::new("none", None),
        ];
        let value = "a\tb\r\n\u{1b}[2J ö".as_bytes();
        let line = shown(
            Some(1_700_000_000_000),
            (2, 41),
            Some(b"k"),
            &headers,
            Some(value),
        );
        assert_eq!(
            line,
            "2023-11-14T22:13:20.000Z\t2:41\tk\ttrace=7,raw=/w==,none=-\ta\\tb\\r\\n\\u{1b}[2J ö"
        );
        assert_eq!(shown(None, (0, 0), None, &[], None), "-\t0:0\t-\t-\t-");
    }
}
