//! What systemd is told: that the agent has started, and again and again that its loop still turns.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior};

/// How often the loop turns at least, also where systemd does not watch.
const TURN: Duration = Duration::from_secs(1);

/// The agent as a service of systemd; outside of systemd nobody is told anything.
#[derive(Debug)]
pub struct Service {
    ticks: Interval,
}

impl Service {
    /// Tells that the agent has started.
    pub fn ready() -> Self {
        tell(&[NotifyState::Ready]);
        // Half of what systemd waits would be enough; often is cheap.
        let mut ticks = tokio::time::interval(TURN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks }
    }

    /// Waits for the loop's next turn, and tells that it came to it.
    pub async fn turn(&mut self) {
        self.ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }

    /// Tells that the agent ends.
    pub fn stopping() {
        tell(&[NotifyState::Stopping]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd could not be told");
    }
}
