//! What files hold, asked: what is noted of their rows is taken, others are counted, and their ends are read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use serde_json::Value;
use serde_json::value::RawValue;

use super::counts::Counts;
use super::part::offsets;
use super::{Format, Settings};
use crate::config::topic::Topic;
use crate::sink::Later;
use crate::sink::asked::{Asked, Holding, Newest, lost_events, sort, timestamp};
use crate::sink::disk::{blocking, later};
use crate::sink::document::LOST;
use crate::sink::letters;

/// How many bytes are read at once.
const BLOCK: usize = 256 * 1024;

/// The files of a sink, as they are.
pub(super) struct Kept {
    pub(super) settings: Settings,
}

/// The files of a topic.
struct Place {
    directory: PathBuf,
    format: Format,
}

impl Kept {
    fn place(&self, topic: &Topic) -> Place {
        Place {
            directory: self.settings.directory.join(&topic.name),
            format: self.settings.format,
        }
    }
}

impl Asked for Kept {
    fn holding<'a>(
        &'a self,
        topic: &'a Topic,
        deadline: tokio::time::Instant,
    ) -> BoxFuture<'a, Result<Option<Holding>, Later>> {
        let place = self.place(topic);
        let holding = blocking(move || place.holding(deadline.into_std()));
        Box::pin(async move { holding.await.map_err(|error| later(&error)) })
    }

    fn newest<'a>(
        &'a self,
        topic: &'a Topic,
        n: usize,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Vec<Newest>, Later>> {
        let place = self.place(topic);
        Box::pin(async move {
            if place.format == Format::Csv {
                let words = format!("the rows of {} are no documents", place.directory.display());
                return Err(Later::Denied(words));
            }
            let newest = blocking(move || place.newest(n)).await;
            newest.map_err(|error| later(&error))
        })
    }

    fn letters<'a>(
        &'a self,
        topic: &'a Topic,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<Value>, Later>> {
        let place = self.place(topic);
        Box::pin(async move {
            // All come at once.
            if after.is_some() {
                return Ok(Vec::new());
            }
            let letters = blocking(move || letters::read(&place.directory)).await;
            letters.map_err(|error| later(&error))
        })
    }
}

impl Place {
    fn holding(&self, deadline: Instant) -> io::Result<Option<Holding>> {
        if !self.directory.try_exists()? {
            return Ok(None);
        }
        let mut records = Some(0);
        for (partition, files) in self.files()? {
            let counts = Counts::read(&offsets(&self.directory, &partition))?;
            for path in files {
                let rows = match noted(&counts, &path) {
                    Some(rows) => Some(rows),
                    None => rows(&path, self.format, deadline)?,
                };
                records = records.zip(rows).map(|(all, rows)| all + rows);
            }
        }
        let newest = match self.format {
            Format::Json => self.newest(1)?.pop(),
            Format::Csv => None,
        };
        let letters = letters::read(&self.directory)?;
        let is_loss = |letter: &&Value| {
            letter["_id"]
                .as_str()
                .is_some_and(|id| id.starts_with(LOST))
        };
        Ok(Some(Holding {
            records,
            newest: newest.and_then(|newest| timestamp(&newest.document)),
            dead_letters: Some(letters.len() as u64),
            lost_events: Some(letters.iter().filter(is_loss).map(lost_events).sum()),
            ..Holding::default()
        }))
    }

    /// Reads the ends of the files of each partition.
    fn newest(&self, n: usize) -> io::Result<Vec<Newest>> {
        let mut newest = Vec::new();
        for files in self.files()?.into_values() {
            let mut lines = Vec::new();
            for path in files.iter().rev() {
                if lines.len() < n {
                    lines.extend(last_lines(path, n - lines.len())?);
                }
            }
            let raw = lines
                .into_iter()
                .filter_map(|line| RawValue::from_string(line).ok());
            newest.extend(raw.filter_map(Newest::read));
        }
        sort(&mut newest);
        newest.truncate(n);
        Ok(newest)
    }

    /// The files of each partition, in the order of its records.
    fn files(&self) -> io::Result<BTreeMap<String, Vec<PathBuf>>> {
        let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        let entries = match std::fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let ending = format!(".{}", self.format.ending());
            let Some(name) = name.strip_suffix(&ending) else {
                continue;
            };
            // The day, epoch and partition, the first offset.
            let parts: Vec<&str> = name.split('-').collect();
            if let [_, _, _, epoch, partition, _] = parts[..] {
                let files = found.entry(format!("{epoch}-{partition}")).or_default();
                files.push(entry.path());
            }
        }
        for files in found.values_mut() {
            files.sort_unstable();
        }
        Ok(found)
    }
}

/// Returns the rows of a file as they are noted.
fn noted(counts: &Counts, path: &Path) -> Option<u64> {
    let length = path.metadata().ok()?.len();
    counts.rows(path.file_name()?.to_str()?, length)
}

/// Counts the rows of a file; `None`: they are too many for the time.
fn rows(path: &Path, format: Format, deadline: Instant) -> io::Result<Option<u64>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        // Somebody has just taken it away.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some(0)),
        Err(error) => return Err(error),
    };
    let mut block = vec![0; BLOCK];
    let (mut ends, mut is_quoted) = (0_u64, false);
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            break;
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        for byte in &block[..read] {
            match (byte, format) {
                // What is in quotes may have ends of lines.
                (b'"', Format::Csv) => is_quoted = !is_quoted,
                (b'\n', _) if !is_quoted => ends += 1,
                _ => {}
            }
        }
    }
    Ok(Some(match format {
        Format::Json => ends,
        // The first has the names.
        Format::Csv => ends.saturating_sub(1),
    }))
}

/// Reads the last `n` whole lines of a file, the last first.
fn last_lines(path: &Path, n: usize) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let mut begin = file.metadata()?.len();
    let (mut text, mut ends) = (Vec::new(), 0);
    // One more: what is before the first of them ends a line.
    while begin > 0 && ends <= n {
        let start = begin.saturating_sub(BLOCK as u64);
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        file.by_ref().take(begin - start).read_to_end(&mut block)?;
        ends += block.split(|byte| *byte == b'\n').count() - 1;
        block.extend(text);
        (text, begin) = (block, start);
    }
    let whole = text.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    let lines = text[..whole]
        .rsplit(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let line = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
    Ok(lines.take(n).map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_the_last_ones_read_without_one_that_is_half_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).expect("is written");
        };
        let line = |number: usize, more: &str| {
            let second = number % 60;
            format!(
                "{{\"_id\":\"{number}\",\"timestamp\":\"2026-11-29T00:00:{second:02}.000Z\",\"x\":\"{more}\"}}\n"
            )
        };
        let long = "x".repeat(BLOCK);
        write(
            "2026-11-28-e0-0000-000000000000.jsonl",
            &(line(1, "") + &line(2, &long)),
        );
        write(
            "2026-11-29-e0-0000-000000000002.jsonl",
            &(line(3, "") + "{\"_id\":"),
        );
        write("2026-11-28-e0-0001-000000000000.jsonl", &line(4, ""));
        write("letters.txt", "no row\n");
        write(
            letters::NAME,
            "{\"_id\":\"lost-a\",\"lost_events\":7}\n{\"_id\":\"b\"}\n{\"_i",
        );
        write(
            "2026-11-29-e0-0000-000000000000.csv",
            "_id,t\na,\"x\ny\"\nb,z\n",
        );
        let place = |format| Place {
            directory: directory.path().to_owned(),
            format,
        };
        let deadline = Instant::now() + Duration::from_mins(1);
        let holding = place(Format::Json).holding(deadline).expect("is read");
        let expected = Holding {
            records: Some(4),
            newest: Some("2026-11-29T00:00:04.000Z".to_owned()),
            dead_letters: Some(2),
            lost_events: Some(7),
            ..Holding::default()
        };
        assert_eq!(holding, Some(expected));
        let ids = |n| {
            let newest = place(Format::Json).newest(n).expect("is read");
            let id = |newest: &Newest| newest.document["_id"].as_str().map(str::to_owned);
            newest.iter().filter_map(id).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            (ids(1).as_str(), ids(2).as_str(), ids(9).as_str()),
            ("4", "4 3", "4 3 2 1")
        );
        let table = place(Format::Csv).holding(deadline).expect("is read");
        let table = table.expect("it is there");
        assert_eq!((table.records, table.newest), (Some(2), None));
        let late = place(Format::Json)
            .holding(Instant::now())
            .expect("is read");
        assert_eq!(late.expect("it is there").records, None);
        let nowhere = Place {
            directory: directory.path().join("none"),
            format: Format::Json,
        };
        assert_eq!(nowhere.holding(deadline).expect("is read"), None);
    }
}
