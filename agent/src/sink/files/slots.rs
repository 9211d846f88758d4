//! How far a partition's files reach, beside them: two places in a small file, written in turn, so that a crash in the middle
//! of one leaves the other.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The bytes of one place.
const SIZE: usize = 512;

/// How far a partition's files reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// The offset of the first record that is in none of them.
    pub(super) next: i64,
    /// The file that is written to, and how many of its bytes count; empty where there is none.
    pub(super) name: String,
    /// What is behind so many of its bytes was not finished.
    pub(super) length: u64,
    /// The rows that are in so many of its bytes; none where an older consumer began it.
    pub(super) rows: Option<u64>,
}

/// The file that says how far others reach.
#[derive(Debug)]
pub(super) struct Slots {
    file: File,
    turn: u64,
}

impl Slots {
    /// Opens the file and returns what it says; none where it is new, and says nothing yet.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Option<Reach>)> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let found = last(&file)?;
        let turn = found.as_ref().map_or(0, |(turn, _)| *turn);
        let slots = Self { file, turn };
        Ok((slots, found.map(|(_, reach)| reach)))
    }

    /// Returns what the file says, and changes nothing; none where it says nothing, or is not there.
    pub(super) fn look(path: &Path) -> io::Result<Option<Reach>> {
        match File::open(path) {
            Ok(file) => Ok(last(&file)?.map(|(_, reach)| reach)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes how far the files reach, and waits until the disk has it.
    pub(super) fn write(&mut self, reach: &Reach) -> io::Result<()> {
        let turn = self.turn + 1;
        let bytes = encode(turn, reach)?;
        self.file.write_all_at(&bytes, (turn % 2) * SIZE as u64)?;
        self.file.sync_data()?;
        self.turn = turn;
        Ok(())
    }
}

/// Returns what was written last.
fn last(file: &File) -> io::Result<Option<(u64, Reach)>> {
    let mut found: Option<(u64, Reach)> = None;
    for place in 0..2 {
        let mut bytes = [0; SIZE];
        let read = file.read_at(&mut bytes, place * SIZE as u64)?;
        if let Some((turn, reach)) = decode(&bytes[..read])
            && found.as_ref().is_none_or(|(known, _)| *known < turn)
        {
            found = Some((turn, reach));
        }
    }
    Ok(found)
}

fn encode(turn: u64, reach: &Reach) -> io::Result<[u8; SIZE]> {
    let Reach {
        next,
        name,
        length,
        rows,
    } = reach;
    // No name of a file has a space.
    let rows = rows.map_or_else(String::new, |rows| format!(" {rows}"));
    let text = format!("{turn} {next} {length} {name}{rows}");
    let line = format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes()));
    let mut bytes = [b' '; SIZE];
    match bytes.get_mut(..line.len()) {
        Some(place) => place.copy_from_slice(line.as_bytes()),
        None => return Err(io::ErrorKind::InvalidFilename.into()),
    }
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Option<(u64, Reach)> {
    let (line, _) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
    let (sum, text) = line.split_once(' ')?;
    if u32::from_str_radix(sum, 16).ok()? != crc32fast::hash(text.as_bytes()) {
        return None;
    }
    let mut words = text.split(' ');
    let turn = words.next()?.parse().ok()?;
    let reach = Reach {
        next: words.next()?.parse().ok()?,
        length: words.next()?.parse().ok()?,
        name: words.next()?.to_owned(),
        rows: words.next().and_then(|rows| rows.parse().ok()),
    };
    Some((turn, reach))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_was_cut_off_at_any_byte_leaves_the_one_before() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("0");
        let reach = |next| Reach {
            next,
            name: format!("file-{next}.jsonl"),
            length: 7,
            rows: u64::try_from(next).ok(),
        };
        let (mut slots, found) = Slots::open(&path).expect("opens");
        assert_eq!(found, None);
        for next in [1, 2, 3] {
            slots.write(&reach(next)).expect("is written");
            assert_eq!(Slots::open(&path).expect("opens").1, Some(reach(next)));
        }
        let old = std::fs::read(&path).expect("is read");
        slots.write(&reach(4)).expect("is written");
        let new = std::fs::read(&path).expect("is read");
        for cut in 0..SIZE {
            let bytes = [&new[..cut], &old[cut..]].concat();
            std::fs::write(&path, bytes).expect("is written");
            let (_, found) = Slots::open(&path).expect("opens");
            let found = found.expect("one is whole");
            assert!([reach(3), reach(4)].contains(&found), "{cut}: {found:?}");
        }
        let long = Reach {
            name: "x".repeat(SIZE),
            ..Reach::default()
        };
        assert!(slots.write(&long).is_err());
        // As an older consumer wrote it.
        let older = Reach {
            rows: None,
            ..reach(5)
        };
        slots.write(&older).expect("is written");
        assert_eq!(Slots::look(&path).expect("is read"), Some(older));
    }
}
