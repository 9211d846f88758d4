//! The lines of a file that grows, followed through rotation, and from where an earlier process was.
//!
//! A line counts when its end is there. The mark of an event is the file's identity and the offset after its line, so a
//! restart goes on exactly there, in a file that was renamed meanwhile as well. A file that was cut is read from its
//! beginning.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::SeekFrom;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, BufReader};
use tokio::sync::mpsc;

use super::lines;
use crate::event::{Payload, Taken};

/// How long to wait at the end of the file before looking again.
const WAIT: Duration = Duration::from_millis(100);
/// How long a renamed file may still grow: its writer opens the new one in its own time.
const LINGER: Duration = Duration::from_secs(1);
/// How many bytes are read at once.
const BUFFER: usize = 256 * 1024;

/// Sends the lines of a file, from a mark on, until nobody listens.
pub async fn run(path: PathBuf, mark: [u64; 2], batches: mpsc::Sender<Vec<Taken>>) {
    let mut follower = Follower {
        path,
        mark,
        batches,
    };
    let mut trouble = None;
    while !follower.batches.is_closed() {
        let outcome = follower.follow().await;
        let now = outcome.err().map(|error| error.to_string());
        match &now {
            Some(error) if now != trouble => {
                tracing::warn!(path = %follower.path.display(), error, "the file cannot be read; it is tried again");
            }
            _ => {}
        }
        trouble = now;
        tokio::select! {
            () = follower.batches.closed() => {}
            () = tokio::time::sleep(WAIT) => {}
        }
    }
}

struct Follower {
    path: PathBuf,
    mark: [u64; 2],
    batches: mpsc::Sender<Vec<Taken>>,
}

impl Follower {
    /// Reads what there is: the rest of a file that was renamed, those that came after it, then the file itself.
    async fn follow(&mut self) -> std::io::Result<()> {
        for unread in unread(&self.path, self.mark[0])? {
            let is_over =
                unread.path != self.path && unread.modified.elapsed().is_ok_and(|age| age > LINGER);
            self.read(&unread, is_over).await?;
            if !is_over {
                break;
            }
        }
        Ok(())
    }

    /// Reads a file to its present end; one that is `over` grows no more, so its last line needs no end.
    async fn read(&mut self, unread: &Unread, over: bool) -> std::io::Result<()> {
        let file = File::open(&unread.path).await?;
        let metadata = file.metadata().await?;
        if identity(&metadata) != unread.identity {
            // Renamed at this moment: the next look finds it again.
            return Ok(());
        }
        if self.mark[0] != unread.identity {
            self.mark = [unread.identity, 0];
        } else if metadata.len() < self.mark[1] {
            tracing::warn!(path = %unread.path.display(), "the file was cut; it is read from its beginning");
            self.mark[1] = 0;
        }
        let mut input = BufReader::with_capacity(BUFFER, file);
        input.seek(SeekFrom::Start(self.mark[1])).await?;
        loop {
            let mut batch = Vec::new();
            let lines = lines::read(&mut input).await?;
            let at = Timestamp::now();
            for line in lines {
                if !(line.has_end || line.bytes == lines::MAX_LINE as u64 || over) {
                    break;
                }
                self.mark[1] += line.bytes;
                batch.push(Taken {
                    at,
                    payload: Payload::Line { line: line.text },
                    mark: self.mark,
                });
            }
            if batch.is_empty() || self.batches.send(batch).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// A file with lines that may be unread.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Unread {
    modified: SystemTime,
    identity: u64,
    path: PathBuf,
}

impl Unread {
    fn new(path: PathBuf, metadata: &std::fs::Metadata) -> std::io::Result<Self> {
        Ok(Self {
            modified: metadata.modified()?,
            identity: identity(metadata),
            path,
        })
    }
}

/// Returns the files that hold unread lines, the oldest first: the one with this identity, those that are newer, and
/// last the file itself.
fn unread(path: &Path, mark: u64) -> std::io::Result<Vec<Unread>> {
    let present = match std::fs::metadata(path) {
        Ok(metadata) => Some(Unread::new(path.to_owned(), &metadata)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let is_known = |present: &Unread| mark == 0 || present.identity == mark;
    if present.as_ref().is_some_and(is_known) {
        return Ok(present.into_iter().collect());
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(present.into_iter().collect());
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let other = entry.file_name();
        let is_rotated = other
            .as_encoded_bytes()
            .starts_with(name.as_encoded_bytes());
        let metadata = entry.metadata()?;
        if is_rotated && other != name && metadata.is_file() {
            files.push(Unread::new(entry.path(), &metadata)?);
        }
    }
    files.sort();
    match files.iter().position(|file| file.identity == mark) {
        Some(first) => drop(files.drain(..first)),
        None => files.clear(),
    }
    if files.is_empty() && mark != 0 && present.is_some() {
        tracing::warn!(path = %path.display(), "the file that was read last is gone; lines at its end may be unread");
    }
    files.extend(present);
    Ok(files)
}

/// Returns a number that tells a file from others, also from a later one in its place on the disk.
fn identity(metadata: &std::fs::Metadata) -> u64 {
    let mut hasher = DefaultHasher::new();
    // Not every file system knows when a file was made.
    let made = metadata.created().ok();
    (metadata.dev(), metadata.ino(), made).hash(&mut hasher);
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;

    struct Reading {
        receiver: mpsc::Receiver<Vec<Taken>>,
        mark: [u64; 2],
    }

    fn start(path: &Path, mark: [u64; 2]) -> Reading {
        let (sender, receiver) = mpsc::channel(4);
        tokio::spawn(run(path.to_owned(), mark, sender));
        Reading { receiver, mark }
    }

    impl Reading {
        /// Expects these lines and nothing else before them.
        async fn expect(&mut self, expected: &[&str]) {
            let mut found = Vec::new();
            while found.len() < expected.len() {
                for taken in self.receiver.recv().await.expect("lines") {
                    let Payload::Line { line } = taken.payload else {
                        panic!("not a line")
                    };
                    self.mark = taken.mark;
                    found.push(line);
                }
            }
            assert_eq!(found, expected);
        }
    }

    fn write(path: &Path, text: &str) {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .expect("opens");
        file.write_all(text.as_bytes()).expect("is written");
    }

    #[tokio::test]
    async fn lines_are_followed_through_rotation_and_cutting() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        let mut reading = start(&path, [0; 2]);
        write(&path, "a\nb\r\nhalf");
        reading.expect(&["a", "b"]).await;
        write(&path, " whole\n");
        reading.expect(&["half whole"]).await;
        write(&path, "last, without an end");
        std::fs::rename(&path, directory.path().join("log.1")).expect("is renamed");
        write(&path, "new\n");
        reading.expect(&["last, without an end", "new"]).await;
        std::fs::write(&path, "cut\n").expect("is cut and written");
        // Shorter than what was read, or this could not be told.
        std::fs::write(&path, "c\n").expect("is cut and written");
        reading.expect(&["c"]).await;
    }

    #[tokio::test]
    async fn a_restart_goes_on_where_it_was_also_two_rotations_later() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        write(&path, "a\nb\n");
        let mut reading = start(&path, [0; 2]);
        reading.expect(&["a", "b"]).await;
        let mark = reading.mark;
        drop(reading);
        write(&path, "c\n");
        let mut reading = start(&path, mark);
        reading.expect(&["c"]).await;
        let mark = reading.mark;
        drop(reading);
        write(&path, "d\n");
        for number in [2, 1] {
            std::fs::rename(&path, directory.path().join(format!("log.{number}")))
                .expect("is renamed");
            // The order of rotated files is that of their times.
            std::thread::sleep(Duration::from_millis(20));
            write(&path, &format!("after {number}\n"));
        }
        let mut reading = start(&path, mark);
        reading.expect(&["d", "after 2", "after 1"]).await;
    }
}
