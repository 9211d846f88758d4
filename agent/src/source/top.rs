//! Snapshots of the machine by `top`, on a fixed grid of time.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use tokio::process::Command;
use tokio::time::Instant;

use super::snapshot::{Snapshot, parse};
use super::{Batch, Checkpoint, Source, Start, Troubles};
use crate::event::{Payload, Taken};

/// The longest time one `top` may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// How often missed ticks are told, at most.
const TELL: Duration = Duration::from_secs(10);

/// Says why a snapshot could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// The program could not be started or read.
    #[error("`top` cannot be run")]
    Run(#[source] std::io::Error),
    /// The program did not end in time.
    #[error("`top` took more than {} s", DEADLINE.as_secs())]
    Slow,
    /// The program failed.
    #[error("`top` failed ({status}): {message}")]
    Failed {
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it said.
        message: String,
    },
    /// The output holds no load and no process.
    #[error("the output of `top` is not understood: {0:?}")]
    Unknown(String),
}

/// What is asked of `top`, and when.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Milliseconds from one snapshot to the next.
    interval_ms: u64,
    /// Whether the text of `top` is sent along.
    raw: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval_ms: 1000,
            raw: false,
        }
    }
}

impl super::Settings for Settings {
    fn check(&self) -> Result<(), (String, String)> {
        if (1..=86_400_000).contains(&self.interval_ms) {
            return Ok(());
        }
        Err((
            "source.interval_ms".to_owned(),
            "must be at least 1 and at most a day".to_owned(),
        ))
    }

    fn identity(&self, count: u64) -> String {
        let Self { interval_ms, raw } = self;
        format!("Top {count} {interval_ms} {raw}")
    }

    fn open(&self, start: Start) -> Box<dyn Source> {
        Box::new(Snapshots {
            top: Top::new(&start.directory),
            raw: self.raw,
            interval: Duration::from_millis(self.interval_ms),
            troubles: start.troubles,
            start: Instant::now(),
            last: None,
            untold: 0,
            told: None,
        })
    }
}

/// A snapshot at every point of a fixed grid of time. A tick that comes while the last snapshot is still being taken or
/// waits for its place is missed, counted and logged; so is what a snapshot lacks.
struct Snapshots {
    top: Top,
    raw: bool,
    interval: Duration,
    troubles: Troubles,
    start: Instant,
    /// The point of the last snapshot.
    last: Option<Instant>,
    /// How many ticks were missed since that was told.
    untold: u64,
    told: Option<Instant>,
}

impl Source for Snapshots {
    fn next(&mut self) -> BoxFuture<'_, Option<Batch>> {
        Box::pin(self.take())
    }

    fn waiting(&self) -> usize {
        // A snapshot that waits gets old; a missed one is logged.
        1
    }
}

impl Snapshots {
    async fn take(&mut self) -> Option<Batch> {
        loop {
            let tick = match self.last {
                Some(last) => self.after(last),
                None => self.start,
            };
            tokio::time::sleep_until(tick).await;
            self.last = Some(tick);
            match self.top.take(self.raw).await {
                Ok(snapshot) => {
                    tell_missing(&snapshot, &self.troubles);
                    return Some(Batch {
                        events: vec![Taken::now(Payload::Top(Box::new(snapshot)))],
                        checkpoint: Checkpoint::default(),
                    });
                }
                Err(error) => {
                    let error = crate::error::chain(&error);
                    self.troubles.count("snapshots_failed", 1);
                    tracing::error!(error, "no snapshot, the next tick goes on");
                    self.troubles.alarm(Some(error));
                }
            }
        }
    }

    /// Returns the next tick that is not over, and says how many are.
    fn after(&mut self, last: Instant) -> Instant {
        let (tick, missed) = next_tick(self.start, last, Instant::now(), self.interval);
        self.untold += missed;
        if missed > 0 {
            self.troubles.count("snapshots_missed", missed);
        }
        if self.untold > 0 && self.told.is_none_or(|told| told.elapsed() >= TELL) {
            tracing::warn!(
                missed = self.untold,
                "ticks are missed: `top` was slow, or Kafka did not take the events"
            );
            (self.untold, self.told) = (0, Some(Instant::now()));
        }
        tick
    }
}

/// Says which figures a snapshot lacks, where that changes: in its event they are null.
fn tell_missing(snapshot: &Snapshot, troubles: &Troubles) {
    let missing = snapshot.missing();
    if missing.is_empty() {
        if troubles.alarm(None) {
            tracing::info!("snapshots are whole again");
        }
        return;
    }
    troubles.count("snapshots_incomplete", 1);
    let reason = format!("`top` does not show {}", missing.join(", "));
    if troubles.alarm(Some(reason.clone())) {
        tracing::warn!("{reason}; in the events these are null");
    }
}

/// Returns the first point of the grid after `now` and how many were passed on the way; a point that is exactly now
/// is still kept.
fn next_tick(start: Instant, last: Instant, now: Instant, interval: Duration) -> (Instant, u64) {
    let next = last + interval;
    if now <= next {
        return (next, 0);
    }
    let nanos = interval.as_nanos().max(1);
    let passed = (now - start).as_nanos().div_ceil(nanos);
    let missed = passed.saturating_sub((next - start).as_nanos() / nanos);
    let offset = Duration::from_nanos(u64::try_from(passed * nanos).unwrap_or(u64::MAX));
    (start + offset, u64::try_from(missed).unwrap_or(u64::MAX))
}

/// Settings of `top` as it comes, in the format that every version of it reads: a system's or a user's own
/// (`/etc/topdefaultrc`, `~/.toprc`) would change the lines and columns.
const SETTINGS: &str = "\
RCfile for \"top with windows\"
Id:a, Mode_altscr=0, Mode_irixps=1, Delay_time=3.000, Curwin=0
Def\tfieldscur=AEHIOQTWKNMbcdfgjplrsuvyzX
\twinflags=62777, sortindx=10, maxtasks=0
\tsummclr=1, msgsclr=1, headclr=3, taskclr=1
Job\tfieldscur=ABcefgjlrstuvyzMKNHIWOPQDX
\twinflags=62777, sortindx=0, maxtasks=0
\tsummclr=6, msgsclr=6, headclr=7, taskclr=6
Mem\tfieldscur=ANOPQRSTUVbcdefgjlmyzWHIKX
\twinflags=62777, sortindx=13, maxtasks=0
\tsummclr=5, msgsclr=5, headclr=4, taskclr=5
Usr\tfieldscur=ABDECGfhijlopqrstuvyzMKNWX
\twinflags=62777, sortindx=4, maxtasks=0
\tsummclr=3, msgsclr=3, headclr=2, taskclr=3
";

/// Where there is no home, so no settings either.
const NOWHERE: &str = "/nonexistent";

/// Runs `top` with settings of our own.
#[derive(Debug)]
pub struct Top {
    /// The home that holds the settings; none where they are of no use.
    home: Option<PathBuf>,
}

impl Top {
    /// Keeps the settings in this directory.
    pub fn new(directory: &Path) -> Self {
        let written = std::fs::create_dir_all(directory)
            .and_then(|()| std::fs::write(directory.join(".toprc"), SETTINGS));
        if let Err(error) = &written {
            tracing::warn!(directory = %directory.display(), %error, "the settings of `top` cannot be written; the system's count");
        }
        Self {
            home: written.is_ok().then(|| directory.to_owned()),
        }
    }

    /// Takes one snapshot.
    ///
    /// # Errors
    /// When `top` cannot be run, fails, takes too long or says something else.
    pub async fn take(&mut self, raw: bool) -> Result<Snapshot, TopError> {
        let Some(home) = &self.home else {
            return take(Path::new(NOWHERE), raw).await;
        };
        let first = take(home, raw).await;
        if first.as_ref().is_ok_and(|first| first.missing().is_empty())
            || matches!(first, Err(TopError::Run(_) | TopError::Slow))
        {
            return first;
        }
        // A `top` that cannot read our settings may do without.
        let second = take(Path::new(NOWHERE), raw).await;
        match &second {
            Ok(found) if found.missing().is_empty() => {
                self.home = None;
                second
            }
            Ok(_) if first.is_err() => second,
            _ => first,
        }
    }
}

async fn take(home: &Path, raw: bool) -> Result<Snapshot, TopError> {
    let mut command = Command::new("top");
    // Nothing of the environment but where programs are: much of it changes what `top` shows.
    command
        // `-E m`: sizes in MiB, as most come.
        .args(["-b", "-n", "1", "-w", "512", "-E", "m"])
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("LC_ALL", "C")
        .env("TERM", "linux")
        .env("HOME", home)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(DEADLINE, command.output())
        .await
        .map_err(|_| TopError::Slow)?
        .map_err(TopError::Run)?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        return Err(TopError::Failed {
            status: output.status,
            message: message.chars().take(300).collect(),
        });
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut snapshot = parse(&text);
    if snapshot.load.is_empty() && snapshot.processes.is_empty() {
        return Err(TopError::Unknown(text.chars().take(100).collect()));
    }
    if raw {
        snapshot.raw = Some(text);
    }
    Ok(snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_does_not_drift_and_counts_what_it_missed() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(next_tick(start, start, at(300), second), (at(1000), 0));
        assert_eq!(next_tick(start, at(1000), at(1999), second), (at(2000), 0));
        assert_eq!(next_tick(start, at(1000), at(2500), second), (at(3000), 1));
        assert_eq!(next_tick(start, at(1000), at(5001), second), (at(6000), 4));
        assert_eq!(next_tick(start, at(1000), at(5000), second), (at(5000), 3));
    }

    #[tokio::test]
    async fn the_top_of_this_machine_is_understood() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut runs = Top::new(&directory.path().join("top"));
        let top = runs.take(true).await.expect("`top` runs here");
        assert!(runs.home.is_some(), "our settings are understood");
        assert_eq!(top.missing(), [""; 0]);
        assert_eq!(top.load.len(), 3);
        assert!(
            top.tasks.total > Some(0)
                && top.memory.unit.as_deref() == Some("MiB")
                && top.memory.total > Some(0.0)
                && !top.processes.is_empty()
        );
        assert!(top.raw.is_some_and(|text| text.contains("load average")));
    }
}
