//! How far each object was read.
//!
//! A checkpoint holds only what is not known to be safe: a place in each object of the last pieces. What is safe goes to a file of
//! the source's own, a line each, and is on the disk before a checkpoint leaves it out. So the file and the last checkpoint
//! together are all that was read.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::Checkpoint;

/// How many places may wait for Kafka: each checkpoint holds them all.
const MOST: usize = 64;

/// A place in an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) key: String,
    pub(super) etag: String,
    /// How many of its bytes were read.
    pub(super) bytes: u64,
    /// Their hash (SHA-256, in hexadecimal digits).
    pub(super) hash: String,
}

/// The places in all objects that were read.
pub(super) struct Progress {
    directory: PathBuf,
    places: HashMap<String, Place>,
    /// Places that are not known to be safe, the oldest first, one for each key.
    waiting: Vec<Place>,
    /// Places that are safe and not written yet.
    safe: Vec<Place>,
}

impl Progress {
    /// Reads what an earlier process left. Without a checkpoint a run begins, and nothing was read.
    pub(super) fn open(directory: PathBuf, checkpoint: &Checkpoint) -> io::Result<Self> {
        let mut progress = Self {
            directory,
            places: HashMap::new(),
            waiting: Vec::new(),
            safe: Vec::new(),
        };
        if checkpoint.is_empty() {
            return match std::fs::remove_file(progress.path()) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => Ok(progress),
            };
        }
        match std::fs::read(progress.path()) {
            Ok(text) => {
                // A line that a crash cut off is still in the checkpoint.
                for line in text.split_inclusive(|byte| *byte == b'\n') {
                    if line.ends_with(b"\n") {
                        let place: Place = serde_json::from_slice(line)?;
                        progress.places.insert(place.key.clone(), place);
                    }
                }
                progress.rewrite()?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let waiting: Vec<Place> = serde_json::from_slice(&checkpoint.0)?;
        for place in waiting {
            progress.add(place);
        }
        Ok(progress)
    }

    /// Returns how far an object with this key was read.
    pub(super) fn of(&self, key: &str) -> Option<&Place> {
        self.places.get(key)
    }

    /// Returns whether nothing more may be read before Kafka has some of it.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST
    }

    /// Notes how far an object was read.
    pub(super) fn add(&mut self, place: Place) {
        self.waiting.retain(|other| other.key != place.key);
        self.waiting.push(place.clone());
        self.places.insert(place.key.clone(), place);
    }

    pub(super) fn checkpoint(&self) -> io::Result<Checkpoint> {
        Ok(Checkpoint(serde_json::to_vec(&self.waiting)?))
    }

    /// Hears that what is before a checkpoint is safe.
    pub(super) fn hear(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        let safe: Vec<Place> = serde_json::from_slice(&checkpoint.0)?;
        self.safe.extend(safe);
        self.write()
    }

    /// Writes what is safe, so that no checkpoint need hold it any more.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if self.safe.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        for place in &self.safe {
            serde_json::to_writer(&mut lines, place)?;
            lines.push(b'\n');
        }
        std::fs::create_dir_all(&self.directory)?;
        let path = self.path();
        let is_new = !path.exists();
        let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
        let length = file.metadata()?.len();
        if let Err(error) = file.write_all(&lines).and_then(|()| file.sync_data()) {
            // Half a line would hide the next one.
            file.set_len(length)?;
            return Err(error);
        }
        if is_new {
            File::open(&self.directory)?.sync_all()?;
        }
        let safe = std::mem::take(&mut self.safe);
        self.waiting.retain(|place| !safe.contains(place));
        Ok(())
    }

    /// Writes the file anew, with a line for each object.
    fn rewrite(&self) -> io::Result<()> {
        let path = self.path();
        let temporary = path.with_extension("new");
        let mut file = io::BufWriter::new(File::create(&temporary)?);
        for place in self.places.values() {
            serde_json::to_writer(&mut file, place)?;
            file.write_all(b"\n")?;
        }
        file.into_inner()?.sync_data()?;
        std::fs::rename(&temporary, &path)?;
        File::open(&self.directory)?.sync_all()
    }

    fn path(&self) -> PathBuf {
        self.directory.join("objects.jsonl")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(key: &str, bytes: u64) -> Place {
        Place {
            key: key.to_owned(),
            etag: "e".to_owned(),
            bytes,
            hash: "h".to_owned(),
        }
    }

    fn read(progress: &Progress, key: &str) -> Option<u64> {
        progress.of(key).map(|place| place.bytes)
    }

    #[test]
    fn the_file_and_the_last_checkpoint_are_all_that_was_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let open = |checkpoint: &Checkpoint| {
            Progress::open(directory.path().join("source"), checkpoint).expect("opens")
        };
        let mut progress = open(&Checkpoint::default());
        let mut checkpoints = Vec::new();
        for (key, bytes) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            progress.add(place(key, bytes));
            checkpoints.push(progress.checkpoint().expect("a checkpoint"));
        }
        // As the producer tells it: not of each, and again after a restart.
        for safe in [1, 1, 2] {
            progress.hear(&checkpoints[safe]).expect("is written");
            let last = progress.checkpoint().expect("a checkpoint");
            for checkpoint in [&checkpoints[3], &last] {
                let again = open(checkpoint);
                let read = ["a", "b", "c"].map(|key| read(&again, key));
                assert_eq!(read, [Some(3), Some(2), Some(4)]);
            }
        }
        // The file alone knows what was told to be safe.
        let alone = open(&Checkpoint(b"[]".to_vec()));
        let known = ["a", "b", "c"].map(|key| read(&alone, key));
        assert_eq!(known, [Some(3), Some(2), None]);
        let path = directory.path().join("source/objects.jsonl");
        let mut torn = std::fs::read(&path).expect("is there");
        torn.extend(b"{\"key\":\"d\"");
        std::fs::write(&path, torn).expect("is written");
        assert_eq!(read(&open(&Checkpoint(b"[]".to_vec())), "b"), Some(2));
        // A run that begins has read nothing.
        assert_eq!(read(&open(&Checkpoint::default()), "b"), None);
        assert!(!path.exists());
    }

    #[test]
    fn only_so_many_places_wait_for_kafka() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut progress =
            Progress::open(directory.path().join("source"), &Checkpoint::default()).expect("opens");
        for number in 0..MOST {
            assert!(!progress.is_full());
            progress.add(place(&number.to_string(), 1));
        }
        assert!(progress.is_full());
        let checkpoint = progress.checkpoint().expect("a checkpoint");
        progress.hear(&checkpoint).expect("is written");
        assert!(!progress.is_full());
    }
}
