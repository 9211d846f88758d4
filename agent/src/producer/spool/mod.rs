//! The spool: events on the disk, from the moment they are numbered until Kafka has confirmed them.
//!
//! It is a row of segment files, each named by the number (*ticket*) of its first record. Records are added at the end,
//! read once in their order to be sent, and go away a segment at a time when all of it is confirmed. Bytes that a crash
//! left half written at the end were never sent and are cut off; damage anywhere else is said aloud and kept aside.

mod reader;
mod record;
mod segment;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{SpoolSettings, SpoolSync};
use reader::Reader;
pub(crate) use record::{Place, Record};
use segment::Segment;

/// The least and the most bytes of a segment.
const SEGMENT: (u64, u64) = (64 << 10, 16 << 20);

/// Says what is wrong with the spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A file or the directory could not be used.
    #[error("{path}: cannot be {verb}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried, as in `read`.
        verb: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A record that was whole before is not any more.
    #[error("{path}: is damaged at byte {offset}; a restart keeps it aside and goes on")]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where.
        offset: u64,
    },
}

impl SpoolError {
    fn file(path: &Path, verb: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            path: path.to_owned(),
            verb,
            source,
        }
    }
}

/// The events of one producer on the disk.
#[derive(Debug)]
pub(super) struct Spool {
    directory: PathBuf,
    settings: SpoolSettings,
    /// The oldest first; the last one is written to.
    segments: VecDeque<Segment>,
    file: Arc<File>,
    end: u64,
    damaged: bool,
    reader: Reader,
    /// Records that are being written, and how many they are.
    buffer: Vec<u8>,
    added: u64,
}

impl Spool {
    /// Opens the spool in a directory, which is made where it is missing, and shows every record in it with its ticket.
    /// Records before the ticket `first` are confirmed.
    ///
    /// # Errors
    /// When the files cannot be read or written.
    pub(super) fn open(
        directory: &Path,
        settings: &SpoolSettings,
        first: u64,
        mut see: impl FnMut(u64, &Record<'_>),
    ) -> Result<Self, SpoolError> {
        std::fs::create_dir_all(directory).map_err(SpoolError::file(directory, "made"))?;
        let mut segments = VecDeque::new();
        let found = segment::list(directory)?;
        let (mut end, mut damaged) = (first, false);
        for (index, start) in found.iter().enumerate() {
            let next = found.get(index + 1).copied();
            let (segment, is_damaged) = Segment::open(directory, *start, next, &mut see)?;
            damaged |= is_damaged;
            end = end.max(segment.end());
            segments.push_back(segment);
        }
        // A new one where the last is not where the records end: in an empty directory, and after lost files.
        let last = match segments.back() {
            Some(last) if last.end() == end => last.file()?,
            _ => {
                let (segment, file) = Segment::create(directory, end)?;
                segments.push_back(segment);
                file
            }
        };
        let reader = Reader::open(&segments, first)?;
        let mut spool = Self {
            directory: directory.to_owned(),
            settings: settings.clone(),
            segments,
            file: Arc::new(last),
            end,
            damaged,
            reader,
            buffer: Vec::new(),
            added: 0,
        };
        spool.sync_directory()?;
        spool.rewind(first)?;
        Ok(spool)
    }

    /// Returns the ticket of the next record to be added.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Returns the ticket of the next record to be read.
    pub(super) fn position(&self) -> u64 {
        self.reader.ticket
    }

    /// Returns whether nothing was added yet after all that older segments hold.
    pub(super) fn ends_empty(&self) -> bool {
        self.segments.back().is_none_or(|last| last.records == 0)
    }

    /// Returns whether records were lost that may have been sent.
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Returns how many bytes all segments take.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Returns whether nothing may be added until something is confirmed, with so many bytes kept beside the spool.
    pub(super) fn is_full(&self, beside: u64) -> bool {
        self.bytes() + beside >= self.settings.bytes
    }

    /// Takes a record to be written with the next ones.
    pub(super) fn add(&mut self, record: &Record<'_>) {
        record.encode(&mut self.buffer);
        self.added += 1;
    }

    /// Writes the added records. They belong to the spool when what is returned was run, in whatever thread, and its
    /// outcome was told to [`Self::keep`].
    ///
    /// # Errors
    /// When they cannot be written; the spool is then as before, and the same records may be added again later.
    pub(super) fn write(
        &mut self,
    ) -> Result<impl FnOnce() -> io::Result<()> + Send + use<>, SpoolError> {
        if let Err(error) = self.rotate() {
            self.forget();
            return Err(error);
        }
        let start = self.segments.back().map_or(0, |last| last.bytes);
        if let Err(error) = self.file.write_all_at(&self.buffer, start) {
            return Err(self.undo(error));
        }
        let (file, sync) = (Arc::clone(&self.file), self.settings.sync);
        Ok(move || match sync {
            SpoolSync::Always => file.sync_data(),
            SpoolSync::Os => Ok(()),
        })
    }

    /// Takes what was written into the spool: it is as safe as the settings say.
    ///
    /// # Errors
    /// When it is not; the spool is then as before it was written.
    pub(super) fn keep(&mut self, synced: io::Result<()>) -> Result<(), SpoolError> {
        if let Err(error) = synced {
            return Err(self.undo(error));
        }
        if let Some(segment) = self.segments.back_mut() {
            let start = segment.bytes;
            segment.bytes += self.buffer.len() as u64;
            segment.records += self.added;
            self.end += self.added;
            self.reader.take_over(segment, start, &mut self.buffer);
        }
        self.forget();
        Ok(())
    }

    /// Removes what was written: what comes after a part of a record would never be found.
    fn undo(&mut self, error: io::Error) -> SpoolError {
        self.forget();
        let Some(segment) = self.segments.back() else {
            return SpoolError::file(&self.directory, "written")(error);
        };
        match self.file.set_len(segment.bytes) {
            Ok(()) => SpoolError::file(&segment.path, "written")(error),
            Err(error) => SpoolError::file(&segment.path, "cut")(error),
        }
    }

    fn forget(&mut self) {
        self.buffer.clear();
        self.added = 0;
    }

    /// Shows the next records with their tickets, up to a number of them, and about a megabyte. Returns how many.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) fn next(
        &mut self,
        most: usize,
        mut see: impl FnMut(u64, &Record<'_>),
    ) -> Result<usize, SpoolError> {
        let mut seen = 0;
        while seen == 0 && most > 0 && self.reader.ticket < self.end {
            let present = self.reader.segment;
            let mut segments = self.segments.iter();
            match segments.find(|segment| segment.first >= present) {
                Some(segment) if segment.first > present => self.reader = Reader::begin(segment)?,
                Some(segment) if self.reader.offset < segment.bytes => {
                    seen = self.reader.read(segment, most, &mut see)?;
                }
                _ => match segments.next() {
                    Some(next) => self.reader = Reader::begin(next)?,
                    None => break,
                },
            }
        }
        Ok(seen)
    }

    /// Reads again from a ticket on.
    ///
    /// # Errors
    /// When the records before it cannot be read.
    pub(super) fn rewind(&mut self, ticket: u64) -> Result<(), SpoolError> {
        self.reader = Reader::open(&self.segments, ticket)?;
        while self.reader.ticket < ticket {
            let before = usize::try_from(ticket - self.reader.ticket).unwrap_or(usize::MAX);
            if self.next(before, |_, _| {})? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Returns whether segments can go away when all records before a ticket are confirmed.
    pub(super) fn has_confirmed(&self, ticket: u64) -> bool {
        self.segments.len() > 1
            && self
                .segments
                .get(1)
                .is_some_and(|next| next.first <= ticket)
    }

    /// Removes the segments whose records are all before a ticket.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub(super) fn release(&mut self, ticket: u64) -> Result<(), SpoolError> {
        while self.has_confirmed(ticket) {
            if let Some(segment) = self.segments.front() {
                std::fs::remove_file(&segment.path)
                    .map_err(SpoolError::file(&segment.path, "removed"))?;
            }
            self.segments.pop_front();
        }
        Ok(())
    }

    /// Begins a new segment where the last one is large enough.
    fn rotate(&mut self) -> Result<(), SpoolError> {
        let limit = (self.settings.bytes / 8).clamp(SEGMENT.0, SEGMENT.1);
        if self.segments.back().is_none_or(|last| last.bytes < limit) {
            return Ok(());
        }
        let (segment, file) = Segment::create(&self.directory, self.end)?;
        self.segments.push_back(segment);
        self.file = Arc::new(file);
        self.sync_directory()
    }

    fn sync_directory(&self) -> Result<(), SpoolError> {
        let synced = File::open(&self.directory).and_then(|directory| directory.sync_all());
        synced.map_err(SpoolError::file(&self.directory, "written"))
    }
}

#[cfg(test)]
mod tests;
