//! Events that Kafka never takes, set aside in a file: one line of JSON each, with the reason and the event as it is.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rdkafka::error::RDKafkaErrorCode;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::event::format_timestamp;

/// The file of events that are set aside.
#[derive(Debug)]
pub(super) struct Refused {
    path: PathBuf,
    bytes: u64,
}

/// An event that is set aside.
#[derive(Debug, Serialize)]
struct Line<'a> {
    refused: String,
    topic: &'a str,
    reason: &'a str,
    event: &'a RawValue,
}

impl Refused {
    /// Looks how large the file is; it need not exist.
    pub(super) fn open(path: PathBuf) -> Self {
        let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Self { path, bytes }
    }

    /// Returns the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how many bytes it has.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns how many events are in it, as far as that was `known`.
    pub(super) fn count(&self, known: u64) -> u64 {
        if self.bytes == 0 { 0 } else { known.max(1) }
    }

    /// Returns whether somebody has removed the file.
    pub(super) fn is_gone(&mut self) -> bool {
        let is_gone = matches!(std::fs::metadata(&self.path), Err(error) if error.kind() == io::ErrorKind::NotFound);
        if is_gone {
            self.bytes = 0;
        }
        is_gone
    }

    /// Adds events with their topics and reasons, all or none, and waits until the disk has them.
    pub(super) fn add(&mut self, events: &[(String, &'static str, String)]) -> io::Result<()> {
        let now = format_timestamp(Timestamp::now());
        let mut lines = Vec::new();
        for (topic, reason, event) in events {
            let line = Line {
                refused: now.clone(),
                topic,
                reason,
                event: serde_json::from_str(event)?,
            };
            serde_json::to_writer(&mut lines, &line)?;
            lines.push(b'\n');
        }
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).open(&self.path)?;
        let before = file.metadata()?.len();
        if let Err(error) = file.write_all(&lines).and_then(|()| file.sync_data()) {
            // They are tried again, and must not be there twice.
            file.set_len(before)?;
            return Err(error);
        }
        self.bytes = before + lines.len() as u64;
        Ok(())
    }
}

/// Returns why Kafka never takes an event, for an error that says so of the event alone.
pub(super) fn reason(code: RDKafkaErrorCode) -> Option<&'static str> {
    use RDKafkaErrorCode as Code;
    Some(match code {
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => {
            "larger than the topic takes (max.message.bytes)"
        }
        Code::InvalidTimestamp => {
            "its time is refused (message.timestamp.before.max.ms, message.timestamp.after.max.ms): it waited too long, or a clock is wrong"
        }
        // Brokers name the records they refuse; librdkafka gives all others of a batch `InvalidDifferentRecord`.
        Code::InvalidRecord => {
            "the broker finds it invalid: its time (message.timestamp.before.max.ms, message.timestamp.after.max.ms) because it waited too long or a clock is wrong, or the topic's other settings"
        }
        _ => return None,
    })
}
