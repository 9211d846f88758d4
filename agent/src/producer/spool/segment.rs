//! A segment: one file of the spool.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::SpoolError;
use super::record::{self, Place, Record};

/// A segment's file and what is in it.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// The ticket of its first record.
    pub(super) first: u64,
    /// How many bytes its whole records take.
    pub(super) bytes: u64,
    /// How many records there are.
    pub(super) records: u64,
}

/// Returns the first tickets of a directory's segments, in their order.
pub(super) fn list(directory: &Path) -> Result<Vec<u64>, SpoolError> {
    let read = || -> io::Result<Vec<u64>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let name = entry?.file_name();
            let ticket = name
                .to_str()
                .and_then(|name| name.strip_suffix(".segment"))
                .and_then(|ticket| ticket.parse::<u64>().ok());
            found.extend(ticket);
        }
        found.sort_unstable();
        Ok(found)
    };
    read().map_err(SpoolError::file(directory, "read"))
}

impl Segment {
    /// Makes an empty segment.
    pub(super) fn create(directory: &Path, first: u64) -> Result<(Self, File), SpoolError> {
        let segment = Self {
            path: path(directory, first),
            first,
            bytes: 0,
            records: 0,
        };
        // What is there under this name is nothing: records end before it.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&segment.path);
        let file = file.map_err(SpoolError::file(&segment.path, "made"))?;
        Ok((segment, file))
    }

    /// Reads a segment and shows its records with their tickets; `next` is the ticket at which the segment after it begins.
    /// Returns it and whether it is damaged. Of the last segment a batch that is not whole is cut off: none of it was sent,
    /// and its source gives it again.
    pub(super) fn open(
        directory: &Path,
        first: u64,
        next: Option<u64>,
        see: &mut impl FnMut(u64, &Record<'_>),
    ) -> Result<(Self, bool), SpoolError> {
        let path = path(directory, first);
        let bytes = std::fs::read(&path).map_err(SpoolError::file(&path, "read"))?;
        let (mut rest, mut whole) = (&bytes[..], 0);
        let (mut records, mut batch) = (0, Vec::new());
        while let Some((record, size)) = Record::decode(rest) {
            rest = &rest[size..];
            batch.push(record);
            if record.place != Place::Within {
                show(&mut batch, first, &mut records, see);
                whole = bytes.len() - rest.len();
            }
        }
        if next.is_some() {
            show(&mut batch, first, &mut records, see);
            whole = bytes.len() - rest.len();
        }
        let segment = Self {
            path,
            first,
            bytes: whole as u64,
            records,
        };
        let is_whole = whole == bytes.len() && next.is_none_or(|next| next == segment.end());
        let is_damaged = !is_whole && segment.cut(rest, next)?;
        Ok((segment, is_damaged))
    }

    /// Returns the ticket after its last record.
    pub(super) fn end(&self) -> u64 {
        self.first + self.records
    }

    /// Opens the file to add records.
    pub(super) fn file(&self) -> Result<File, SpoolError> {
        let file = OpenOptions::new().read(true).write(true).open(&self.path);
        file.map_err(SpoolError::file(&self.path, "opened"))
    }

    /// Cuts off what is no record. At the end of the last segment a crash may leave a part of a write that was never
    /// reported; anything else is damage, of which a copy is kept. Returns whether it is damage.
    fn cut(&self, rest: &[u8], next: Option<u64>) -> Result<bool, SpoolError> {
        let is_torn = next.is_none() && !follows_whole_record(rest);
        if is_torn {
            tracing::info!(segment = %self.path.display(), bytes = rest.len(), "a write that a crash cut off is removed");
        } else {
            let copy = self.path.with_extension("damaged");
            std::fs::copy(&self.path, &copy).map_err(SpoolError::file(&copy, "written"))?;
            tracing::error!(
                segment = %self.path.display(),
                copy = %copy.display(),
                ticket = self.end(),
                records = next.map(|next| next.saturating_sub(self.end())),
                "the spool is damaged: events cannot be sent; a copy of the file is kept"
            );
        }
        let file = self.file()?;
        file.set_len(self.bytes)
            .and_then(|()| file.sync_all())
            .map_err(SpoolError::file(&self.path, "cut"))?;
        Ok(!is_torn)
    }
}

/// Shows the records of a batch.
fn show<'a>(
    batch: &mut Vec<Record<'a>>,
    first: u64,
    records: &mut u64,
    see: &mut impl FnMut(u64, &Record<'a>),
) {
    for record in batch.drain(..) {
        see(first + *records, &record);
        *records += 1;
    }
}

/// Returns whether, after one damaged record, another is whole: no crash leaves that.
fn follows_whole_record(bytes: &[u8]) -> bool {
    record::size(bytes)
        .and_then(|size| bytes.get(size..))
        .is_some_and(|after| Record::decode(after).is_some())
}

fn path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:020}.segment"))
}
