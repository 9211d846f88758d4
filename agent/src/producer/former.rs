//! What producers up to e66db31 left behind, so that one of them can be followed by this: each event had two words that said
//! where its source was, and the state those of every file that was read.

use crate::source::Checkpoint;

/// The words of one event.
pub(super) type Mark = [u64; 2];

/// The bytes of a mark.
const BYTES: usize = 16;

/// How many files were remembered.
const MOST: usize = 17;

/// Takes the mark of an event into the checkpoint: in the place of the one that its file had, at the end.
pub(super) fn add(checkpoint: &mut Checkpoint, mark: Mark) {
    if mark == [0; 2] {
        return;
    }
    let bytes: Vec<u8> = mark.into_iter().flat_map(u64::to_le_bytes).collect();
    // The upper half of the first word tells the file.
    let file = |mark: &[u8]| mark.get(4..8).map(<[u8]>::to_vec);
    let others = checkpoint.0.chunks_exact(BYTES);
    let mut marks: Vec<&[u8]> = others.filter(|other| file(other) != file(&bytes)).collect();
    marks.push(&bytes);
    checkpoint.0 = marks[marks.len().saturating_sub(MOST)..].concat();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_each_file_is_remembered_but_not_of_all_that_ever_were() {
        let mark = |file: u64, offset| [file << 32 | offset, offset];
        let words = |checkpoint: &Checkpoint| -> Vec<u64> {
            let words = checkpoint.0.chunks_exact(8);
            words
                .map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")))
                .collect()
        };
        let mut checkpoint = Checkpoint::default();
        add(&mut checkpoint, [0; 2]);
        assert!(checkpoint.is_empty());
        for (file, offset) in [(1, 5), (1, 6), (2, 3), (1, 7), (2, 4)] {
            add(&mut checkpoint, mark(file, offset));
        }
        assert_eq!(words(&checkpoint), [mark(1, 7), mark(2, 4)].concat());
        for file in 3..100 {
            add(&mut checkpoint, mark(file, 1));
        }
        assert_eq!(checkpoint.0.len(), MOST * BYTES);
        assert_eq!(words(&checkpoint)[2 * MOST - 2..], mark(99, 1));
    }
}
