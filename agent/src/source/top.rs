//! Snapshots of the machine by `top`, on a fixed grid of time.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::snapshot::{Snapshot, parse};
use crate::config::SourceSettings;
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

/// Sends a snapshot at every point of a fixed grid of time until nobody listens. A tick that comes while the last
/// snapshot is still being taken or waits for its place is missed and logged.
pub async fn run(settings: SourceSettings, snapshots: mpsc::Sender<Vec<Taken>>) {
    let start = Instant::now();
    let mut tick = start;
    let (mut untold, mut told) = (0, None::<Instant>);
    loop {
        tokio::time::sleep_until(tick).await;
        match take(settings.raw).await {
            Ok(snapshot) => {
                if snapshots
                    .send(vec![Taken::now(Payload::Top(Box::new(snapshot)))])
                    .await
                    .is_err()
                {
                    return;
                }
            }
            Err(error) => {
                tracing::error!(error = %crate::command::chain(&error), "no snapshot, the next tick goes on");
                if snapshots.is_closed() {
                    return;
                }
            }
        }
        let (next, missed) = next_tick(start, tick, Instant::now(), settings.interval());
        untold += missed;
        if untold > 0 && told.is_none_or(|told| told.elapsed() >= TELL) {
            tracing::warn!(
                missed = untold,
                "ticks are missed: `top` was slow, or Kafka did not take the events"
            );
            (untold, told) = (0, Some(Instant::now()));
        }
        tick = next;
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

/// Takes one snapshot.
///
/// # Errors
/// When `top` cannot be run, fails, takes too long or says something else.
pub async fn take(raw: bool) -> Result<Snapshot, TopError> {
    let mut command = Command::new("top");
    // A user's own settings would change the columns.
    command
        .args(["-b", "-n", "1", "-w", "512"])
        .env("LC_ALL", "C")
        .env("TERM", "linux")
        .env("HOME", "/nonexistent");
    command
        .env_remove("XDG_CONFIG_HOME")
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
        let top = take(true).await.expect("`top` runs here");
        assert_eq!(top.load.len(), 3);
        assert!(
            top.tasks.total > Some(0) && top.memory.total > Some(0.0) && !top.processes.is_empty()
        );
        assert!(top.raw.is_some_and(|text| text.contains("load average")));
    }
}
