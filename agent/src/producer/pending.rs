//! The events given to the Kafka client and not confirmed yet, kept in a file, so that a crash loses none of them.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::state::StateError;

/// An event on its way, exactly as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PendingEvent {
    /// The topic it goes to.
    pub(super) topic: String,
    /// Its bytes: one line of JSON.
    pub(super) event: String,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    topic: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// The file `pending.jsonl`.
#[derive(Debug)]
pub(super) struct Pending {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Pending {
    /// Opens the file and returns what is in it. A last line that was cut off by a crash was never sent and is removed.
    ///
    /// # Errors
    /// When the file cannot be opened, or a whole line of it is not an event.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<PendingEvent>), StateError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(StateError::file(path, "opened"))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(StateError::file(path, "read"))?;
        let whole = bytes
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |end| end + 1);
        let mut events = Vec::new();
        for line in bytes[..whole]
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let line: Line<'_> =
                serde_json::from_slice(line).map_err(|source| StateError::Damaged {
                    path: path.to_owned(),
                    source,
                })?;
            events.push(PendingEvent {
                topic: line.topic.into_owned(),
                event: line.event.get().to_owned(),
            });
        }
        let mut pending = Self {
            path: path.to_owned(),
            file,
            bytes: 0,
        };
        pending.cut(whole as u64)?;
        Ok((pending, events))
    }

    /// Adds events; they are on the disk when this returns.
    ///
    /// # Errors
    /// When they cannot be written; the events must then not be sent.
    pub(super) fn append<'a>(
        &mut self,
        events: impl IntoIterator<Item = &'a PendingEvent>,
    ) -> Result<(), StateError> {
        let mut text = Vec::new();
        for event in events {
            let raw: &RawValue =
                serde_json::from_str(&event.event).map_err(|source| StateError::Damaged {
                    path: self.path.clone(),
                    source,
                })?;
            let line = Line {
                topic: event.topic.as_str().into(),
                event: raw,
            };
            serde_json::to_writer(&mut text, &line)
                .map_err(|error| StateError::file(&self.path, "written")(error.into()))?;
            text.push(b'\n');
        }
        let written = self
            .file
            .write_all(&text)
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // A part of a line in the middle would spoil the file for good.
            let path = self.path.clone();
            self.cut(self.bytes)?;
            return Err(StateError::file(&path, "written")(error));
        }
        self.bytes += text.len() as u64;
        Ok(())
    }

    /// Returns the size of the file in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Empties the file: everything is confirmed.
    ///
    /// # Errors
    /// When the file cannot be cut.
    pub(super) fn clear(&mut self) -> Result<(), StateError> {
        self.cut(0)
    }

    fn cut(&mut self, bytes: u64) -> Result<(), StateError> {
        let cut = self
            .file
            .set_len(bytes)
            .and_then(|()| self.file.seek(SeekFrom::Start(bytes)));
        cut.map_err(StateError::file(&self.path, "cut"))?;
        self.bytes = bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> PendingEvent {
        PendingEvent {
            topic: "t\"1".into(),
            event: text.into(),
        }
    }

    #[test]
    fn what_was_added_comes_back_byte_for_byte() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("pending.jsonl");
        let events = [
            event(r#"{"sequence":1,"cpu":1.50,"line":"\u0000ö"}"#),
            event(r#"{"b":1,"a":1e3}"#),
        ];
        let (mut pending, found) = Pending::open(&path).expect("opens");
        assert!(found.is_empty());
        pending.append(&events[..1]).expect("is added");
        pending.append(&events[1..]).expect("is added");
        drop(pending);
        let (mut pending, found) = Pending::open(&path).expect("opens");
        assert_eq!(found, events);
        pending.clear().expect("is emptied");
        pending.append(&events[1..]).expect("is added");
        drop(pending);
        assert_eq!(Pending::open(&path).expect("opens").1, events[1..]);
    }

    #[test]
    fn a_line_cut_off_at_any_byte_is_dropped_and_the_rest_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("pending.jsonl");
        let (mut pending, _) = Pending::open(&path).expect("opens");
        pending.append(&[event("{\"a\":1}")]).expect("is added");
        let first = pending.bytes();
        pending.append(&[event("{\"b\":2}")]).expect("is added");
        let whole = std::fs::read(&path).expect("is there");
        for length in first..whole.len() as u64 {
            std::fs::write(&path, &whole[..usize::try_from(length).expect("small")])
                .expect("is written");
            let (mut pending, found) = Pending::open(&path).expect("opens");
            assert_eq!(found, [event("{\"a\":1}")], "cut at {length}");
            pending.append(&[event("{\"c\":3}")]).expect("is added");
            assert_eq!(Pending::open(&path).expect("opens").1.len(), 2);
        }
    }
}
