//! What running a command has in common on every kind of host: how it is wrapped, fed, listened to and judged.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::output::{self, collect};
use super::{Command, HostError, Line, Output};

/// Ends the command on the machine itself when its time is over (a dropped connection would leave it running), becomes root
/// only where the login is another (`-O /`: the root directory is ours), and turns death by a signal into 128 + n, which
/// ssh could not tell from a broken connection.
const WRAPPER: &str = r#"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8; export PATH LC_ALL; as=$1; shift; if [ "$as" = login ] || [ -O / ]; then timeout -k 5 "$@"; else sudo -n -- env PATH="$PATH" LC_ALL="$LC_ALL" timeout -k 5 "$@"; fi; exit $?"#;

/// How much later than the machine we lose patience ourselves: `timeout -k 5` and the way back.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// The program that a command really is on a machine.
pub(super) const PROGRAM: &str = "sh";

/// The arguments of [`PROGRAM`].
pub(super) fn arguments(command: &Command) -> Vec<String> {
    let user = if command.root { "root" } else { "login" };
    let seconds = format!("{:.3}", command.timeout.as_secs_f64());
    let mut arguments: Vec<String> = ["-c", WRAPPER, "deployer", user, &seconds]
        .map(Into::into)
        .into();
    arguments.push(command.program.clone());
    arguments.extend(command.arguments.iter().cloned());
    arguments
}

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
    let mut told = 0;
    loop {
        let end = stream.read_buf(&mut bytes).await? == 0;
        while let Some(length) = bytes[told..].iter().position(|byte| *byte == b'\n') {
            line(&String::from_utf8_lossy(&bytes[told..told + length]));
            told += length + 1;
        }
        if end {
            if told < bytes.len() {
                line(&String::from_utf8_lossy(&bytes[told..]));
            }
            return Ok(bytes);
        }
    }
}

/// Tells a command that was ended for its time, and one that could not become root, from one that ended by itself.
pub(super) fn judge(
    node: &str,
    command: &Command,
    output: Output,
    took: Duration,
) -> Result<Output, HostError> {
    if matches!(output.status, 124 | 137) && took >= command.timeout {
        return Err(HostError::CommandTimeout {
            node: node.into(),
            command: command.program.clone(),
            seconds: command.timeout.as_secs(),
        });
    }
    if command.root
        && let Some(detail) = refusal(output.status, &String::from_utf8_lossy(&output.stderr))
    {
        return Err(HostError::Sudo {
            node: node.into(),
            detail,
        });
    }
    Ok(output)
}

/// The words with which sudo refused, or with which the shell said that there is no sudo. That it cannot resolve the machine's
/// own name is only a warning of it: then the command did run.
fn refusal(status: i32, words: &str) -> Option<String> {
    let warning = |line: &&str| line.contains("unable to resolve host");
    let mut lines = words.lines().filter(|line| !warning(line));
    let first = lines.next()?;
    let refused = match status {
        1 => first.starts_with("sudo: "),
        127 => first.contains("sudo: ") && first.contains("not found"),
        _ => false,
    };
    refused.then(|| first.to_owned())
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn a_refusal_of_sudo_is_told_from_a_failed_command() {
        let password = "sudo: a password is required\n";
        assert_eq!(
            refusal(1, password).as_deref(),
            Some("sudo: a password is required")
        );
        let warned = "sudo: unable to resolve host x: Name or service not known\n";
        assert!(refusal(1, &format!("{warned}{password}")).is_some());
        assert_eq!(refusal(1, warned), None);
        assert_eq!(refusal(1, &format!("{warned}no such file\n")), None);
        assert_eq!(refusal(2, password), None);
        assert!(refusal(127, "sh: 1: sudo: not found\n").is_some());
        assert!(refusal(127, "sh: 1: nft: not found\n").is_none());
    }
}
