//! One step: this program in a process of its own. It is not in our process group, so that Ctrl-C is ours to hand on.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::process::Child;
use tokio::sync::mpsc::unbounded_channel;

use crate::cli::STEP;
use crate::process::{self, Ear, NOTHING, code, terminate};
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

fn start(arguments: &[String], holds: &File) -> std::io::Result<Child> {
    // The program that runs, even where its file was replaced meanwhile.
    let own = PathBuf::from("/proc/self/exe");
    let program = if own.exists() {
        own
    } else {
        std::env::current_exe()?
    };
    process::start(
        process::command(program)
            .arg0("deployer")
            .args(arguments)
            .env(STEP, "1")
            .process_group(0)
            .stdin(holds.try_clone()?),
    )
}

/// Runs it to its end. `line` gets each line that it says.
pub(super) async fn run(run: &Run<'_>, line: &mut dyn FnMut(&str)) -> std::io::Result<End> {
    let mut child = start(run.arguments, run.holds)?;
    let (sender, mut lines) = unbounded_channel();
    if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
        tokio::spawn(async move {
            // Where nobody listens any more it has ended.
            let line = |text: &str| drop(sender.send(text.to_owned()));
            let lines = (stdout, Ear::Lines(&line));
            // Outputs that break have ended: the status tells the rest.
            let _ended = process::exchange(NOTHING, lines, (stderr, Ear::Lines(&line))).await;
        });
    }
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
    Ok(match end {
        None => End::Code(code(status)),
        // It ended before it was killed.
        Some(End::Killed) if status.code().is_some() => End::Code(code(status)),
        Some(end) => end,
    })
}

/// Called by a step: a rehearsal that is killed stops it, too, as Ctrl-C would.
pub fn end_with_parent() {
    // Where the kernel cannot, the next rehearsal waits for the step.
    let _set = set_parent_process_death_signal(Some(Signal::TERM));
}
