//! Where a producer was in a file: which file it is, and how far it was read.
//!
//! A file is known by its number in its file system and when it was made, never by the device: that has another number
//! after the next mount. Beside it stand checksums of the file's first bytes, and of those before the place: they tell a
//! file that was written anew from the one that was read, and find that one again in a copy.

use std::fs::{File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::UNIX_EPOCH;

use super::Checkpoint;

/// How many of the first bytes are looked at.
const HEAD: u64 = 1024;
/// How many bytes before a place are looked at.
const TAIL: u64 = 256;
/// How many bits of a mark are the offset.
const OFFSET: u32 = 48;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// Which file it is.
    pub(super) id: u32,
    /// The checksum of its first bytes, as far as they were read.
    head: u32,
    /// The checksum of the bytes before the place; zero where nobody looked.
    tail: u16,
    /// How many of its bytes were read.
    pub(super) offset: u64,
}

impl Position {
    /// The beginning of a file.
    pub(super) fn start(id: u32) -> Self {
        Self {
            id,
            head: 0,
            tail: 0,
            offset: 0,
        }
    }

    /// The same place in a copy of the file.
    pub(super) fn of(self, id: u32) -> Self {
        Self { id, ..self }
    }

    /// Returns the checkpoint of some places.
    pub(super) fn checkpoint(positions: impl Iterator<Item = Self>) -> Checkpoint {
        let words = positions.flat_map(Self::mark);
        Checkpoint(words.flat_map(u64::to_le_bytes).collect())
    }

    /// Reads a checkpoint.
    pub(super) fn all_of(checkpoint: &Checkpoint) -> Vec<Self> {
        let (words, _) = checkpoint.0.as_chunks();
        let words: Vec<u64> = words.iter().copied().map(u64::from_le_bytes).collect();
        let (marks, _) = words.as_chunks();
        marks.iter().copied().map(Self::of_mark).collect()
    }

    /// Returns it as two words.
    pub(super) fn mark(self) -> [u64; 2] {
        let file = u64::from(self.id) << 32 | u64::from(self.head);
        [file, u64::from(self.tail) << OFFSET | self.offset]
    }

    /// Reads two such words.
    fn of_mark(mark: [u64; 2]) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "each is a part of its word"
        )]
        Self {
            id: (mark[0] >> 32) as u32,
            head: mark[0] as u32,
            tail: (mark[1] >> OFFSET) as u16,
            offset: mark[1] & ((1 << OFFSET) - 1),
        }
    }

    /// Notes how far the file was read, `head` being its first bytes.
    pub(super) fn go_to(&mut self, offset: u64, head: &[u8]) {
        if self.offset < HEAD {
            let read = usize::try_from(offset).unwrap_or(usize::MAX);
            self.head = crc32fast::hash(&head[..read.min(head.len())]);
        }
        (self.offset, self.tail) = (offset, 0);
    }

    /// Notes what stands before the place.
    pub(super) fn look_back(&mut self, file: &File) -> std::io::Result<()> {
        self.tail = tail(file, self.offset)?;
        Ok(())
    }

    /// Returns whether the file's first bytes are those that were read.
    pub(super) fn is_begun_in(self, file: &File) -> std::io::Result<bool> {
        let read = usize::try_from(self.offset.min(HEAD)).unwrap_or(0);
        let head = head(file)?;
        Ok(head.len() >= read && crc32fast::hash(&head[..read]) == self.head)
    }

    /// Returns whether another file holds what was read: it begins with the same bytes, and has the same before the place.
    /// Too little was read to tell where the head is not full.
    pub(super) fn is_copied_in(self, file: &File) -> std::io::Result<bool> {
        Ok(self.offset >= HEAD
            && self.tail != 0
            && file.metadata()?.len() >= self.offset
            && self.is_begun_in(file)?
            && tail(file, self.offset)? == self.tail)
    }
}

/// Returns a file's first bytes, as many as are looked at.
pub(super) fn head(file: &File) -> std::io::Result<Vec<u8>> {
    read_at(file, 0, HEAD)
}

fn tail(file: &File, offset: u64) -> std::io::Result<u16> {
    let length = offset.min(TAIL);
    let sum = crc32fast::hash(&read_at(file, offset - length, length)?);
    Ok(((sum >> 16) as u16).max(1))
}

fn read_at(file: &File, offset: u64, length: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], offset + read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    bytes.truncate(read);
    Ok(bytes)
}

/// Returns a number that tells a file from others, also from a later one in its place on the disk where the file system
/// knows when a file was made.
pub(super) fn id(metadata: &Metadata) -> u32 {
    let made = metadata.created().ok();
    let made = made.and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&metadata.ino().to_le_bytes());
    hasher.update(&made.map_or(0, |made| made.as_nanos()).to_le_bytes());
    hasher.finalize().max(1)
}

/// Returns the number by which producers up to c2ae302 knew a file, so that one of them can be followed by this.
pub(super) fn former_id(metadata: &Metadata) -> u64 {
    let mut hasher = DefaultHasher::new();
    let made = metadata.created().ok();
    (metadata.dev(), metadata.ino(), made).hash(&mut hasher);
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(text).expect("is written");
        file
    }

    fn read_to(text: &[u8], offset: u64) -> Position {
        let mut position = Position::start(7);
        position.go_to(offset, &text[..text.len().min(1024)]);
        position.look_back(&file(text)).expect("is read");
        position
    }

    #[test]
    fn a_place_comes_back_from_its_mark() {
        let text = b"a line\n".repeat(1000);
        for offset in [0, 7, 1022, 1029, 7000] {
            let position = read_to(&text, offset);
            assert_eq!(Position::of_mark(position.mark()), position);
            assert!(position.is_begun_in(&file(&text)).expect("is read"));
        }
    }

    #[test]
    fn another_beginning_is_another_file_and_a_copy_is_found() {
        let text: Vec<u8> = (0..1000)
            .flat_map(|line| format!("line {line}\n").into_bytes())
            .collect();
        let position = read_to(&text, 5000);
        let mut other = text.clone();
        other[3] = b'x';
        assert!(!position.is_begun_in(&file(&other)).expect("is read"));
        assert!(!position.is_begun_in(&file(b"")).expect("is read"));
        assert!(position.is_copied_in(&file(&text)).expect("is read"));
        let mut other = text.clone();
        other[4990] = b'x';
        assert!(position.is_begun_in(&file(&other)).expect("is read"));
        assert!(!position.is_copied_in(&file(&other)).expect("is read"));
        assert!(
            !position
                .is_copied_in(&file(&text[..4999]))
                .expect("is read")
        );
        // So short a beginning many files have.
        assert!(
            !read_to(&text, 14)
                .is_copied_in(&file(&text))
                .expect("is read")
        );
    }
}
