//! Letters on the disk: one file for each topic, a line of JSON for each.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::disk::later;
use super::document::{Document, KEPT_BYTES};
use super::{Letter, Outcome};
use crate::config::topic::Topic;

/// The file's name.
pub(super) const NAME: &str = "dead-letters.jsonl";

/// The file of a topic's letters, opened.
#[derive(Debug)]
pub(super) struct Letters {
    file: File,
    ids: HashSet<String>,
}

/// The part of a letter that is read.
#[derive(Deserialize)]
struct Known {
    #[serde(rename = "_id")]
    id: String,
}

impl Letters {
    /// Opens the file and reads which letters are there; a line that a crash left half written is cut off.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(directory.join(NAME))?;
        let (mut ids, mut length) = (HashSet::new(), 0);
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            length += line.len() as u64;
            // What somebody else wrote there is no letter.
            ids.extend(serde_json::from_slice::<Known>(&line).map(|known| known.id));
            line.clear();
        }
        file.set_len(length)?;
        Ok(Self { file, ids })
    }

    /// Adds letters. Returns for each whether it was not there. After an error the file must be opened again.
    pub(super) fn add(&mut self, letters: &[Document]) -> io::Result<Vec<bool>> {
        let (mut text, mut new) = (String::new(), Vec::new());
        for letter in letters {
            let is_new = self.ids.insert(letter.id.clone());
            if is_new {
                text.push_str(&letter.json);
                text.push('\n');
            }
            new.push(is_new);
        }
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()?;
        Ok(new)
    }
}

/// Letters as they are kept here.
pub(super) fn documents(topic: &Topic, letters: &[Letter<'_>]) -> Vec<Document> {
    let letters = letters.iter();
    letters
        .map(|letter| letter.document(topic, KEPT_BYTES))
        .collect()
}

/// What became of so many letters, by what [`Letters::add`] says of them.
pub(super) fn outcomes(added: io::Result<Vec<bool>>, count: usize) -> Vec<Outcome> {
    let outcome = |is_new| {
        if is_new {
            Outcome::Done
        } else {
            Outcome::Already
        }
    };
    match added {
        Ok(new) => new.into_iter().map(outcome).collect(),
        Err(error) => vec![Outcome::Later(later(&error)); count],
    }
}

/// Reads the letters of a directory. One that is being written is half there, and left out.
pub(super) fn read(directory: &Path) -> io::Result<Vec<Value>> {
    let file = match File::open(directory.join(NAME)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let lines = BufReader::new(file)
        .lines()
        .collect::<io::Result<Vec<String>>>()?;
    Ok(lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_there_once_also_after_a_crash_in_the_middle_of_its_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let letter = |id: &str| Document {
            id: id.to_owned(),
            json: format!(r#"{{"_id":"{id}","reason":"x"}}"#),
        };
        let mut letters = Letters::open(directory.path()).expect("opens");
        let added = letters.add(&[letter("a"), letter("b")]).expect("is added");
        assert_eq!(added, [true, true]);
        drop(letters);
        let path = directory.path().join(NAME);
        let whole = std::fs::read(&path).expect("is read");
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("is written");
            let mut letters = Letters::open(directory.path()).expect("opens");
            letters.add(&[letter("a"), letter("b")]).expect("is added");
            assert_eq!(std::fs::read(&path).expect("is read"), whole, "{cut}");
        }
    }
}
