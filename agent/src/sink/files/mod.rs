//! Files: each record is one row, once, in files of this machine that are rolled by size and day.
//!
//! A directory holds a directory for each topic, and that the files of its partitions, what says how far they reach and how
//! many rows they have, and the dead letters. The names of files have the day (UTC) on which they were begun, the topic's epoch, the partition and the
//! first offset: in the order of their names the files of a partition are in the order of its records.

mod asked;
mod counts;
mod part;
mod row;
mod slots;

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::Deserialize;

use super::disk::{blocking, held, settle};
use super::document::document;
use super::letters::{self, Letters};
use super::{Asked, Letter, OpenError, Outcome, Record, Sink};
use crate::config::error::ConfigError;
use crate::config::topic::Topic;
use part::{Files, Part, Row};
pub use row::Format;

/// Where the files are, and how rows are written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A directory of the sink's own.
    directory: PathBuf,
    /// How rows are written.
    #[serde(default)]
    format: Format,
    /// The columns of CSV: names of values in the document, as in `memory.free`.
    #[serde(default)]
    columns: Vec<String>,
    /// The bytes from which on a file is followed by a new one.
    #[serde(default = "default_roll_bytes")]
    roll_bytes: u64,
}

fn default_roll_bytes() -> u64 {
    128 << 20
}

impl super::Settings for Settings {
    fn check(&self) -> Result<(), (String, String)> {
        if !self.directory.is_absolute() {
            let problem = format!("{} is not an absolute path", self.directory.display());
            return Err(("directory".to_owned(), problem));
        }
        let problem = match (self.format, self.columns.is_empty()) {
            (Format::Csv, true) => "must name a column at least where the format is csv",
            (Format::Json, false) => "are of csv alone: a line of json is the whole document",
            _ if self.columns.iter().any(String::is_empty) => "must not have an empty name",
            _ if self.roll_bytes < 1000 => {
                let problem = format!("{} is less than 1000", self.roll_bytes);
                return Err(("roll_bytes".to_owned(), problem));
            }
            _ => return Ok(()),
        };
        Err(("columns".to_owned(), problem.to_owned()))
    }

    fn check_files(&self) -> Result<(), ConfigError> {
        // Made when there is something to be written, as the service's user.
        Ok(())
    }

    fn open(&self) -> Result<Box<dyn Sink>, OpenError> {
        Ok(Box::new(FilesSink {
            shared: Arc::new(Shared {
                settings: self.clone(),
                lock: Mutex::default(),
                parts: Mutex::default(),
                letters: Mutex::default(),
            }),
        }))
    }

    fn asked(&self) -> Result<Box<dyn Asked>, OpenError> {
        let settings = self.clone();
        Ok(Box::new(asked::Kept { settings }))
    }
}

struct FilesSink {
    shared: Arc<Shared>,
}

/// What writes in threads that may wait share. A call that is given up goes on there to its end.
struct Shared {
    settings: Settings,
    /// Held as long as the process is there: another consumer must not write to the same files.
    lock: Mutex<Option<File>>,
    parts: Mutex<HashMap<Files, Arc<Mutex<Option<Part>>>>>,
    /// By the topic's directory.
    letters: Mutex<HashMap<PathBuf, Letters>>,
}

impl Sink for FilesSink {
    fn place(&self, topic: &Topic) -> String {
        self.shared.directory(topic).display().to_string()
    }

    fn write<'a>(
        &'a self,
        topic: &'a Topic,
        records: &'a [&'a Record],
    ) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let Settings {
                format, columns, ..
            } = &self.shared.settings;
            let mut outcomes = Vec::with_capacity(records.len());
            let mut rows = Vec::with_capacity(records.len());
            for record in records {
                match document(&topic.name, &topic.epoch, record) {
                    Ok(document) => {
                        rows.push(Row {
                            offset: record.offset,
                            text: format.row(&document.json, columns),
                        });
                        outcomes.push(Outcome::Done);
                    }
                    // Also where it was seen before: its letter may not be there.
                    Err(reason) => outcomes.push(Outcome::Never(reason)),
                }
            }
            let (Some(first), false) = (records.first(), rows.is_empty()) else {
                return outcomes;
            };
            let files = self.shared.files(topic, first.partition);
            let shared = Arc::clone(&self.shared);
            let written = blocking(move || shared.append(files, &rows)).await;
            settle(records, &mut outcomes, &written);
            outcomes
        })
    }

    fn keep<'a>(
        &'a self,
        topic: &'a Topic,
        letters: &'a [Letter<'a>],
    ) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let documents = letters::documents(topic, letters);
            let count = documents.len();
            let directory = self.shared.directory(topic);
            let shared = Arc::clone(&self.shared);
            let kept = blocking(move || {
                shared.lock()?;
                let mut all = held(&shared.letters);
                let mut letters = match all.remove(&directory) {
                    Some(letters) => letters,
                    None => Letters::open(&directory)?,
                };
                let new = letters.add(&documents)?;
                all.insert(directory, letters);
                Ok(new)
            });
            letters::outcomes(kept.await, count)
        })
    }
}

impl Shared {
    fn directory(&self, topic: &Topic) -> PathBuf {
        self.settings.directory.join(&topic.name)
    }

    fn files(&self, topic: &Topic, partition: i32) -> Files {
        Files {
            directory: self.directory(topic),
            partition: format!("{}-{partition:04x}", topic.epoch),
            ending: self.settings.format.ending(),
            head: self.settings.format.head(&self.settings.columns),
        }
    }

    /// Appends rows of a partition. Returns the offset from which on they were not there.
    fn append(&self, files: Files, rows: &[Row]) -> io::Result<i64> {
        self.lock()?;
        let part = Arc::clone(held(&self.parts).entry(files.clone()).or_default());
        let mut held = held(&part);
        // What fails leaves none, so that the next call opens it anew.
        let mut part = match held.take() {
            Some(part) => part,
            None => Part::open(files)?,
        };
        let next = part.next();
        let day = Timestamp::now().strftime("%Y-%m-%d").to_string();
        part.append(rows, self.settings.roll_bytes, &day)?;
        *held = Some(part);
        Ok(next)
    }

    /// Keeps other consumers out.
    fn lock(&self) -> io::Result<()> {
        let mut lock = held(&self.lock);
        if lock.is_some() {
            return Ok(());
        }
        std::fs::create_dir_all(&self.settings.directory)?;
        let path = self.settings.directory.join(".lock");
        let file = File::create(&path)?;
        match file.try_lock() {
            Ok(()) => *lock = Some(file),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => {
                let problem = format!("{}: another consumer writes there", path.display());
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, problem));
            }
        }
        Ok(())
    }
}
