//! What an alert knows, in one file that is written whole and synced: nothing of it is lost with the process.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::windows::Windows;
use crate::mail::Mail;

/// The file's name.
const NAME: &str = "state.json";

/// What an alert knows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    /// Whose it is.
    title: String,
    /// The mark of the settings by which a mail of trial was sent.
    pub(super) tested: Option<String>,
    /// Epoch and partition → the offset from which on nothing is taken in.
    pub(super) offsets: BTreeMap<String, i64>,
    pub(super) windows: Windows,
    /// The mail that is to be sent.
    pub(super) due: Option<Due>,
    /// When a relay took the last one.
    pub(super) last_mail: Option<Timestamp>,
    /// Why one was not taken; nothing once one is.
    pub(super) last_error: Option<String>,
}

/// A mail, and who does not have it yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Due {
    pub(super) mail: Mail,
    pub(super) left: Vec<String>,
}

/// A state and its file.
#[derive(Debug)]
pub(super) struct Kept {
    directory: PathBuf,
    state: State,
}

impl Kept {
    /// Reads it, or begins.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(NAME);
        let state = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                let problem = format!("{} is not understood: {error}", path.display());
                io::Error::new(ErrorKind::InvalidData, problem)
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => State::default(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            directory: directory.to_owned(),
            state,
        })
    }

    /// Begins the clocks of which nothing is on the disk.
    pub(super) fn begin(&mut self, title: &str, now: i64) {
        title.clone_into(&mut self.state.title);
        self.state.windows.begin(now);
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Changes it, on the disk first: what fails has changed nothing.
    pub(super) fn change<T>(&mut self, change: impl FnOnce(&mut State) -> T) -> io::Result<T> {
        let mut state = self.state.clone();
        let made = change(&mut state);
        self.write(&state)?;
        self.state = state;
        Ok(made)
    }

    fn write(&self, state: &State) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let new = self.directory.join(format!("{NAME}.new"));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(&new)?;
        file.write_all(&serde_json::to_vec(state)?)?;
        file.sync_all()?;
        fs::rename(&new, self.directory.join(NAME))?;
        File::open(&self.directory)?.sync_all()
    }
}
