//! The lines of the standard input, one event each.

use jiff::Timestamp;
use tokio::io::{AsyncRead, BufReader};
use tokio::sync::mpsc;

use super::Troubles;
use super::lines::{End, Line, Lines, Nuls};
use crate::event::{Payload, Taken};

/// How many bytes are read at once.
const BUFFER: usize = 256 * 1024;

/// Sends every line until the input ends or nobody listens. A line of more than 128 KiB becomes several.
pub async fn run(
    input: impl AsyncRead + Unpin,
    batches: mpsc::Sender<Vec<Taken>>,
    mut troubles: Troubles,
) {
    let mut input = Lines::new(BufReader::with_capacity(BUFFER, input), Nuls::Kept);
    loop {
        let lines = match input.read().await {
            Ok(lines) if lines.is_empty() => return,
            Ok(lines) => lines,
            Err(error) => {
                tracing::error!(%error, "the standard input cannot be read any more");
                return;
            }
        };
        let is_long = |line: &&Line| line.end == End::More;
        troubles.long_lines(lines.iter().filter(is_long).count() as u64);
        let at = Timestamp::now();
        let taken = |Line { text: line, .. }| Taken {
            at,
            payload: Payload::Line { line },
            mark: [0; 2],
        };
        if batches
            .send(lines.into_iter().map(taken).collect())
            .await
            .is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(input: &[u8]) -> Vec<String> {
        let (sender, mut receiver) = mpsc::channel(100);
        run(input, sender, Troubles::default()).await;
        let mut lines = Vec::new();
        while let Some(batch) = receiver.recv().await {
            for taken in batch {
                let Payload::Line { line } = taken.payload else {
                    panic!("not a line")
                };
                lines.push(line);
            }
        }
        lines
    }

    #[tokio::test]
    async fn each_line_is_an_event_also_empty_ones_and_the_last_without_an_end() {
        assert_eq!(
            read(b"a\n\nb\r\n\xff\xfec").await,
            ["a", "", "b", "\u{fffd}\u{fffd}c"]
        );
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_split_and_nothing_is_lost() {
        let long = vec![b'x'; 300_000];
        let lines = read(&long).await;
        assert_eq!(
            lines.iter().map(String::len).collect::<Vec<_>>(),
            [131_072, 131_072, 37_856]
        );
    }
}
