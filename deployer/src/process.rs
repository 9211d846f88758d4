//! Processes of the operator's box: the one place that starts, feeds, reads and ends them. What one is for, and what its failure
//! means, is said by those who ask for it.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};

/// The most bytes that are collected of an output: more than the largest part of an export.
const MOST: usize = 256 << 20;

/// What a process is fed that reads nothing.
pub const NOTHING: Option<Feed<'static, ChildStdin>> = None;

/// Takes lines as they come, without what is blank at their ends. A type of its own because `async_trait` would otherwise give the
/// text the lifetime of the call.
pub type Line<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Takes bytes as they come.
pub type Bytes<'a> = &'a (dyn Fn(&[u8]) + Send + Sync);

/// What becomes of an output.
#[derive(Clone, Copy)]
pub enum Ear<'a> {
    /// It is collected.
    Whole,
    /// It is collected, and its lines are told as they come.
    Lines(Line<'a>),
    /// It is handed on as it comes, and nothing of it is kept.
    Live(Bytes<'a>),
}

/// What a process is fed.
pub struct Feed<'a, W> {
    /// Where it reads.
    pub pipe: W,
    /// What it reads.
    pub bytes: &'a [u8],
    /// That its input does not end before its outputs do.
    pub stays_open: bool,
}

/// How a process ended, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it printed on the error channel.
    pub stderr: Vec<u8>,
}

/// A program that reads nothing and is killed when we let go of it, unless it is told otherwise. No shell, and no secrets in its
/// arguments: every user of the box can see them.
#[expect(
    clippy::disallowed_methods,
    reason = "all processes of the box are started here"
)]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a process to its end. It reads `input`; `line` gets each line that it prints, on both channels. `None`: its time was over,
/// and it was killed.
pub async fn run(
    command: &mut Command,
    input: &[u8],
    within: Duration,
    line: Line<'_>,
) -> std::io::Result<Option<Ended>> {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let child = start(command)?;
    let end = end(child, (input, false), Ear::Lines(line), line);
    tokio::time::timeout(within, end).await.ok().transpose()
}

/// Starts a process whose outputs we read.
pub fn start(command: &mut Command) -> std::io::Result<Child> {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Feeds a process that was started, and listens to it until it ends; its input comes with whether it stays open until then. There
/// is no deadline: who asks has one. `error` gets the lines of the error channel.
pub async fn end(
    mut child: Child,
    (bytes, stays_open): (&[u8], bool),
    out: Ear<'_>,
    error: Line<'_>,
) -> std::io::Result<Ended> {
    let lacking = || std::io::Error::other("a process without outputs");
    let stdout = child.stdout.take().ok_or_else(lacking)?;
    let stderr = child.stderr.take().ok_or_else(lacking)?;
    let feed = child.stdin.take().map(|pipe| Feed {
        pipe,
        bytes,
        stays_open,
    });
    let (stdout, stderr) = exchange(feed, (stdout, out), (stderr, Ear::Lines(error))).await?;
    Ok(Ended {
        status: child.wait().await?,
        stdout,
        stderr,
    })
}

/// Feeds a process and hears both outputs until it has closed them. Each output comes with what becomes of it.
///
/// A process that does not read all of its input is no error here: its status says what it meant.
pub async fn exchange(
    input: Option<Feed<'_, impl AsyncWrite + Unpin>>,
    stdout: (impl AsyncRead + Unpin, Ear<'_>),
    stderr: (impl AsyncRead + Unpin, Ear<'_>),
) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let feed = async {
        let Some(mut feed) = input else {
            return Ok(None);
        };
        match feed.pipe.write_all(feed.bytes).await {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
            // Dropping the pipe is the end of the input.
            _ => Ok(feed.stays_open.then_some(feed.pipe)),
        }
    };
    let (_open_until_here, out, err) = tokio::try_join!(
        feed,
        collect(stdout.0, MOST, stdout.1),
        collect(stderr.0, MOST, stderr.1)
    )?;
    Ok((out, err))
}

/// Collects what a process prints, up to `most` bytes; more is an error, and nobody's memory.
async fn collect(
    mut stream: impl AsyncRead + Unpin,
    most: usize,
    ear: Ear<'_>,
) -> std::io::Result<Vec<u8>> {
    if let Ear::Live(hear) = ear {
        let mut bytes = Vec::with_capacity(16 << 10);
        while stream.read_buf(&mut bytes).await? > 0 {
            hear(&bytes);
            bytes.clear();
        }
        return Ok(bytes);
    }
    let mut stream = stream.take(most as u64 + 1);
    let (mut bytes, mut told) = (Vec::new(), 0);
    loop {
        bytes.reserve(16 << 10);
        let end = stream.read_buf(&mut bytes).await? == 0;
        if let Ear::Lines(line) = ear {
            let tell = |bytes: &[u8]| line(String::from_utf8_lossy(bytes).trim_end());
            while let Some(length) = bytes[told..].iter().position(|byte| *byte == b'\n') {
                tell(&bytes[told..told + length]);
                told += length + 1;
            }
            if end && told < bytes.len() {
                tell(&bytes[told..]);
            }
        }
        if bytes.len() > most {
            return Err(std::io::Error::other(format!(
                "it prints more than {} MiB",
                most >> 20
            )));
        }
        if end {
            return Ok(bytes);
        }
    }
}

/// The exit code; 128 + n when signal n ended it.
pub fn code(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Ctrl-C for one process alone: what it has begun it finishes.
pub fn terminate(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // Where it has ended already its status tells.
        let _ended = kill_process(pid, Signal::TERM);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    use tokio::io::AsyncReadExt as _;

    use super::{Ear, Feed, NOTHING, code, collect, command, exchange, run};

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn what_a_process_reads_says_and_ends_with_is_told() {
        let said = Mutex::new(Vec::new());
        let line = |line: &str| said.lock().expect("no panic").push(line.to_owned());
        let mut sh = command("sh");
        sh.args(["-c", "cat; exit 7"]);
        let ended = run(&mut sh, b"a \nb", SOON, &line).await.expect("it runs");
        let ended = ended.expect("in time");
        assert_eq!((code(ended.status), &*ended.stdout), (7, &b"a \nb"[..]));
        assert_eq!(*said.lock().expect("no panic"), ["a", "b"]);
    }

    #[tokio::test]
    async fn a_process_need_not_read_and_has_nothing_to_read_by_itself() {
        let much = vec![b'x'; 1 << 20];
        for (words, input) in [("exit 0", &*much), ("cat", b"")] {
            let mut sh = command("sh");
            let ended = run(sh.args(["-c", words]), input, SOON, &|_| ()).await;
            let ended = ended.expect("it runs").expect("in time");
            assert_eq!((code(ended.status), &*ended.stdout), (0, &b""[..]));
        }
    }

    #[tokio::test]
    async fn the_signal_that_ends_a_process_is_told() {
        let mut sh = command("sh");
        let ended = run(sh.args(["-c", "kill -TERM $$"]), b"", SOON, &|_| ()).await;
        let ended = ended.expect("it runs").expect("in time");
        assert_eq!(code(ended.status), 128 + 15);
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let began = Instant::now();
        let limit = Duration::from_millis(50);
        let ended = run(command("sleep").arg("60"), b"", limit, &|_| ()).await;
        assert_eq!(ended.expect("it runs"), None);
        assert!(began.elapsed() < SOON);
        let error = run(&mut command("no-such-program"), b"", SOON, &|_| ()).await;
        let error = error.expect_err("there is none");
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn what_is_heard_live_is_not_kept() {
        let heard = Mutex::new(Vec::new());
        let hear = |bytes: &[u8]| heard.lock().expect("no panic").extend_from_slice(bytes);
        let outputs = ((&b"one"[..], Ear::Live(&hear)), (&b"two"[..], Ear::Whole));
        let kept = exchange(NOTHING, outputs.0, outputs.1).await;
        assert_eq!(kept.expect("read"), (Vec::new(), b"two".to_vec()));
        assert_eq!(*heard.lock().expect("no panic"), b"one");
    }

    #[tokio::test]
    async fn an_input_that_stays_open_ends_after_the_outputs() {
        for stays_open in [true, false] {
            let (pipe, mut theirs) = tokio::io::duplex(8);
            let feed = Feed {
                pipe,
                bytes: b"x",
                stays_open,
            };
            let (out, other) = tokio::io::duplex(8);
            let outputs = ((out, Ear::Whole), (&b""[..], Ear::Whole));
            let exchanged = exchange(Some(feed), outputs.0, outputs.1);
            let read = async {
                let mut read = [0; 2];
                let first = theirs.read(&mut read).await.expect("read");
                let ended = tokio::time::timeout(Duration::from_millis(50), theirs.read(&mut read));
                let ended = matches!(ended.await, Ok(Ok(0)));
                drop(other);
                (first, ended)
            };
            let (exchanged, (first, ended)) = tokio::join!(exchanged, read);
            exchanged.expect("read");
            assert_eq!((first, ended), (1, !stays_open));
        }
    }

    #[tokio::test]
    async fn what_a_process_prints_is_bounded() {
        let text = b"x".repeat(3 << 20);
        for (most, is_taken) in [(3 << 20, true), ((3 << 20) - 1, false), (1 << 20, false)] {
            let collected = collect(text.as_slice(), most, Ear::Whole).await;
            assert_eq!(collected.is_ok_and(|all| all == text), is_taken, "{most}");
        }
        let error = collect(text.as_slice(), 1 << 20, Ear::Whole).await;
        let error = error.expect_err("too much");
        assert_eq!(error.to_string(), "it prints more than 1 MiB");
    }
}
