//! The lines of the standard input, one event each.

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::io::{AsyncRead, BufReader};

use super::lines::{End, Line, Lines, Nuls};
use super::{Batch, Checkpoint, Source, Start, Troubles};
use crate::event::{Payload, Taken};

/// How many bytes are read at once.
const BUFFER: usize = 256 * 1024;

/// There is nothing to be said of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {}

impl super::Settings for Settings {
    fn makes_events(&self) -> bool {
        false
    }

    fn identity(&self, count: u64) -> String {
        // With the values that keys of other kinds had: so producers up to e66db31 wrote it.
        format!("Stdin {count} 1000 false")
    }

    fn open(&self, start: Start) -> Box<dyn Source> {
        Box::new(Input::new(tokio::io::stdin(), start.troubles))
    }
}

/// A stream whose every line is an event, until it ends. A line of more than 128 KiB becomes several.
struct Input<R> {
    lines: Lines<R>,
    troubles: Troubles,
}

impl<R: AsyncRead + Unpin> Input<R> {
    fn new(input: R, troubles: Troubles) -> Self {
        Self {
            lines: Lines::new(BufReader::with_capacity(BUFFER, input), Nuls::Kept),
            troubles,
        }
    }

    async fn read(&mut self) -> Option<Batch> {
        let lines = match self.lines.read().await {
            Ok(lines) if lines.is_empty() => return None,
            Ok(lines) => lines,
            Err(error) => {
                tracing::error!(%error, "the standard input cannot be read any more");
                return None;
            }
        };
        let is_long = |line: &&Line| line.end == End::More;
        self.troubles
            .long_lines(lines.iter().filter(is_long).count() as u64);
        let at = Timestamp::now();
        let taken = |Line { text: line, .. }| Taken {
            at,
            payload: Payload::Line { line },
        };
        Some(Batch {
            events: lines.into_iter().map(taken).collect(),
            // What was read is nowhere any more: a restart goes on with what comes then.
            checkpoint: Checkpoint::default(),
        })
    }
}

impl<R: AsyncRead + Unpin + Send> Source for Input<R> {
    fn next(&mut self) -> BoxFuture<'_, Option<Batch>> {
        Box::pin(self.read())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(input: &[u8]) -> Vec<String> {
        let mut input = Input::new(input, Troubles::default());
        let mut lines = Vec::new();
        while let Some(batch) = input.next().await {
            for taken in batch.events {
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
