//! Lines of a byte stream, as many at once as are at hand.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// The most bytes of one line. Even when each of them needs six in JSON, the event fits into a record.
pub(super) const MAX_LINE: usize = 128 * 1024;
/// The longest end of a line.
const END: usize = 2;
/// The bytes of lines above which no more are waited for or taken along.
const BATCH: usize = 256 * 1024;

/// A line and how many bytes of the stream it took.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The line without its end; what was not UTF-8 is replaced.
    pub(super) text: String,
    /// All its bytes, its end included.
    pub(super) bytes: u64,
    /// What stands behind it.
    pub(super) end: End,
    /// How many of its bytes were NUL and are left out.
    pub(super) nuls: u64,
}

/// What stands behind a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Its end.
    Line,
    /// The rest of it: it is too long for one event.
    More,
    /// Nothing yet, or nothing any more.
    Nothing,
}

/// What is done with NUL bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nuls {
    /// They belong to the line.
    Kept,
    /// They are what a file shows where nobody wrote, and no part of a line.
    Skipped,
}

/// Reads the lines of a stream.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: BufReader<R>,
    nuls: Nuls,
    /// What was read of a line beyond the part of it that was given out.
    carried: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(input: BufReader<R>, nuls: Nuls) -> Self {
        Self {
            input,
            nuls,
            carried: Vec::new(),
        }
    }

    /// Waits for a line, then takes along those that are in the buffer. Nothing is the end of the stream. A line longer
    /// than [`MAX_LINE`] becomes several, none of which ends within a character.
    pub(super) async fn read(&mut self) -> std::io::Result<Vec<Line>> {
        let (mut lines, mut size) = (Vec::new(), 0);
        loop {
            let mut bytes = std::mem::take(&mut self.carried);
            let room = MAX_LINE + END - bytes.len();
            let input = &mut self.input;
            input
                .take(room as u64)
                .read_until(b'\n', &mut bytes)
                .await?;
            if bytes.is_empty() {
                return Ok(lines);
            }
            let has_end = bytes.last() == Some(&b'\n');
            let is_long = !has_end && bytes.len() == MAX_LINE + END;
            if is_long {
                self.carried = bytes.split_off(cut(&bytes));
            }
            size += bytes.len();
            lines.push(Line::new(bytes, is_long, self.nuls));
            if size >= BATCH || !self.input.buffer().contains(&b'\n') {
                return Ok(lines);
            }
        }
    }
}

/// Where a line that is too long is cut: before the character that does not fit as a whole.
fn cut(bytes: &[u8]) -> usize {
    let is_inside = |at: usize| bytes[at] & 0xc0 == 0x80;
    (MAX_LINE - 3..=MAX_LINE)
        .rev()
        .find(|at| !is_inside(*at))
        // No character at all is that long.
        .unwrap_or(MAX_LINE)
}

impl Line {
    fn new(mut bytes: Vec<u8>, is_long: bool, nuls: Nuls) -> Self {
        let size = bytes.len();
        let end = if bytes.pop_if(|last| *last == b'\n').is_some() {
            bytes.pop_if(|last| *last == b'\r');
            End::Line
        } else if is_long {
            End::More
        } else {
            End::Nothing
        };
        let mut skipped = 0;
        if nuls == Nuls::Skipped && bytes.contains(&0) {
            let before = bytes.len();
            bytes.retain(|byte| *byte != 0);
            skipped = (before - bytes.len()) as u64;
        }
        Self {
            text: String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            bytes: size as u64,
            end,
            nuls: skipped,
        }
    }

    /// Returns whether nobody wrote it: it is all NUL bytes.
    pub(super) fn is_hole(&self) -> bool {
        self.nuls > 0 && self.text.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(input: &[u8], nuls: Nuls) -> Vec<Line> {
        let mut lines = Lines::new(BufReader::with_capacity(1000, input), nuls);
        let mut all = Vec::new();
        loop {
            let read = lines.read().await.expect("is read");
            if read.is_empty() {
                return all;
            }
            all.extend(read);
        }
    }

    #[tokio::test]
    async fn a_long_line_is_cut_between_characters_wherever_they_lie() {
        for character in ["x", "é", "€", "𝄞"] {
            for before in 0..5 {
                let line = "y".repeat(before) + &character.repeat(140_000);
                for end in ["\n", "\r\n", ""] {
                    let lines = read(format!("{line}{end}").as_bytes(), Nuls::Kept).await;
                    let text: String = lines.iter().map(|line| line.text.as_str()).collect();
                    assert!(text == line, "{character} after {before}");
                    assert!(lines.iter().all(|line| line.text.len() < MAX_LINE + END));
                    let bytes: u64 = lines.iter().map(|line| line.bytes).sum();
                    assert_eq!(bytes, (line.len() + end.len()) as u64);
                    let (last, others) = lines.split_last().expect("lines");
                    assert_eq!(last.end == End::Line, !end.is_empty());
                    assert!(others.iter().all(|line| line.end == End::More));
                }
            }
        }
    }

    #[tokio::test]
    async fn a_line_that_just_fits_is_one() {
        for (length, expected) in [(MAX_LINE, 1), (MAX_LINE + 2, 2)] {
            for end in ["\n", "\r\n"] {
                let line = "x".repeat(length) + end;
                assert_eq!(read(line.as_bytes(), Nuls::Kept).await.len(), expected);
            }
        }
        // Bytes of no character at all are cut where there is no more room.
        let lines = read(&vec![0x80; MAX_LINE * 2], Nuls::Kept).await;
        assert_eq!((lines.len(), lines[0].bytes), (2, MAX_LINE as u64));
    }

    #[tokio::test]
    async fn nobodys_bytes_are_left_out_and_counted() {
        let mut hole = vec![0; 300_000];
        hole.extend(b"after\nha\0\0lf\n\0\n");
        let lines = read(&hole, Nuls::Skipped).await;
        let text: Vec<&str> = lines
            .iter()
            .filter(|line| !line.is_hole())
            .map(|line| line.text.as_str())
            .collect();
        assert_eq!(text, ["after", "half"]);
        let nuls: u64 = lines.iter().map(|line| line.nuls).sum();
        assert_eq!(nuls, 300_003);
        assert_eq!(read(b"\0a\n", Nuls::Kept).await[0].text, "\0a");
    }
}
