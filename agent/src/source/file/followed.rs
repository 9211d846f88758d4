//! A file that is read, and how far.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::super::lines::Lines;
use super::super::position::Position;

/// How long a renamed file must be quiet before its last line needs no end, and before it may be let go.
const QUIET: Duration = Duration::from_secs(10);

/// What a file that is read is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    /// It has the name.
    Present,
    /// It had the name; when it is over, it grows no more, so its last line needs no end.
    Renamed { is_over: bool },
}

/// The lines of a file.
pub(super) type FileLines = Lines<tokio::fs::File>;

/// A file that is read.
pub(super) struct Followed {
    pub(super) file: File,
    /// What of it is at hand, where it is not read to its end.
    pub(super) lines: Option<FileLines>,
    pub(super) path: PathBuf,
    pub(super) position: Position,
    /// Its length when it was last looked at, and since when it has it.
    length: u64,
    since: Instant,
    /// Whether it was said that it holds NUL bytes.
    pub(super) is_told: bool,
}

impl Followed {
    /// Reads it from a place on.
    pub(super) fn new(file: File, path: &Path, position: Position) -> Self {
        Self {
            file,
            lines: None,
            path: path.to_owned(),
            position,
            length: 0,
            since: Instant::now(),
            is_told: false,
        }
    }

    /// Returns whether the file has not grown for a time.
    pub(super) fn is_quiet(&mut self) -> bool {
        let length = self.file.metadata().map_or(0, |metadata| metadata.len());
        if length != self.length {
            (self.length, self.since) = (length, Instant::now());
        }
        self.since.elapsed() >= QUIET
    }

    /// Returns whether it has no name any more.
    pub(super) fn is_deleted(&self) -> bool {
        self.file
            .metadata()
            .is_ok_and(|metadata| metadata.nlink() == 0)
    }
}
