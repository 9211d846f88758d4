//! A file in the making.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::error::CommandError;

use super::{End, Head, Last};

/// A file in the making: it has its name when it is whole, and is gone when it is dropped before.
pub struct Writing {
    path: PathBuf,
    packed: GzEncoder<BufWriter<NamedTempFile>>,
    digest: Sha256,
    documents: BTreeMap<String, u64>,
}

impl Writing {
    /// Begins a file, for the user alone; refuses a path where something is.
    pub fn begin(path: &Path) -> Result<Self, CommandError> {
        if path.symlink_metadata().is_ok() {
            return Err(taken(path));
        }
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let file = tempfile::Builder::new()
            .prefix(".deployer-export-")
            .tempfile_in(directory.unwrap_or(Path::new(".")))
            .map_err(|error| unwritten(path, &error))?;
        Ok(Self {
            path: path.into(),
            packed: GzEncoder::new(BufWriter::new(file), Compression::default()),
            digest: Sha256::new(),
            documents: BTreeMap::new(),
        })
    }

    /// Writes the first line.
    pub fn head(&mut self, head: &Head) -> Result<(), CommandError> {
        let empty = head.databases.iter().map(|name| (name.clone(), 0));
        self.documents = empty.collect();
        let line = serde_json::to_string(head)?;
        self.write(format!("{line}\n").as_bytes())
    }

    /// Writes so many lines of documents of a database.
    pub fn documents(
        &mut self,
        database: &str,
        lines: &[u8],
        count: u64,
    ) -> Result<(), CommandError> {
        *self.documents.entry(database.into()).or_default() += count;
        self.write(lines)
    }

    fn write(&mut self, lines: &[u8]) -> Result<(), CommandError> {
        self.digest.update(lines);
        let written = self.packed.write_all(lines);
        written.map_err(|error| unwritten(&self.path, &error))
    }

    /// Writes the last line, and gives the file its name. Returns what the line says, and the file's size.
    pub fn end(mut self) -> Result<(End, u64), CommandError> {
        let end = End {
            documents: self.documents,
            sha256: hex::encode(self.digest.finalize()),
        };
        let line = serde_json::to_string(&Last { end: end.clone() })?;
        let path = self.path;
        let finished = writeln!(self.packed, "{line}")
            .and_then(|()| self.packed.finish())
            .and_then(|buffer| buffer.into_inner().map_err(io::IntoInnerError::into_error))
            .and_then(|file| file.as_file().sync_all().map(|()| file));
        let file = finished.map_err(|error| unwritten(&path, &error))?;
        let kept = file.persist_noclobber(&path).map_err(|failed| {
            if failed.error.kind() == io::ErrorKind::AlreadyExists {
                taken(&path)
            } else {
                unwritten(&path, &failed.error)
            }
        })?;
        let size = kept.metadata().map_err(|error| unwritten(&path, &error))?;
        Ok((end, size.len()))
    }
}

fn taken(path: &Path) -> CommandError {
    CommandError::usage(format!(
        "{} is there already, and nothing is overwritten",
        path.display()
    ))
    .hint("name another file")
}

fn unwritten(path: &Path, error: &io::Error) -> CommandError {
    let failed = CommandError::failed(format!(
        "cannot write {}: {error}; nothing of it is kept",
        path.display()
    ));
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            failed.hint("make room there, or name a file on another disk")
        }
        _ => failed,
    }
}
