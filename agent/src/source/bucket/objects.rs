//! What is in the list and was not read: found, and read a piece at a time.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::io::BufReader;
use tokio::time::Instant;

use super::super::lines::{End, Line, Lines, Nuls};
use super::super::{Batch, Checkpoint, Source, Start, Troubles};
use super::progress::{Place, Progress};
use crate::backoff::Backoff;
use crate::bucket::{Object, Settings, Store, Trouble};
use crate::event::{Payload, Taken};

/// The most bytes of an object that are read at once, and the most of one transaction.
const PIECE: u64 = 4 << 20;
/// The most lines of one transaction.
const LINES: usize = 20_000;
/// How long to wait before looking again at what is at hand.
const WAIT: Duration = Duration::from_millis(100);
/// What a file begins with that `gzip` made.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Reads the objects of a bucket.
pub(super) struct Objects {
    settings: Settings,
    start: Start,
    /// Made at the first look.
    open: Option<Open>,
    /// Why nothing can be read at present.
    trouble: Option<String>,
    backoff: Backoff,
    again: Instant,
}

struct Open {
    store: Store,
    progress: Progress,
    troubles: Troubles,
    /// What is to be read, the oldest first.
    listed: VecDeque<Object>,
    reading: Option<Reading>,
    /// Contents that were looked at and had nothing to read, by their key.
    looked: HashMap<String, Looked>,
    look_at: Instant,
    /// The store's clock at the last look.
    now: Timestamp,
}

/// Contents in which there was nothing more to read.
struct Looked {
    etag: String,
    /// Whether a line at the end waits for its own end.
    waits: bool,
}

/// An object that is being read.
struct Reading {
    object: Object,
    /// Whether it has been as it is for so long that its last line is whole.
    is_settled: bool,
    /// Everything before this was given out.
    offset: u64,
    /// The hash of that.
    hasher: Sha256,
    /// What comes from there on, as far as it is at hand.
    ahead: Vec<u8>,
}

impl Objects {
    pub(super) fn new(settings: Settings, start: Start) -> Self {
        Self {
            settings,
            start,
            open: None,
            trouble: None,
            backoff: backoff(),
            again: Instant::now(),
        }
    }

    async fn take(&mut self) -> Result<Option<Batch>, String> {
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(Open::new(&self.settings, &self.start)?),
        };
        open.take(&self.settings).await
    }

    /// Says why nothing can be read, once, and when it is tried again.
    fn fail(&mut self, reason: String) {
        self.again = Instant::now() + self.backoff.next_wait();
        self.start.troubles.alarm(Some(reason.clone()));
        if self.trouble.as_ref() != Some(&reason) {
            tracing::error!(
                bucket = self.settings.name(),
                reason,
                "the bucket cannot be read; it is tried again"
            );
        }
        self.trouble = Some(reason);
    }

    fn recover(&mut self) {
        if self.trouble.take().is_some() {
            self.start.troubles.alarm(None);
            self.backoff = backoff();
            tracing::info!(
                bucket = self.settings.name(),
                "the bucket can be read again"
            );
        }
    }
}

impl Source for Objects {
    fn next(&mut self) -> BoxFuture<'_, Option<Batch>> {
        Box::pin(async move {
            if self.again > Instant::now() {
                tokio::time::sleep(WAIT).await;
                return Some(Batch::default());
            }
            match self.take().await {
                Ok(batch) => {
                    self.recover();
                    if let Some(batch) = batch {
                        return Some(batch);
                    }
                }
                Err(reason) => self.fail(reason),
            }
            tokio::time::sleep(WAIT).await;
            Some(Batch::default())
        })
    }

    fn safe<'a>(&'a mut self, checkpoint: &'a Checkpoint) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Some(open) = &mut self.open else { return };
            if let Err(error) = open.progress.hear(checkpoint) {
                self.fail(unwritten(&error));
            }
        })
    }

    fn waiting(&self) -> usize {
        1
    }
}

impl Open {
    fn new(settings: &Settings, start: &Start) -> Result<Self, String> {
        let progress = Progress::open(start.directory.clone(), &start.checkpoint);
        Ok(Self {
            store: Store::new(settings)?,
            progress: progress
                .map_err(|error| format!("how far it was read is not known: {error}"))?,
            troubles: start.troubles.clone(),
            listed: VecDeque::new(),
            reading: None,
            looked: HashMap::new(),
            look_at: Instant::now(),
            now: Timestamp::UNIX_EPOCH,
        })
    }

    /// Reads the next piece; nothing where there is none now.
    async fn take(&mut self, settings: &Settings) -> Result<Option<Batch>, String> {
        self.progress.write().map_err(|error| unwritten(&error))?;
        if self.progress.is_full() {
            return Ok(None);
        }
        loop {
            if let Some(reading) = &mut self.reading {
                let read = reading.read(&mut self.store).await;
                let events = match read {
                    Ok(lines) => self.events(lines),
                    Err(Trouble::Gone) => Vec::new(),
                    Err(Trouble::Refused(reason)) => return Err(reason),
                };
                if events.is_empty() {
                    self.reading = None;
                    continue;
                }
                let checkpoint = self.progress.checkpoint();
                let checkpoint = checkpoint.map_err(|error| error.to_string())?;
                return Ok(Some(Batch { events, checkpoint }));
            }
            if let Some(object) = self.listed.front().cloned() {
                match self.begin(object, settings).await {
                    Err(Trouble::Refused(reason)) => return Err(reason),
                    Ok(()) | Err(Trouble::Gone) => {}
                }
                self.listed.pop_front();
                continue;
            }
            if self.look_at > Instant::now() {
                return Ok(None);
            }
            self.look(settings).await?;
        }
    }

    /// Makes events of the lines of a piece, and notes how far it reaches; no lines are the present end of the object.
    fn events(&mut self, lines: Vec<Line>) -> Vec<Taken> {
        let Some(reading) = &self.reading else {
            return Vec::new();
        };
        if lines.is_empty() {
            let (key, etag) = (&reading.object.key, reading.object.etag.clone());
            let waits = reading.offset < reading.object.size;
            self.looked.insert(key.clone(), Looked { etag, waits });
            return Vec::new();
        }
        self.progress.add(reading.place());
        let at = Timestamp::now();
        let long = lines.iter().filter(|line| line.end == End::More).count();
        self.troubles.long_lines(long as u64);
        let event = |line: Line| Taken {
            at,
            payload: Payload::Line { line: line.text },
        };
        lines.into_iter().map(event).collect()
    }

    /// Asks what is in the bucket.
    async fn look(&mut self, settings: &Settings) -> Result<(), String> {
        let listing = match self.store.list().await {
            Ok(listing) => listing,
            Err(Trouble::Refused(reason)) => return Err(reason),
            Err(Trouble::Gone) => return Err("it is not there any more".to_owned()),
        };
        self.look_at = Instant::now() + Duration::from_millis(settings.interval_ms);
        let now = listing.now.unwrap_or_else(Timestamp::now);
        let mut unread: Vec<Object> = listing
            .objects
            .into_iter()
            .filter(|object| self.is_unread(object, is_settled(object, now, settings)))
            .collect();
        unread.sort_by(|one, other| (one.modified, &one.key).cmp(&(other.modified, &other.key)));
        self.listed = unread.into();
        self.now = now;
        Ok(())
    }

    fn is_unread(&self, object: &Object, is_settled: bool) -> bool {
        if object.size == 0 {
            return false;
        }
        if let Some(place) = self.progress.of(&object.key)
            && (&place.etag, place.bytes) == (&object.etag, object.size)
        {
            return false;
        }
        match self.looked.get(&object.key) {
            Some(looked) if looked.etag == object.etag => looked.waits && is_settled,
            _ => true,
        }
    }

    /// Begins with an object where what was read of it ends.
    async fn begin(&mut self, object: Object, settings: &Settings) -> Result<(), Trouble> {
        let is_settled = is_settled(&object, self.now, settings);
        let mut reading = Reading::new(object, is_settled);
        let key = reading.object.key.clone();
        if let Some(place) = self.progress.of(&key).cloned() {
            let is_grown = place.etag != reading.object.etag;
            let last = if place.bytes <= reading.object.size {
                reading.go_to(&mut self.store, place.bytes).await?
            } else {
                None
            };
            if reading.place().hash != place.hash {
                self.troubles.count("objects_replaced", 1);
                tracing::warn!(
                    key,
                    "an object has other contents than those that were read under its key; it is read as a new one"
                );
                reading = Reading::new(reading.object, is_settled);
            } else if is_grown && last.is_some_and(|last| last != b'\n') {
                self.troubles.count("lines_cut", 1);
                tracing::warn!(
                    key,
                    "an object has grown within a line that was taken for whole; the rest of it is an event of its own"
                );
            }
        }
        if reading.offset == 0 {
            let first = reading.object.size.min(PIECE);
            reading.ahead = self.store.read(&reading.object, 0..first).await?;
            if reading.ahead.starts_with(GZIP) {
                self.troubles.count("objects_compressed", 1);
                tracing::error!(
                    key,
                    "an object is compressed (gzip) and is not read; put it there as it is"
                );
                let etag = reading.object.etag;
                let waits = false;
                self.looked.insert(key, Looked { etag, waits });
                return Ok(());
            }
        }
        self.reading = Some(reading);
        Ok(())
    }
}

impl Reading {
    fn new(object: Object, is_settled: bool) -> Self {
        Self {
            object,
            is_settled,
            offset: 0,
            hasher: Sha256::new(),
            ahead: Vec::new(),
        }
    }

    fn place(&self) -> Place {
        Place {
            key: self.object.key.clone(),
            etag: self.object.etag.clone(),
            bytes: self.offset,
            hash: format!("{:x}", self.hasher.clone().finalize()),
        }
    }

    /// Reads what was read before, for its hash. Returns the last byte of it.
    async fn go_to(&mut self, store: &mut Store, offset: u64) -> Result<Option<u8>, Trouble> {
        let mut last = None;
        while self.offset < offset {
            let end = offset.min(self.offset + PIECE);
            let bytes = store.read(&self.object, self.offset..end).await?;
            last = bytes.last().copied();
            self.hasher.update(&bytes);
            self.offset = end;
        }
        Ok(last)
    }

    /// Reads the next whole lines; none are the present end.
    async fn read(&mut self, store: &mut Store) -> Result<Vec<Line>, Trouble> {
        let at_hand = self.offset + self.ahead.len() as u64;
        let end = self.object.size.min(self.offset + PIECE);
        if at_hand < end {
            let more = store.read(&self.object, at_hand..end).await?;
            self.ahead.extend(more);
        }
        let is_end = self.offset + self.ahead.len() as u64 == self.object.size;
        let lines = lines(&self.ahead, is_end && self.is_settled).await;
        let lines = lines.map_err(|error| Trouble::Refused(error.to_string()))?;
        let bytes: u64 = lines.iter().map(|line| line.bytes).sum();
        let rest = self.ahead.split_off(usize::try_from(bytes).unwrap_or(0));
        self.hasher.update(&self.ahead);
        self.ahead = rest;
        self.offset += bytes;
        Ok(lines)
    }
}

/// The lines that some bytes begin with, the last also without its end where it `is_whole`.
async fn lines(bytes: &[u8], is_whole: bool) -> io::Result<Vec<Line>> {
    let mut reader = Lines::new(BufReader::new(bytes), Nuls::Kept);
    let mut lines = Vec::new();
    loop {
        let read = reader.read().await?;
        if read.is_empty() {
            return Ok(lines);
        }
        for line in read {
            let is_cut = line.end == End::Nothing && !is_whole;
            if is_cut || lines.len() == LINES {
                return Ok(lines);
            }
            lines.push(line);
        }
    }
}

/// Whether an object has been as it is for so long that nobody writes on its last line.
fn is_settled(object: &Object, now: Timestamp, settings: &Settings) -> bool {
    let age = now.duration_since(object.modified).as_millis();
    age >= i128::from(settings.settled_ms)
}

fn unwritten(error: &io::Error) -> String {
    format!("how far it was read cannot be written: {error}")
}

fn backoff() -> Backoff {
    Backoff::new(Duration::from_secs(1), Duration::from_secs(30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_counts_when_its_end_is_there_or_the_object_is_whole() {
        for (text, is_whole, expected) in [
            ("a\nb\n", false, &["a", "b"][..]),
            ("a\nb", false, &["a"]),
            ("a\nb", true, &["a", "b"]),
            ("b", false, &[]),
            ("\n\r\n", false, &["", ""]),
        ] {
            let lines = lines(text.as_bytes(), is_whole).await.expect("is read");
            let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
            assert_eq!(texts, expected, "{text:?}");
        }
        let many = "x\n".repeat(LINES + 1);
        assert_eq!(
            lines(many.as_bytes(), true).await.expect("is read").len(),
            LINES
        );
    }
}
