//! The file that has the name now, and those that had it: which are read, and in which order.

use std::io::{ErrorKind, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::io::{AsyncSeekExt, BufReader};

use super::super::lines::{End, Line, Lines, Nuls};
use super::super::position::{self, Position};
use super::super::rotation::Kin;
use super::super::{Batch, Checkpoint, Source, Troubles};
use super::followed::{FileLines, Followed, Is};
use super::sibling::{Found, Sibling, age, copy, find, is_same, siblings};
use crate::event::{Payload, Taken};

/// How long to wait at the end of the file before looking again.
const WAIT: Duration = Duration::from_millis(100);
/// How many renamed files are read on.
const FOLLOWED: usize = 8;
/// How many bytes are read at once.
const BUFFER: usize = 256 * 1024;

/// Reads the file that has the name, and those that had it.
pub(super) struct Follower {
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
    /// Goes on where an earlier process was.
    pub(super) fn new(path: PathBuf, marks: Vec<Position>, troubles: Troubles) -> Self {
        Self {
            path,
            marks,
            renamed: Vec::new(),
            present: None,
            troubles,
            trouble: None,
        }
    }

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
