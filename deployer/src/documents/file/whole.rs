//! A file that is read.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use crate::error::CommandError;

use super::{End, FORMAT, Head, Last};

/// No document is longer.
const LONGEST_LINE: u64 = 256 << 20;
const LAST: &[u8] = br#"{"end":"#;
const CUT: &str = "is cut off: its last line is missing";
const DAMAGED: &str = "is damaged: its checksum does not fit";

/// A whole file: it was read to its end, and its checksum fits.
#[derive(Debug)]
pub struct Whole {
    /// What the first line says.
    pub head: Head,
    /// What the last line says.
    pub end: End,
    path: PathBuf,
    file: File,
}

impl Whole {
    /// Reads a file to its end.
    pub fn open(path: &Path) -> Result<Self, CommandError> {
        let file = File::open(path).map_err(|error| {
            CommandError::usage(format!("cannot read {}: {error}", path.display()))
        })?;
        let mut lines = Lines::of(&file).map_err(|error| unread(path, &error))?;
        // What is not packed at all, or not lines of JSON, is another file.
        let first = lines.next().ok().flatten().unwrap_or_default();
        let head: Head = serde_json::from_slice(&first)
            .map_err(|_| wrong(path, "is not a file that `deployer export` wrote"))?;
        let mut next = || lines.next().map_err(|error| unread(path, &error));
        if head.deployer_export > FORMAT {
            let words = format!(
                "has the format {}, and this deployer reads up to {FORMAT}",
                head.deployer_export
            );
            return Err(wrong(path, &words).hint("use the deployer that wrote it, or a newer one"));
        }
        let mut digest = Sha256::new_with_prefix(&first);
        let end = loop {
            let line = next()?.ok_or_else(|| wrong(path, CUT))?;
            if line.starts_with(LAST) {
                break serde_json::from_slice::<Last>(&line)
                    .map_err(|_| wrong(path, DAMAGED))?
                    .end;
            }
            digest.update(&line);
        };
        if hex::encode(digest.finalize()) != end.sha256 || next()?.is_some() {
            return Err(wrong(path, DAMAGED));
        }
        Ok(Self {
            head,
            end,
            path: path.into(),
            file,
        })
    }

    /// Reads the lines of documents again, each with its line break.
    pub fn documents(&self) -> Result<Documents<'_>, CommandError> {
        let failed = |error| unread(&self.path, &error);
        let mut lines = Lines::of(&self.file).map_err(failed)?;
        lines.next().map_err(failed)?;
        Ok(Documents { of: self, lines })
    }
}

/// The lines of documents, one by one.
pub struct Documents<'a> {
    of: &'a Whole,
    lines: Lines<'a>,
}

impl Iterator for Documents<'_> {
    type Item = Result<Vec<u8>, CommandError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.lines.next() {
            Ok(line) => line.filter(|line| !line.starts_with(LAST)).map(Ok),
            Err(error) => Some(Err(unread(&self.of.path, &error))),
        }
    }
}

struct Lines<'a>(BufReader<MultiGzDecoder<BufReader<&'a File>>>);

impl<'a> Lines<'a> {
    fn of(mut file: &'a File) -> io::Result<Self> {
        file.rewind()?;
        Ok(Self(BufReader::new(MultiGzDecoder::new(BufReader::new(
            file,
        )))))
    }

    /// A line with its break; `None`: there are no more.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.0).take(LONGEST_LINE);
        bounded.read_until(b'\n', &mut line)?;
        match line.last() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line)),
            Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn unread(path: &Path, error: &io::Error) -> CommandError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => wrong(path, CUT),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => wrong(path, DAMAGED),
        _ => CommandError::failed(format!("cannot read {}: {error}", path.display())),
    }
}

fn wrong(path: &Path, words: &str) -> CommandError {
    CommandError::usage(format!("{} {words}; nothing was imported", path.display()))
}
