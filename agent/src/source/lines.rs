//! Lines of a byte stream, as many at once as are at hand.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// The most bytes of one line. Even when each of them needs six in JSON, the event fits into a record.
pub(super) const MAX_LINE: usize = 128 * 1024;
/// The bytes of lines above which no more are waited for or taken along.
const BATCH: usize = 256 * 1024;

/// A line and how many bytes of the stream it took.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The line without its end; what was not UTF-8 is replaced.
    pub(super) text: String,
    /// All its bytes, its end included.
    pub(super) bytes: u64,
    /// Whether its end was there. A line that is too long has none, nor has the last one of a stream that ends without.
    pub(super) has_end: bool,
}

/// Reads lines: waits for one, then takes along those that are in the buffer. Nothing is the end of the stream. A line
/// longer than [`MAX_LINE`] becomes several.
pub(super) async fn read(
    input: &mut BufReader<impl AsyncRead + Unpin>,
) -> std::io::Result<Vec<Line>> {
    let (mut lines, mut size) = (Vec::new(), 0);
    loop {
        let mut bytes = Vec::new();
        if input
            .take(MAX_LINE as u64)
            .read_until(b'\n', &mut bytes)
            .await?
            == 0
        {
            return Ok(lines);
        }
        size += bytes.len();
        lines.push(Line::new(bytes));
        if size >= BATCH || !input.buffer().contains(&b'\n') {
            return Ok(lines);
        }
    }
}

impl Line {
    fn new(mut bytes: Vec<u8>) -> Self {
        let size = bytes.len();
        let has_end = bytes.pop_if(|last| *last == b'\n').is_some();
        if has_end {
            bytes.pop_if(|last| *last == b'\r');
        } else if size == MAX_LINE {
            tracing::warn!(
                bytes = size,
                "a line is too long for one event and is split"
            );
        }
        Self {
            text: String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            bytes: size as u64,
            has_end,
        }
    }
}
