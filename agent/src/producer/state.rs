//! How far a producer came: the run, its last sequence and what Kafka has confirmed.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::former;
use crate::config::ProducerConfig;
use crate::source::Checkpoint;

/// The version of the file's shape. The first had `mark` and `others` for a checkpoint.
const VERSION: u32 = 2;

/// Says what is wrong with the state directory.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or the directory could not be used.
    #[error("{path}: cannot be {verb}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried, as in `read`.
        verb: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The file is not a state.
    #[error("{path}: is damaged; `new-run` begins a new run")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The file was written by a newer producer.
    #[error("{path}: version {version} is newer than this producer knows")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Another producer works here.
    #[error("{path}: another producer is running on this state")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
}

impl StateError {
    pub(super) fn file(path: &Path, verb: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File {
            path: path.to_owned(),
            verb,
            source,
        }
    }
}

/// The state of a run, as kept in `state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    /// The run's id.
    pub run: String,
    /// A hash of what defines a run; another one begins a new run.
    pub settings: String,
    /// The highest sequence made.
    pub produced: u64,
    /// Every event up to this sequence is confirmed.
    pub acked: u64,
    /// How many events make the run; 0 is for ever.
    pub count: u64,
    /// Whether all events of the run are confirmed.
    pub finished: bool,
    /// The first record of the spool that is not confirmed.
    #[serde(default)]
    pub ticket: u64,
    /// Where the source was after the last event.
    #[serde(default)]
    pub checkpoint: Checkpoint,
    #[serde(default, skip_serializing)]
    mark: former::Mark,
    #[serde(default, skip_serializing)]
    others: Vec<former::Mark>,
    /// How many events are set aside because Kafka refused them for good.
    #[serde(default)]
    pub refused: u64,
    /// The machine's boot in which the run was last at work.
    #[serde(default)]
    pub boot: String,
    /// Which counting of tickets it is; another one begins where events in the spool were lost.
    #[serde(default)]
    pub tickets: String,
}

impl State {
    /// Returns a run of these settings that has not begun; the spool's record `ticket` is the first one not confirmed.
    pub fn new(config: &ProducerConfig, ticket: u64) -> Self {
        Self {
            version: VERSION,
            run: new_run(),
            settings: settings_hash(config),
            produced: 0,
            acked: 0,
            count: config.source.count,
            finished: false,
            ticket,
            checkpoint: Checkpoint::default(),
            mark: [0; 2],
            others: Vec::new(),
            refused: 0,
            boot: boot(),
            tickets: new_run(),
        }
    }

    /// Returns a run that follows this one, with the same spool.
    #[must_use]
    pub fn followed(&self, config: &ProducerConfig) -> Self {
        Self {
            refused: self.refused,
            tickets: self.tickets.clone(),
            ..Self::new(config, self.ticket)
        }
    }

    /// Takes over what the first version of the file has in the place of a checkpoint.
    fn upgrade(&mut self) {
        for mark in self.others.drain(..).chain([self.mark]) {
            former::add(&mut self.checkpoint, mark);
        }
        (self.mark, self.version) = ([0; 2], VERSION);
    }
}

/// Returns the id of the machine's boot; empty where the system tells none.
pub(super) fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// Returns a new run's id: the time in UTC and a random part.
pub(super) fn new_run() -> String {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    format!("{now}-{:04x}", rand::random::<u16>())
}

/// Returns a hash of what defines a run: the topic and the source.
pub(super) fn settings_hash(config: &ProducerConfig) -> String {
    let source = config.source.kind.identity(config.source.count);
    let text = format!("{}\n{source}", config.kafka.topic);
    let hash = format!("{:x}", Sha256::digest(text.as_bytes()));
    hash[..16].to_owned()
}

/// The directory that holds the state, locked against a second producer.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    _lock: File,
}

impl StateDirectory {
    /// Makes the directory where it is missing, and locks it.
    ///
    /// # Errors
    /// When it cannot be made, or another producer holds it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        std::fs::create_dir_all(path).map_err(StateError::file(path, "made"))?;
        let lock_path = path.join("lock");
        let lock = File::create(&lock_path).map_err(StateError::file(&lock_path, "written"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(StateError::Locked { path: lock_path }),
            Err(TryLockError::Error(source)) => Err(StateError::File {
                path: lock_path,
                verb: "locked",
                source,
            }),
        }
    }

    /// Returns the path of a file in the directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads the state; none where no run has begun.
    ///
    /// # Errors
    /// When the file is there and cannot be read or understood.
    pub fn load(&self) -> Result<Option<State>, StateError> {
        let path = self.file("state.json");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::file(&path, "read")(error)),
        };
        let mut state: State =
            serde_json::from_slice(&text).map_err(|source| StateError::Damaged {
                path: path.clone(),
                source,
            })?;
        if state.version > VERSION {
            return Err(StateError::Newer {
                path,
                version: state.version,
            });
        }
        state.upgrade();
        Ok(Some(state))
    }

    /// Writes the state so that a crash leaves the old or the new one, never a part.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, state: &State) -> Result<(), StateError> {
        let path = self.file("state.json");
        let temporary = self.file("state.json.new");
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&temporary)?;
            serde_json::to_writer(&mut file, state)?;
            file.write_all(b"\n")?;
            file.sync_data()?;
            std::fs::rename(&temporary, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(StateError::file(&path, "written"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Checkpoint;

    fn config(source: &str) -> ProducerConfig {
        let text =
            "client = 'c'\n[kafka]\nbootstrap = 'b:1'\ntopic = 't'\n[state]\ndirectory = '/s'\n";
        toml::from_str(&format!("{text}[source]\n{source}")).expect("a configuration")
    }

    /// Hashes that producers up to e66db31 made: another one would begin a new run at every upgrade.
    #[test]
    fn a_run_is_still_the_run_that_it_was() {
        for (source, hash) in [
            ("", "58fa829689e79375"),
            (
                "kind = 'top'\ncount = 0\ninterval_ms = 250\nraw = true",
                "84315fb4ccc94c11",
            ),
            ("kind = 'stdin'\ncount = 7", "df6e9498f6e15aa9"),
            (
                "kind = 'file'\ncount = 0\npath = '/var/log/app.log'",
                "461b64174a774633",
            ),
        ] {
            assert_eq!(settings_hash(&config(source)), hash, "{source}");
        }
    }

    #[test]
    fn a_state_of_the_first_version_is_gone_on_with() {
        let directory = tempfile::tempdir().expect("a directory");
        let written = r#"{"version":1,"run":"r","settings":"s","produced":9,"acked":7,"count":0,"finished":false,"ticket":7,"mark":[4294967297,2],"others":[[8589934595,4]],"refused":1,"boot":"b"}"#;
        std::fs::write(directory.path().join("state.json"), written).expect("is written");
        let opened = StateDirectory::open(directory.path()).expect("opens");
        let state = opened.load().expect("is read").expect("is there");
        let words = [8_589_934_595_u64, 4, 4_294_967_297, 2];
        let bytes = words.into_iter().flat_map(u64::to_le_bytes).collect();
        assert_eq!(state.checkpoint, Checkpoint(bytes));
        assert_eq!((state.produced, state.acked, state.refused), (9, 7, 1));
        opened.save(&state).expect("is written");
        assert_eq!(opened.load().expect("is read"), Some(state));
    }
}
