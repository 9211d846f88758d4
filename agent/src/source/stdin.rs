//! The lines of the standard input, one event each.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::mpsc;

use crate::event::{Payload, Taken};

/// The most bytes of one line. Even when each of them needs six in JSON, the event fits into a record.
const MAX_LINE: u64 = 128 * 1024;

/// Sends every line until the input ends or nobody listens. A line of more than 128 KiB becomes several.
pub async fn run(input: impl AsyncRead + Unpin, lines: mpsc::Sender<Taken>) {
    let mut input = BufReader::new(input);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match (&mut input)
            .take(MAX_LINE)
            .read_until(b'\n', &mut bytes)
            .await
        {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "the standard input cannot be read any more");
                return;
            }
        }
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        } else if bytes.len() as u64 == MAX_LINE {
            tracing::warn!(
                bytes = MAX_LINE,
                "a line is too long for one event and is split"
            );
        }
        let line = String::from_utf8_lossy(&bytes).into_owned();
        if lines
            .send(Taken::now(Payload::Line { line }))
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
        run(input, sender).await;
        let mut lines = Vec::new();
        while let Some(taken) = receiver.recv().await {
            let Payload::Line { line } = taken.payload else {
                panic!("not a line")
            };
            lines.push(line);
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
