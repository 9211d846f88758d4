//! The cache: a directory on the operator's box. A file is in it whole and verified, or not at all.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{ArtifactError, Progress, file_error, off_thread};
use crate::retry::Retry;

/// How long another process may take to fetch the same artifact.
const TIMEOUT: Duration = Duration::from_mins(15);
/// How often the lock is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(100);

/// A directory of fetched artifacts. Each lies beside a `.sha256` file, in the format of `sha256sum`.
#[derive(Debug, Clone)]
pub struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// A cache in this directory, which is made when it is first needed.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether there is a file of this name, damaged or not.
    pub fn has(&self, name: &str) -> bool {
        self.directory.join(name).is_file()
    }

    /// Gives the path of a file that is there and whole; `None` when it is missing or damaged.
    pub async fn find(&self, name: &str) -> Result<Option<PathBuf>, ArtifactError> {
        let file = self.directory.join(name);
        let record = self.record(name);
        off_thread(name, move || {
            if !file.is_file() || !record.is_file() {
                return Ok(None);
            }
            let recorded = std::fs::read_to_string(&record).map_err(file_error("read", record))?;
            let whole = recorded.split_whitespace().next() == Some(&sha256_of(&file)?);
            Ok(whole.then_some(file))
        })
        .await
    }

    /// Claims the right to fetch `what`, waiting for another process that does.
    pub async fn claim(
        &self,
        what: &str,
        progress: Progress<'_>,
    ) -> Result<Claim<'_>, ArtifactError> {
        std::fs::create_dir_all(&self.directory).map_err(file_error("create", &self.directory))?;
        let path = self.directory.join(format!("{what}.lock"));
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(file_error("open", &path))?;
        let mut retry = Retry::every(LOOK).within(TIMEOUT);
        let mut told = false;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(std::fs::TryLockError::Error(source)) => {
                    return Err(file_error("lock", path)(source));
                }
                Err(std::fs::TryLockError::WouldBlock) if retry.is_over() => {
                    return Err(ArtifactError::Busy {
                        what: what.into(),
                        seconds: TIMEOUT.as_secs(),
                        lock: path,
                    });
                }
                Err(std::fs::TryLockError::WouldBlock) => {
                    if !told {
                        progress(&format!("waiting for another process that fetches {what}"));
                        told = true;
                    }
                    retry.pause().await;
                }
            }
        }
        let work = self.directory.join(format!("{what}.work"));
        Ok(Claim {
            cache: self,
            work,
            _lock: lock,
        })
    }

    fn record(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.sha256"))
    }
}

/// The right of one process to fetch one artifact. What lies in its workplace is gone when the claim is given up.
#[derive(Debug)]
pub struct Claim<'a> {
    cache: &'a Cache,
    work: PathBuf,
    _lock: File,
}

impl Claim<'_> {
    /// Makes an empty directory to work in, on the cache's file system.
    pub fn workplace(&self) -> Result<PathBuf, ArtifactError> {
        remove_if_there(&self.work)?;
        std::fs::create_dir(&self.work).map_err(file_error("create", &self.work))?;
        Ok(self.work.clone())
    }

    /// Moves a finished file into the cache and gives its path there.
    pub async fn keep(&self, made: PathBuf, name: &str) -> Result<PathBuf, ArtifactError> {
        let file = self.cache.directory.join(name);
        let record = self.cache.record(name);
        let line_of = name.to_owned();
        let new_record = self.work.join("record");
        let kept = file.clone();
        off_thread(name, move || {
            let line = format!("{}  {line_of}\n", sha256_of(&made)?);
            std::fs::write(&new_record, line).map_err(file_error("write", &new_record))?;
            for path in [&made, &new_record] {
                File::open(path)
                    .and_then(|file| file.sync_all())
                    .map_err(file_error("write", path))?;
            }
            // The record first: a crash in between leaves a file that does not match it, and so is fetched again.
            std::fs::rename(&new_record, &record).map_err(file_error("write", record))?;
            std::fs::rename(&made, &file).map_err(file_error("write", file))
        })
        .await?;
        Ok(kept)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next claim, which says so if it fails.
        drop(remove_if_there(&self.work));
    }
}

fn remove_if_there(directory: &Path) -> Result<(), ArtifactError> {
    match std::fs::remove_dir_all(directory) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(file_error("remove", directory)(source))
        }
        _ => Ok(()),
    }
}

/// SHA-256 of a file, in lower-case hex.
pub fn sha256_of(path: &Path) -> Result<String, ArtifactError> {
    digest_of::<Sha256>(path)
}

/// A digest of a file, in lower-case hex.
pub(super) fn digest_of<D: Digest>(path: &Path) -> Result<String, ArtifactError> {
    let mut file = File::open(path).map_err(file_error("read", path))?;
    let mut digest = D::new();
    let mut block = vec![0; 1 << 18];
    loop {
        let length = file.read(&mut block).map_err(file_error("read", path))?;
        if length == 0 {
            return Ok(hex::encode(digest.finalize()));
        }
        digest.update(&block[..length]);
    }
}
