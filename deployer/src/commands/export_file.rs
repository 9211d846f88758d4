//! The file of `export`: gzip'd lines of JSON. The first says what it is, the last how many documents there are and the
//! checksum of all lines before it, so that a file that was cut or damaged is not taken for a whole one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Seek as _, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::error::CommandError;

/// The format that is written, and the newest that is read.
const FORMAT: u32 = 1;
/// No document is longer.
const LONGEST_LINE: u64 = 256 << 20;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Format of the file.
    pub deployer_export: u32,
    /// The deployment's name.
    pub deployment: String,
    /// Its id.
    pub id: String,
    /// When the export began.
    pub date: Timestamp,
    /// The databases, those without documents included.
    pub databases: Vec<String>,
}

impl Head {
    /// The head of a file that begins now.
    pub fn new(deployment: &str, id: &str, databases: Vec<String>) -> Self {
        Self {
            deployer_export: FORMAT,
            deployment: deployment.into(),
            id: id.into(),
            date: Timestamp::now(),
            databases,
        }
    }
}

/// The last line: `{"end": …}`. No document's line begins so.
#[derive(Debug, Serialize, Deserialize)]
struct Last {
    end: End,
}

/// What the last line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Database → its documents.
    pub documents: BTreeMap<String, u64>,
    /// SHA-256 of all lines before, in hex.
    pub sha256: String,
}

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

const LAST: &[u8] = br#"{"end":"#;
const CUT: &str = "is cut off: its last line is missing";
const DAMAGED: &str = "is damaged: its checksum does not fit";

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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const LINES: &str = "{\"database\":\"a\",\"id\":\"1\",\"body\":{}}\n{\"database\":\"a\",\"id\":\"2\",\"body\":{\"x\":1}}\n";

    fn write(path: &Path) -> End {
        let mut file = Writing::begin(path).expect("begun");
        let databases = vec!["a".to_owned(), "empty".to_owned()];
        file.head(&Head::new("d", "0a1b", databases)).expect("head");
        file.documents("a", LINES.as_bytes(), 2).expect("lines");
        file.end().expect("ended").0
    }

    fn refused(path: &Path) -> String {
        Whole::open(path).expect_err("refused").block()
    }

    #[test]
    fn what_was_written_is_read_again() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("documents.gz");
        let end = write(&path);
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let whole = Whole::open(&path).expect("whole");
        assert_eq!((&whole.end, whole.head.deployment.as_str()), (&end, "d"));
        let documents = [("a".to_owned(), 2), ("empty".to_owned(), 0)];
        assert_eq!(end.documents, documents.into());
        let lines: Vec<Vec<u8>> = whole
            .documents()
            .expect("lines")
            .map(|line| line.expect("a line"))
            .collect();
        assert_eq!(lines.concat(), LINES.as_bytes());
        // Nothing is overwritten, and nothing of a file that was not ended is left.
        let again = Writing::begin(&path).err().expect("refused");
        assert_eq!(again.exit_code(), 64);
        drop(Writing::begin(&directory.path().join("other")));
        assert_eq!(fs::read_dir(directory.path()).expect("files").count(), 1);
        let nowhere = Writing::begin(&directory.path().join("none/file")).err();
        assert!(nowhere.expect("refused").block().contains("cannot write"));
    }

    #[test]
    fn a_file_that_is_not_whole_is_refused() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("documents.gz");
        write(&path);
        let bytes = fs::read(&path).expect("bytes");
        let text = {
            let mut text = String::new();
            let mut unpacked = MultiGzDecoder::new(bytes.as_slice());
            unpacked.read_to_string(&mut text).expect("text");
            text
        };
        let packed = |text: &str| {
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(text.as_bytes()).expect("packed");
            packed.finish().expect("packed")
        };
        let without_last = &text[..text.find("{\"end\"").expect("a last line")];
        let changed = text.replace("\"x\":1", "\"x\":2");
        let newer = text.replacen("\"deployer_export\":1", "\"deployer_export\":2", 1);
        for (bytes, words) in [
            (bytes[..bytes.len() - 20].to_vec(), "is cut off"),
            (packed(without_last), "is cut off"),
            (packed(&changed), "is damaged"),
            (packed(&format!("{text}{text}")), "is damaged"),
            (packed(&newer), "has the format 2"),
            (packed("{}\n"), "is not a file that `deployer export` wrote"),
            (
                b"plain".to_vec(),
                "is not a file that `deployer export` wrote",
            ),
            (Vec::new(), "is not a file that `deployer export` wrote"),
        ] {
            fs::write(&path, bytes).expect("written");
            let said = refused(&path);
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(refused(&directory.path().join("none")).contains("cannot read"));
    }
}
