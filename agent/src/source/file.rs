//! The lines of a file that grows, followed through rotation, and from where an earlier process was.
//!
//! A line counts when its end is there. A checkpoint is a [`Position`] in every file that is read: a restart goes on exactly
//! there, whatever their names are now. A file that was renamed is read on beside the new one, because its
//! writer opens that one in its own time; it is let go when it is deleted, or [`FOLLOWED`] newer ones are there. A file
//! that was cut is read from its beginning, and what it held unread is looked for in the copy that was made of it.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::io::{AsyncSeekExt, BufReader};
use tokio::time::Instant;

use super::lines::{End, Line, Lines, Nuls};
use super::position::{self, Position};
use super::rotation::{Kin, kin};
use super::{Batch, Checkpoint, Source, Start, Troubles};
use crate::config::error::ConfigError;
use crate::event::{Payload, Taken};

/// How long to wait at the end of the file before looking again.
const WAIT: Duration = Duration::from_millis(100);
/// How long a renamed file must be quiet before its last line needs no end, and before it may be let go.
const QUIET: Duration = Duration::from_secs(10);
/// How many renamed files are read on.
const FOLLOWED: usize = 8;
/// How many bytes are read at once.
const BUFFER: usize = 256 * 1024;

/// Which file it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    path: PathBuf,
}

impl super::Settings for Settings {
    fn check(&self) -> Result<(), (String, String)> {
        if self.path.is_absolute() {
            return Ok(());
        }
        Err((
            "source.path".to_owned(),
            "must be the file's absolute path".to_owned(),
        ))
    }

    fn check_files(&self) -> Result<(), ConfigError> {
        let refuse = |problem: String| ConfigError::File {
            key: "source.path",
            path: self.path.display().to_string(),
            problem,
        };
        match File::open(&self.path).and_then(|file| file.metadata()) {
            Ok(metadata) if metadata.is_dir() => {
                Err(refuse("is a directory; name a file in it".to_owned()))
            }
            Ok(_) => Ok(()),
            // Its writer makes it later, and it is waited for.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(refuse(format!("cannot be read: {error}"))),
        }
    }

    fn identity(&self, count: u64) -> String {
        // With the values that keys of other kinds had: so producers up to e66db31 wrote it.
        format!("File {count} 1000 false{}", self.path.display())
    }

    fn open(&self, start: Start) -> Box<dyn Source> {
        Box::new(Follower {
            path: self.path.clone(),
            marks: Position::all_of(&start.checkpoint),
            renamed: Vec::new(),
            present: None,
            troubles: start.troubles,
            trouble: None,
        })
    }
}

struct Follower {
    path: PathBuf,
    /// Where an earlier process was, until a file is there; the last is the latest.
    marks: Vec<Position>,
    /// Files that were renamed and may still grow, the oldest first.
    renamed: Vec<Followed>,
    present: Option<Followed>,
    troubles: Troubles,
    /// Why the file cannot be read at present.
    trouble: Option<String>,
}

impl Source for Follower {
    fn next(&mut self) -> BoxFuture<'_, Option<Batch>> {
        Box::pin(async move {
            let (events, trouble) = match self.follow().await {
                Ok(events) => (events, None),
                Err(error) => (Vec::new(), Some(error.to_string())),
            };
            if let Some(error) = &trouble
                && trouble != self.trouble
            {
                tracing::warn!(path = %self.path.display(), error, "the file cannot be read; it is tried again");
            }
            self.trouble = trouble;
            if events.is_empty() {
                tokio::time::sleep(WAIT).await;
                return Some(Batch::default());
            }
            Some(Batch {
                events,
                checkpoint: self.checkpoint(),
            })
        })
    }
}

impl Follower {
    /// Where it is in all files that are read, the latest last.
    fn checkpoint(&self) -> Checkpoint {
        let files = self.renamed.iter().chain(&self.present);
        let read = files.filter(|file| file.position.offset > 0);
        Position::checkpoint(read.map(|file| file.position))
    }

    /// Reads what comes next: of files that were renamed, of those that came after them, then of the file itself.
    async fn follow(&mut self) -> std::io::Result<Vec<Taken>> {
        let events = self.read_renamed().await;
        if !events.is_empty() {
            return Ok(events);
        }
        let metadata = match std::fs::metadata(&self.path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let is_open = match (&self.present, metadata) {
            (Some(present), Some(metadata)) => is_same(&present.file.metadata()?, &metadata),
            // Renamed, and the new one is not there yet.
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => self.marks.is_empty(),
        };
        if !is_open {
            // To its end before the first line of the next one.
            let events = self.read_present().await?;
            if !events.is_empty() {
                return Ok(events);
            }
            self.open()?;
            let events = self.read_renamed().await;
            if !events.is_empty() {
                return Ok(events);
            }
        }
        self.read_present().await
    }

    /// Opens the file that has the name now, and those between it and the last one.
    fn open(&mut self) -> std::io::Result<()> {
        let mut found = siblings(&self.path)?;
        let present = found.iter().position(|sibling| sibling.kin == Kin::Itself);
        let present = present.map(|place| found.remove(place));
        // What a link is called today.
        found.retain(|sibling| {
            let present = present.as_ref();
            present.is_none_or(|present| !is_same(&present.metadata, &sibling.metadata))
        });
        // Files are told apart by what is open: nothing else has their numbers meanwhile.
        let mut open: Vec<Followed> = std::mem::take(&mut self.renamed);
        open.extend(self.present.take());
        let last = if open.is_empty() {
            self.find_again(present.as_ref(), &found, &mut open)?
        } else {
            let last = open.last().map(|last| last.file.metadata()).transpose()?;
            last.and_then(|last| age(&last))
        };
        let read = open
            .iter()
            .position(|open| present.as_ref().is_some_and(|present| present.is(open)));
        if let Some(place) = read {
            self.present = Some(open.remove(place));
            self.renamed = open;
            return Ok(());
        }
        // Those that came between the last one that was read and the present one.
        let came_after = |sibling: &&Sibling| {
            sibling.kin == Kin::Rotated && last.is_some_and(|last| sibling.age >= last)
        };
        let is_new =
            |sibling: &&Sibling, open: &[Followed]| !open.iter().any(|open| sibling.is(open));
        for sibling in found.iter().filter(came_after) {
            if is_new(&sibling, &open) {
                open.extend(sibling.begin()?);
            }
        }
        self.renamed = open;
        if let Some(present) = present {
            self.present = present.begin()?;
        }
        Ok(())
    }

    /// Opens the files that an earlier process read, where it was in them. Returns the age of the last of them.
    fn find_again(
        &mut self,
        present: Option<&Sibling>,
        found: &[Sibling],
        open: &mut Vec<Followed>,
    ) -> std::io::Result<Option<SystemTime>> {
        let mut last = None;
        let marks = std::mem::take(&mut self.marks);
        for (number, mark) in marks.iter().enumerate() {
            let candidates = found.iter().chain(present);
            let candidates: Vec<&Sibling> = candidates
                .filter(|sibling| !open.iter().any(|open| sibling.is(open)))
                .collect();
            let is_latest = number + 1 == marks.len();
            match find(*mark, &candidates)? {
                Some(Found { sibling, followed }) => {
                    last = is_latest.then_some(sibling.age);
                    open.push(followed);
                }
                None if is_latest => {
                    self.troubles.count("files_gone", 1);
                    tracing::warn!(path = %self.path.display(), "the file that was read last is gone; lines at its end may be unread");
                }
                None => {}
            }
        }
        Ok(last)
    }

    async fn read_renamed(&mut self) -> Vec<Taken> {
        let mut number = 0;
        while number < self.renamed.len() {
            let is_surplus = number == 0 && self.renamed.len() > FOLLOWED;
            let mut followed = self.renamed.remove(number);
            let is_over = followed.is_quiet() || is_surplus;
            match self.read(&mut followed, Is::Renamed { is_over }).await {
                Ok(events) if !events.is_empty() => {
                    self.renamed.insert(number, followed);
                    return events;
                }
                Ok(_) if is_surplus || is_over && followed.is_deleted() => {}
                Ok(_) => {
                    self.renamed.insert(number, followed);
                    number += 1;
                }
                Err(error) => {
                    tracing::warn!(path = %followed.path.display(), %error, "a file that was renamed cannot be read any more");
                }
            }
        }
        Vec::new()
    }

    async fn read_present(&mut self) -> std::io::Result<Vec<Taken>> {
        let Some(mut present) = self.present.take() else {
            return Ok(Vec::new());
        };
        let outcome = self.read(&mut present, Is::Present).await;
        self.present = Some(present);
        outcome
    }

    /// Reads on in a file; nothing is its present end.
    async fn read(&mut self, followed: &mut Followed, is: Is) -> std::io::Result<Vec<Taken>> {
        let mut lines = match followed.lines.take() {
            Some(lines) => lines,
            None => match self.begin(followed, is).await? {
                Some(lines) => lines,
                None => return Ok(Vec::new()),
            },
        };
        loop {
            let read = lines.read().await?;
            let is_end =
                read.is_empty() || read.last().is_some_and(|last| last.end == End::Nothing);
            let events = self.take(followed, read, is)?;
            if is_end {
                return Ok(events);
            }
            if !events.is_empty() {
                followed.lines = Some(lines);
                return Ok(events);
            }
        }
    }

    /// Begins to read where the place is, if there is more.
    async fn begin(
        &mut self,
        followed: &mut Followed,
        is: Is,
    ) -> std::io::Result<Option<FileLines>> {
        let length = followed.file.metadata()?.len();
        if length == followed.position.offset {
            return Ok(None);
        }
        let is_cut =
            length < followed.position.offset || !followed.position.is_begun_in(&followed.file)?;
        if is_cut && self.restart(followed, is)? {
            return Ok(None);
        }
        let file = tokio::fs::File::from_std(followed.file.try_clone()?);
        let mut input = BufReader::with_capacity(BUFFER, file);
        let start = SeekFrom::Start(followed.position.offset);
        input.seek(start).await?;
        Ok(Some(Lines::new(input, Nuls::Skipped)))
    }

    /// Makes events of lines, and notes how far they reach.
    fn take(
        &mut self,
        followed: &mut Followed,
        lines: Vec<Line>,
        is: Is,
    ) -> std::io::Result<Vec<Taken>> {
        let at = Timestamp::now();
        // Read after the lines: they are in it.
        let head = position::head(&followed.file)?;
        let position = &mut followed.position;
        let mut batch = Vec::with_capacity(lines.len());
        let (mut nuls, mut long) = (0, 0);
        for line in lines {
            if line.end == End::Nothing && is != (Is::Renamed { is_over: true }) {
                break;
            }
            position.go_to(position.offset + line.bytes, &head);
            nuls += line.nuls;
            if line.is_hole() {
                continue;
            }
            long += u64::from(line.end == End::More);
            batch.push(Taken {
                at,
                payload: Payload::Line { line: line.text },
            });
        }
        if !batch.is_empty() {
            position.look_back(&followed.file)?;
        }
        self.troubles.long_lines(long);
        if nuls > 0 {
            self.troubles.count("nul_bytes", nuls);
            if !std::mem::replace(&mut followed.is_told, true) {
                tracing::warn!(path = %followed.path.display(), "the file holds NUL bytes where nobody wrote; they are skipped");
            }
        }
        Ok(batch)
    }

    /// Begins a file anew that was cut or written over. What it held unread may be in a copy: then that is read first, and
    /// this returns true.
    fn restart(&mut self, followed: &mut Followed, is: Is) -> std::io::Result<bool> {
        self.troubles.count("files_cut", 1);
        let position = followed.position;
        (followed.position, followed.is_told) = (Position::start(position.id), false);
        let copied = match is {
            Is::Present => {
                let siblings = siblings(&self.path)?;
                let is_new = |sibling: &&Sibling| {
                    sibling.kin == Kin::Rotated
                        && !self.renamed.iter().any(|renamed| sibling.is(renamed))
                };
                copy(
                    position,
                    &siblings.iter().filter(is_new).collect::<Vec<_>>(),
                )?
                .map(|found| found.followed)
            }
            Is::Renamed { .. } => None,
        };
        let path = followed.path.display();
        let Some(copied) = copied else {
            tracing::warn!(%path, "the file was cut; it is read from its beginning, and lines at its former end may be unread");
            return Ok(false);
        };
        tracing::info!(%path, copy = %copied.path.display(), "the file was cut after it was copied; the copy is read to its end");
        self.renamed.push(copied);
        Ok(true)
    }
}

/// What a file that is read is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    /// It has the name.
    Present,
    /// It had the name; when it is over, it grows no more, so its last line needs no end.
    Renamed { is_over: bool },
}

/// The lines of a file.
type FileLines = Lines<tokio::fs::File>;

/// A file that is read.
struct Followed {
    file: File,
    /// What of it is at hand, where it is not read to its end.
    lines: Option<FileLines>,
    path: PathBuf,
    position: Position,
    /// Its length when it was last looked at, and since when it has it.
    length: u64,
    since: Instant,
    /// Whether it was said that it holds NUL bytes.
    is_told: bool,
}

impl Followed {
    fn new(file: File, path: &Path, position: Position) -> Self {
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
    fn is_quiet(&mut self) -> bool {
        let length = self.file.metadata().map_or(0, |metadata| metadata.len());
        if length != self.length {
            (self.length, self.since) = (length, Instant::now());
        }
        self.since.elapsed() >= QUIET
    }

    fn is_deleted(&self) -> bool {
        self.file
            .metadata()
            .is_ok_and(|metadata| metadata.nlink() == 0)
    }
}

/// A file in the directory of the followed one.
struct Sibling {
    path: PathBuf,
    metadata: Metadata,
    kin: Kin,
    age: SystemTime,
}

impl Sibling {
    fn is(&self, followed: &Followed) -> bool {
        let open = followed.file.metadata();
        open.is_ok_and(|open| is_same(&open, &self.metadata))
    }

    /// Opens it, unless another has its name by now.
    fn open(&self) -> std::io::Result<Option<File>> {
        match File::open(&self.path) {
            Ok(file) => Ok(is_same(&file.metadata()?, &self.metadata).then_some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens it at its beginning.
    fn begin(&self) -> std::io::Result<Option<Followed>> {
        let start = Position::start(position::id(&self.metadata));
        Ok(self
            .open()?
            .map(|file| Followed::new(file, &self.path, start)))
    }
}

fn is_same(left: &Metadata, right: &Metadata) -> bool {
    (left.dev(), left.ino()) == (right.dev(), right.ino())
}

/// Returns the file and everything beside it, the oldest first. Strangers are there as well: a file that was read is
/// read on by whatever name.
fn siblings(path: &Path) -> std::io::Result<Vec<Sibling>> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(Vec::new());
    };
    let name = name.to_string_lossy();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kin = kin(&name, &entry.file_name().to_string_lossy());
        // The file itself may be a link to what it is today.
        let metadata = match kin {
            Kin::Itself => std::fs::metadata(path),
            _ => entry.metadata(),
        };
        let metadata = match metadata {
            Ok(metadata) => metadata,
            // Renamed or deleted at this moment.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if let (true, Some(age)) = (metadata.is_file(), age(&metadata)) {
            found.push(Sibling {
                path: entry.path(),
                metadata,
                kin,
                age,
            });
        }
    }
    found.sort_by(|left, right| (left.age, &left.path).cmp(&(right.age, &right.path)));
    Ok(found)
}

/// Returns when a file was made, or was written last where the file system does not know.
fn age(metadata: &Metadata) -> Option<SystemTime> {
    metadata.created().or_else(|_| metadata.modified()).ok()
}

struct Found<'a> {
    sibling: &'a Sibling,
    followed: Followed,
}

/// Finds a file that was read: itself, or else a copy of it.
fn find<'a>(known: Position, candidates: &[&'a Sibling]) -> std::io::Result<Option<Found<'a>>> {
    let mark = known.mark();
    for sibling in candidates {
        let id = position::id(&sibling.metadata);
        let is_former = position::former_id(&sibling.metadata) == mark[0];
        if id != known.id && !is_former {
            continue;
        }
        let Some(file) = sibling.open()? else {
            continue;
        };
        let mut position = known;
        if is_former {
            position = Position::start(id);
            position.go_to(mark[1], &position::head(&file)?);
        }
        let followed = Followed::new(file, &sibling.path, position);
        return Ok(Some(Found { sibling, followed }));
    }
    copy(known, candidates)
}

/// Finds a copy of what was read.
fn copy<'a>(known: Position, candidates: &[&'a Sibling]) -> std::io::Result<Option<Found<'a>>> {
    for sibling in candidates {
        if !matches!(sibling.kin, Kin::Itself | Kin::Rotated) {
            continue;
        }
        let Some(file) = sibling.open()? else {
            continue;
        };
        if known.is_copied_in(&file)? {
            let id = position::id(&sibling.metadata);
            let followed = Followed::new(file, &sibling.path, known.of(id));
            return Ok(Some(Found { sibling, followed }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;

    struct Reading {
        source: Box<dyn Source>,
        checkpoint: Checkpoint,
    }

    fn start(path: &Path, checkpoint: &Checkpoint) -> Reading {
        let settings = Settings {
            path: path.to_owned(),
        };
        let source = super::super::Settings::open(
            &settings,
            Start {
                checkpoint: checkpoint.clone(),
                ..Start::default()
            },
        );
        Reading {
            source,
            checkpoint: checkpoint.clone(),
        }
    }

    fn begin(path: &Path) -> Reading {
        start(path, &Checkpoint::default())
    }

    impl Reading {
        /// Expects these lines and nothing else before them.
        async fn expect(&mut self, expected: &[&str]) {
            let mut found = Vec::new();
            while found.len() < expected.len() {
                let batch = self.source.next().await.expect("a file has no end");
                if batch.events.is_empty() {
                    continue;
                }
                self.checkpoint = batch.checkpoint;
                for taken in batch.events {
                    let Payload::Line { line } = taken.payload else {
                        panic!("not a line")
                    };
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
        let mut reading = begin(&path);
        write(&path, "a\nb\r\nhalf");
        reading.expect(&["a", "b"]).await;
        write(&path, " whole\n");
        reading.expect(&["half whole"]).await;
        write(&path, "last, without an end");
        std::fs::rename(&path, directory.path().join("log.1")).expect("is renamed");
        write(&path, "new\n");
        // Its writer may still go on.
        reading.expect(&["new", "last, without an end"]).await;
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
        let mut reading = begin(&path);
        reading.expect(&["a", "b"]).await;
        let checkpoint = reading.checkpoint.clone();
        drop(reading);
        write(&path, "c\n");
        let mut reading = start(&path, &checkpoint);
        reading.expect(&["c"]).await;
        let checkpoint = reading.checkpoint.clone();
        drop(reading);
        write(&path, "d\n");
        for number in [2, 1] {
            std::fs::rename(&path, directory.path().join(format!("log.{number}")))
                .expect("is renamed");
            // The order of rotated files is that of their times.
            std::thread::sleep(Duration::from_millis(20));
            write(&path, &format!("after {number}\n"));
        }
        let mut reading = start(&path, &checkpoint);
        reading.expect(&["d", "after 2", "after 1"]).await;
    }

    #[tokio::test]
    async fn a_writer_that_goes_on_in_the_renamed_file_is_heard_also_after_a_restart() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x.log");
        let renamed = directory.path().join("x.log.1");
        write(&path, "a\nhal");
        let mut reading = begin(&path);
        reading.expect(&["a"]).await;
        std::fs::rename(&path, &renamed).expect("is renamed");
        write(&path, "new\n");
        reading.expect(&["new"]).await;
        write(&renamed, "f-line\nlate\n");
        reading.expect(&["half-line", "late"]).await;
        let checkpoint = reading.checkpoint.clone();
        drop(reading);
        write(&renamed, "later\n");
        let mut reading = start(&path, &checkpoint);
        reading.expect(&["later"]).await;
        write(&path, "newer\n");
        reading.expect(&["newer"]).await;
    }

    #[tokio::test]
    async fn neighbours_are_never_read_and_rotations_of_every_name_are() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("app.log");
        let beside = |name: &str| directory.path().join(name);
        for (number, rotated) in [
            "app.log.1",
            "app.log-20240101",
            "app-20240102.log",
            "app.log.old",
        ]
        .iter()
        .enumerate()
        {
            write(&path, &format!("first {number}\n"));
            let mut reading = begin(&path);
            reading.expect(&[&format!("first {number}")]).await;
            let checkpoint = reading.checkpoint.clone();
            drop(reading);
            write(&path, &format!("last {number}\n"));
            std::fs::rename(&path, beside(rotated)).expect("is renamed");
            write(&path, &format!("new {number}\n"));
            for neighbour in ["app.log.audit", "app.log2", "app-2.log", "app.log.1.bak"] {
                write(&beside(neighbour), "secret\n");
            }
            let mut reading = start(&path, &checkpoint);
            reading
                .expect(&[&format!("last {number}"), &format!("new {number}")])
                .await;
            drop(reading);
            std::fs::remove_file(&path).expect("is removed");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_cut_under_its_writer_has_no_events_of_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        // Not in append mode: it goes on at its own place.
        let mut writer = std::fs::File::create(&path).expect("is made");
        let line = "a".repeat(99) + "\n";
        writer
            .write_all(line.repeat(20_000).as_bytes())
            .expect("is written");
        let mut reading = begin(&path);
        reading.expect(&vec![line.trim_end(); 20_000]).await;
        for after in ["after", "and again"] {
            OpenOptions::new()
                .write(true)
                .truncate(true)
                .open(&path)
                .expect("is cut");
            writeln!(writer, "{after}").expect("is written");
            reading.expect(&[after]).await;
        }
    }

    #[tokio::test]
    async fn what_was_copied_before_the_file_was_cut_is_read_from_the_copy() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        let text: String = (0..200).map(|line| format!("line {line}\n")).collect();
        write(&path, &text);
        let mut reading = begin(&path);
        let lines: Vec<&str> = text.lines().collect();
        reading.expect(&lines).await;
        let checkpoint = reading.checkpoint.clone();
        drop(reading);
        write(&path, "unread\n");
        std::fs::copy(&path, directory.path().join("log.1")).expect("is copied");
        std::fs::write(&path, "after\n").expect("is cut and written");
        let mut reading = start(&path, &checkpoint);
        reading.expect(&["unread", "after"]).await;
    }

    #[tokio::test]
    async fn a_file_that_came_back_from_a_copy_is_gone_on_with() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        let text: String = (0..200).map(|line| format!("line {line}\n")).collect();
        write(&path, &text);
        let mut reading = begin(&path);
        reading.expect(&text.lines().collect::<Vec<_>>()).await;
        let checkpoint = reading.checkpoint.clone();
        drop(reading);
        let copy = directory.path().join("copy");
        std::fs::copy(&path, &copy).expect("is copied");
        std::fs::rename(&copy, &path).expect("is renamed");
        write(&path, "more\n");
        let mut reading = start(&path, &checkpoint);
        reading.expect(&["more"]).await;
    }
}
