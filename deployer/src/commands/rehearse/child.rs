//! One step: this program in a process of its own. It is not in our process group, so that Ctrl-C is ours to hand on.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::cli::STEP;
use crate::run::runner::Stop;

/// How long a step that is to stop may finish what it has begun.
const GRACE: Duration = Duration::from_mins(2);
/// From the line that tells the moment to the kill: the call is on its way then, and not yet answered.
const MOMENT: Duration = Duration::from_millis(300);
/// Connections that a step leaves open on purpose keep its output open, too: it has ended when it has ended.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, with this exit code; 128 + n: by signal n.
    Code(i32),
    /// We killed it in its moment.
    Killed,
    /// It took too long.
    Overdue,
    /// Somebody stopped the rehearsal.
    Stopped,
}

/// What is run, and until when.
pub(super) struct Run<'a> {
    /// Its arguments.
    pub(super) arguments: &'a [String],
    /// The words at which it is killed.
    pub(super) kill_at: Option<&'a str>,
    /// How long it may take.
    pub(super) within: Duration,
    /// What it holds open as long as it lives.
    pub(super) holds: &'a File,
    /// It is stopped when this is wished so many times.
    pub(super) stop: (&'a Stop, u32),
}

#[expect(
    clippy::disallowed_methods,
    reason = "the steps of a rehearsal are this very program"
)]
fn start(arguments: &[String], holds: &File) -> std::io::Result<Child> {
    // The program that runs, even where its file was replaced meanwhile.
    let own = PathBuf::from("/proc/self/exe");
    let program = if own.exists() {
        own
    } else {
        std::env::current_exe()?
    };
    Command::new(program)
        .arg0("deployer")
        .args(arguments)
        .env(STEP, "1")
        .process_group(0)
        .stdin(holds.try_clone()?)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Runs it to its end. `line` gets each line that it says.
pub(super) async fn run(run: &Run<'_>, line: &mut dyn FnMut(&str)) -> std::io::Result<End> {
    let mut child = start(run.arguments, run.holds)?;
    let (sender, mut lines) = unbounded_channel();
    tokio::spawn(read(child.stdout.take(), sender.clone()));
    tokio::spawn(read(child.stderr.take(), sender));
    let began = Instant::now();
    let mut end = None;
    let mut limit = run.within;
    let (stop, wishes) = run.stop;
    let status = loop {
        let left = limit.saturating_sub(began.elapsed());
        tokio::select! {
            biased;
            Some(text) = lines.recv() => {
                let text: String = text;
                line(&text);
                if end.is_none() && run.kill_at.is_some_and(|moment| text.contains(moment)) {
                    tokio::time::sleep(MOMENT).await;
                    end = Some(End::Killed);
                    // Where it has ended already its status tells.
                    let _ended = child.start_kill();
                }
            }
            status = child.wait() => break status?,
            None = stop.unless(wishes, std::future::pending::<()>()), if end.is_none() => {
                end = Some(End::Stopped);
                limit = began.elapsed() + GRACE;
                terminate(&child);
            }
            () = tokio::time::sleep(left) => {
                if end.is_none() {
                    end = Some(End::Overdue);
                    limit = began.elapsed() + GRACE;
                    terminate(&child);
                } else {
                    let _ended = child.start_kill();
                    limit += GRACE;
                }
            }
        }
    };
    while let Ok(Some(text)) = tokio::time::timeout(LAST_WORDS, lines.recv()).await {
        line(&text);
    }
    Ok(match (end, status.code()) {
        (None | Some(End::Killed), Some(code)) => End::Code(code),
        (None, None) => {
            use std::os::unix::process::ExitStatusExt as _;
            End::Code(128 + status.signal().unwrap_or_default())
        }
        (Some(end), _) => end,
    })
}

/// Called by a step: a rehearsal that is killed stops it, too, as Ctrl-C would.
pub fn end_with_parent() {
    // Where the kernel cannot, the next rehearsal waits for the step.
    let _set = set_parent_process_death_signal(Some(Signal::TERM));
}

/// Ctrl-C for it alone: what it has begun it finishes.
fn terminate(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // Where it has ended already its status tells.
        let _ended = kill_process(pid, Signal::TERM);
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>, into: UnboundedSender<String>) {
    let Some(stream) = stream else { return };
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    // A stream that breaks has ended: the program's status tells the rest.
    while reader.read_until(b'\n', &mut bytes).await.unwrap_or(0) > 0 {
        let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        if into.send(text).is_err() {
            return;
        }
        bytes.clear();
    }
}
