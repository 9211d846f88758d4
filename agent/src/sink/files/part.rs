//! The files of one partition: what is appended is there once, whenever the process is killed.
//!
//! Rows are written and are on the disk before it is noted how far the file reaches. What a crash left behind that place is
//! cut off when the partition is opened again; what it had noted is not written again.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::counts;
use super::slots::{Reach, Slots};

/// The directory, beside the files, of what says how far they reach and how many rows they have.
const OFFSETS: &str = ".offsets";

/// Returns the file that says how far the files of a partition reach.
pub(super) fn offsets(directory: &Path, partition: &str) -> PathBuf {
    directory.join(OFFSETS).join(partition)
}

/// A record's row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) offset: i64,
    /// The row with its end.
    pub(super) text: String,
}

/// What the files of a partition have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Files {
    /// Where they are.
    pub(super) directory: PathBuf,
    /// What their names have behind the day, but for the first record's offset: epoch and partition.
    pub(super) partition: String,
    /// The end of their names, as in `jsonl`.
    pub(super) ending: &'static str,
    /// What each begins with.
    pub(super) head: String,
}

/// The files of one partition, opened.
#[derive(Debug)]
pub(super) struct Part {
    files: Files,
    slots: Slots,
    reach: Reach,
    /// The file that is written to.
    present: Option<File>,
}

impl Part {
    /// Opens the partition's files: goes on where it is noted, and removes what was not finished.
    pub(super) fn open(files: Files) -> io::Result<Self> {
        let path = offsets(&files.directory, &files.partition);
        let offsets = files.directory.join(OFFSETS);
        std::fs::create_dir_all(&offsets)?;
        let (mut slots, reach) = Slots::open(&path)?;
        let begun = files.list()?;
        let reach = match reach {
            Some(reach) => reach,
            None if begun.is_empty() => {
                slots.write(&Reach::default())?;
                sync(&offsets)?;
                Reach::default()
            }
            None => {
                let problem = format!(
                    "{} is lost, which says how far the files beside reach; move those of {} away",
                    path.display(),
                    files.partition
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
        };
        for (name, first) in begun {
            if first >= reach.next {
                std::fs::remove_file(files.directory.join(name))?;
            }
        }
        let present = files.reopen(&reach)?;
        Ok(Self {
            files,
            slots,
            reach,
            present,
        })
    }

    /// The first offset that is not there.
    pub(super) fn next(&self) -> i64 {
        self.reach.next
    }

    /// Appends rows in their order, but for those that are there. A file that has `most` bytes, or is of another day, is
    /// followed by a new one. After an error the partition must be opened again.
    pub(super) fn append(&mut self, rows: &[Row], most: u64, day: &str) -> io::Result<()> {
        let rows = || rows.iter().filter(|row| row.offset >= self.reach.next);
        let (Some(first), Some(last)) = (rows().next(), rows().next_back()) else {
            return Ok(());
        };
        let is_of_day = self.reach.name.starts_with(day);
        let present = self.present.take();
        let present = present.filter(|_| is_of_day && self.reach.length < most);
        let mut reach = Reach {
            next: last.offset + 1,
            ..self.reach.clone()
        };
        let mut text = String::new();
        let (file, is_new) = if let Some(file) = present {
            (file, false)
        } else {
            let offsets = offsets(&self.files.directory, &self.files.partition);
            counts::close(&offsets, &self.reach)?;
            reach.name = self.files.name(day, first.offset);
            reach.length = 0;
            reach.rows = Some(0);
            text.push_str(&self.files.head);
            (File::create(self.files.directory.join(&reach.name))?, true)
        };
        for row in rows() {
            text.push_str(&row.text);
        }
        file.write_all_at(text.as_bytes(), reach.length)?;
        file.sync_data()?;
        if is_new {
            sync(&self.files.directory)?;
        }
        reach.length += text.len() as u64;
        reach.rows = reach.rows.map(|before| before + rows().count() as u64);
        self.slots.write(&reach)?;
        (self.reach, self.present) = (reach, Some(file));
        Ok(())
    }
}

impl Files {
    fn name(&self, day: &str, first: i64) -> String {
        format!("{day}-{}-{first:012x}.{}", self.partition, self.ending)
    }

    /// Returns the names of the files and the offset of the first record of each.
    fn list(&self) -> io::Result<Vec<(String, i64)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let first = name
                .strip_suffix(&format!(".{}", self.ending))
                .and_then(|name| name.rsplit_once('-'))
                .filter(|(before, _)| before.ends_with(&format!("-{}", self.partition)))
                .and_then(|(_, first)| i64::from_str_radix(first, 16).ok());
            found.extend(first.map(|first| (name, first)));
        }
        Ok(found)
    }

    /// Opens the file that was written to last, without what is behind its noted length. One that somebody took away, or
    /// cut, or that has other columns, is followed by a new one.
    fn reopen(&self, reach: &Reach) -> io::Result<Option<File>> {
        if reach.name.is_empty() {
            return Ok(None);
        }
        let path = self.directory.join(&reach.name);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        if length < reach.length {
            tracing::warn!(file = %path.display(), length, expected = reach.length, "the file was shortened by somebody; a new one follows it");
            return Ok(None);
        }
        if length > reach.length {
            tracing::info!(file = %path.display(), bytes = length - reach.length, "a write that was not finished is cut off");
            file.set_len(reach.length)?;
            file.sync_data()?;
        }
        let mut head = vec![0; self.head.len()];
        let has_head = file.read_at(&mut head, 0)? == head.len() && head == self.head.as_bytes();
        let has_ending = reach.name.ends_with(&format!(".{}", self.ending));
        Ok((has_head && has_ending).then_some(file))
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(directory: &Path) -> Files {
        Files {
            directory: directory.to_owned(),
            partition: "e1-0000".to_owned(),
            ending: "jsonl",
            head: String::new(),
        }
    }

    /// Files whose lines have a head.
    fn headed(directory: &Path, head: &str) -> Files {
        Files {
            head: head.to_owned(),
            ..files(directory)
        }
    }

    fn rows(offsets: std::ops::Range<i64>) -> Vec<Row> {
        let row = |offset| Row {
            offset,
            text: format!("{offset}\n"),
        };
        offsets.map(row).collect()
    }

    fn contents(directory: &Path) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = files(directory)
            .list()
            .expect("a directory")
            .into_iter()
            .map(|(name, _)| {
                let text = std::fs::read_to_string(directory.join(&name)).expect("is read");
                (name, text)
            })
            .collect();
        found.sort();
        found
    }

    #[test]
    fn rows_are_there_once_however_often_they_come_and_files_roll_by_size_and_day() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = directory.path();
        let mut part = Part::open(headed(at, "h\n")).expect("opens");
        for range in [0..3, 0..3, 2..5] {
            part.append(&rows(range), 1000, "2026-01-01")
                .expect("is written");
        }
        drop(part);
        let mut part = Part::open(headed(at, "h\n")).expect("opens");
        assert_eq!(part.next(), 5);
        part.append(&rows(3..6), 5, "2026-01-01")
            .expect("is written");
        part.append(&rows(6..7), 1000, "2026-01-02")
            .expect("is written");
        // Other columns are never below a head that does not name them.
        let mut part = Part::open(headed(at, "i\n")).expect("opens");
        part.append(&rows(7..8), 1000, "2026-01-02")
            .expect("is written");
        let expected = [
            (
                "2026-01-01-e1-0000-000000000000.jsonl",
                "h\n0\n1\n2\n3\n4\n",
            ),
            ("2026-01-01-e1-0000-000000000005.jsonl", "h\n5\n"),
            ("2026-01-02-e1-0000-000000000006.jsonl", "h\n6\n"),
            ("2026-01-02-e1-0000-000000000007.jsonl", "i\n7\n"),
        ];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(contents(at), expected);
    }

    #[test]
    fn what_was_not_finished_is_cut_off_also_a_file_that_was_just_begun() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = directory.path();
        let mut part = Part::open(files(at)).expect("opens");
        part.append(&rows(0..2), 1000, "d").expect("is written");
        let noted = offsets(at, "e1-0000");
        let before = std::fs::read(&noted).expect("is read");
        part.append(&rows(2..4), 1000, "d").expect("is written");
        part.append(&rows(4..6), 1, "d").expect("is written");
        // As if the process was killed before it could note the last two.
        drop(part);
        std::fs::write(&noted, before).expect("is written");
        let mut part = Part::open(files(at)).expect("opens");
        assert_eq!(part.next(), 2);
        let name = "d-e1-0000-000000000000.jsonl".to_owned();
        assert_eq!(contents(at), [(name.clone(), "0\n1\n".to_owned())]);
        part.append(&rows(2..3), 1000, "d").expect("is written");
        assert_eq!(contents(at), [(name, "0\n1\n2\n".to_owned())]);
        // Others' files stay, and nothing is thrown away where it is not known how far it reaches.
        std::fs::write(at.join("notes.jsonl"), "mine").expect("is written");
        std::fs::remove_file(&noted).expect("is removed");
        let error = Part::open(files(at)).expect_err("is refused").to_string();
        assert!(error.contains("move those of e1-0000 away"), "{error}");
        assert_eq!(contents(at).len(), 1);
    }
}
