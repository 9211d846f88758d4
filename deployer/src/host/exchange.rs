//! What running a command has in common on every kind of host: how it is fed, listened to and judged.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::output::{self, collect};
use super::{Command, HostError, Line, Output, transport};

/// How much later than the machine we lose patience ourselves: `timeout -k 5` and the way back.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// Feeds a command and listens to it until it has closed its outputs.
///
/// A command that does not read all of its input is no error here: its exit code says what it meant.
pub(super) async fn exchange(
    input: Option<(impl AsyncWrite + Unpin, &[u8])>,
    stdout: impl AsyncRead + Unpin,
    stderr: impl AsyncRead + Unpin,
    line: Line<'_>,
) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let feed = async {
        let Some((mut pipe, bytes)) = input else {
            return Ok(());
        };
        match pipe.write_all(bytes).await {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
        // Dropping the pipe is the end of the input.
    };
    let ((), out, err) =
        tokio::try_join!(feed, collect(stdout, output::MOST), listen(stderr, line))?;
    Ok((out, err))
}

async fn listen(mut stream: impl AsyncRead + Unpin, line: Line<'_>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // What comes before the command begins is not its own.
    let mut begun = None;
    loop {
        let end = stream.read_buf(&mut bytes).await? == 0;
        begun = begun.or_else(|| transport::beginning(&bytes));
        let Some(told) = &mut begun else {
            if end {
                return Ok(bytes);
            }
            continue;
        };
        while let Some(length) = bytes[*told..].iter().position(|byte| *byte == b'\n') {
            line(&String::from_utf8_lossy(&bytes[*told..*told + length]));
            *told += length + 1;
        }
        if end {
            if *told < bytes.len() {
                line(&String::from_utf8_lossy(&bytes[*told..]));
            }
            return Ok(bytes);
        }
    }
}

/// Tells a command that was ended for its time, and one that never began, from one that ended by itself.
pub(super) fn judge(
    node: &str,
    command: &Command,
    output: &Output,
    took: Duration,
) -> Result<Output, HostError> {
    if matches!(output.status, 124 | 137) && took >= command.timeout {
        return Err(HostError::CommandTimeout {
            node: node.into(),
            command: command.program.clone(),
            seconds: command.timeout.as_secs(),
        });
    }
    transport::own_words(node, command.root, output)
}
