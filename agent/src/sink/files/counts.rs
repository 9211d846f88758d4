//! How many rows the files of a partition have, noted where one is followed by the next: who asks need not read them.
//!
//! A note holds as long as its file has the length that it had then, and the last one of a file counts. So nothing has to be
//! undone after a crash, and one that is lost or torn costs only time: that file is counted.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::slots::{Reach, Slots};

/// What is noted of a partition's files.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// By a file's name: its rows, and its length.
    closed: HashMap<String, (u64, u64)>,
    present: Option<Reach>,
}

impl Counts {
    /// Reads what is noted beside what says how far the files reach.
    pub(super) fn read(offsets: &Path) -> io::Result<Self> {
        let text = match std::fs::read(beside(offsets)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            closed: String::from_utf8_lossy(&text)
                .lines()
                .filter_map(note)
                .collect(),
            present: Slots::look(offsets)?,
        })
    }

    /// Returns the rows of a file that has this length now; none where it must be counted.
    pub(super) fn rows(&self, name: &str, length: u64) -> Option<u64> {
        let closed = self.closed.get(name).filter(|(_, then)| *then == length);
        let present = self.present.as_ref();
        // What is behind its noted length is being written.
        let present = present.filter(|reach| reach.name == name && reach.length <= length);
        closed
            .map(|(rows, _)| *rows)
            .or_else(|| present.and_then(|reach| reach.rows))
    }
}

/// Notes the rows of a file that is written to no more.
pub(super) fn close(offsets: &Path, file: &Reach) -> io::Result<()> {
    let Reach {
        name, length, rows, ..
    } = file;
    let (false, Some(rows)) = (name.is_empty(), rows) else {
        return Ok(());
    };
    let mut options = OpenOptions::new();
    let mut notes = options.append(true).create(true).open(beside(offsets))?;
    // An end of line before it, too: the last one may be torn.
    notes.write_all(format!("\n{rows} {length} {name}\n").as_bytes())
}

fn beside(offsets: &Path) -> PathBuf {
    offsets.with_extension("rows")
}

fn note(line: &str) -> Option<(String, (u64, u64))> {
    let mut words = line.splitn(3, ' ');
    let rows = words.next()?.parse().ok()?;
    let length = words.next()?.parse().ok()?;
    Some((words.next()?.to_owned(), (rows, length)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::files::part::{Files, Part, Row, offsets};

    /// Three rows of two bytes in each file but the last, which has one; returns the names.
    fn written(at: &Path) -> Vec<String> {
        let files = Files {
            directory: at.to_owned(),
            partition: "e1-0000".to_owned(),
            ending: "csv",
            head: "h\n".to_owned(),
        };
        let mut part = Part::open(files).expect("opens");
        for first in [0, 3, 6] {
            let row = |offset| Row {
                offset,
                text: format!("{offset}\n"),
            };
            for rows in [first..first + 2, first + 2..first + 3] {
                let rows: Vec<Row> = rows.map(row).filter(|row| row.offset < 7).collect();
                part.append(&rows, 8, "d").expect("is written");
            }
        }
        let name = |first| format!("d-e1-0000-{first:012x}.csv");
        [0, 3, 6].map(name).into()
    }

    fn rows(at: &Path, names: &[String]) -> Vec<Option<u64>> {
        let counts = Counts::read(&offsets(at, "e1-0000")).expect("is read");
        let length = |name: &String| at.join(name).metadata().expect("is there").len();
        names
            .iter()
            .map(|name| counts.rows(name, length(name)))
            .collect()
    }

    #[test]
    fn the_rows_of_all_files_are_noted_and_a_file_that_somebody_changed_is_counted() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = directory.path();
        let names = written(at);
        assert_eq!(rows(at, &names), [Some(3), Some(3), Some(1)]);
        std::fs::write(at.join(&names[0]), "h\n0\n").expect("is written");
        std::fs::write(at.join(&names[2]), "").expect("is written");
        assert_eq!(rows(at, &names), [None, Some(3), None]);
    }

    #[test]
    fn a_note_that_was_cut_off_at_any_byte_leaves_what_is_true() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = directory.path();
        let names = written(at);
        let notes = beside(&offsets(at, "e1-0000"));
        let whole = std::fs::read(&notes).expect("is read");
        for cut in 0..whole.len() {
            std::fs::write(&notes, &whole[..cut]).expect("is written");
            let found = rows(at, &names);
            let is_true = |(found, rows): (&Option<u64>, u64)| found.is_none_or(|it| it == rows);
            assert!(found.iter().zip([3, 3, 1]).all(is_true), "{cut}: {found:?}");
            // What is noted next is not hidden by the half of one.
            let reach = Reach {
                name: names[1].clone(),
                length: 8,
                rows: Some(3),
                ..Reach::default()
            };
            close(&offsets(at, "e1-0000"), &reach).expect("is noted");
            assert_eq!(rows(at, &names)[1], Some(3), "{cut}");
        }
    }
}
