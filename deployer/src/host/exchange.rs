//! What running a command has in common on every kind of host: how it is fed, listened to and judged.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Command, HostError, Input, Line, Output, transport};

/// How much later than the machine we lose patience ourselves: `timeout -k 5` and the way back.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// The bytes that a command is fed by us, and whether its input stays open after them.
pub(super) fn bytes(command: &Command) -> (&[u8], bool) {
    match &command.input {
        Input::Bytes(bytes) => (bytes, false),
        Input::Held(bytes) => (bytes, true),
        Input::Nothing | Input::File(_) | Input::Own => (&[], false),
    }
}

/// Hands on the lines of a command's error channel. What comes before the command begins is not its own.
pub(super) fn own_lines(line: Line<'_>) -> impl Fn(&str) + Send + Sync {
    let begun = AtomicBool::new(false);
    move |text| {
        if begun.load(Ordering::Relaxed) {
            line(text);
        } else if transport::begins(text) {
            begun.store(true, Ordering::Relaxed);
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
