//! What systemd is told: that the agent has started, and again and again that its loop still turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, Interval, MissedTickBehavior};

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
        Self { ticks: ticks() }
    }

    /// Waits for the loop's next turn, and tells that it came to it.
    pub async fn turn(&mut self) {
        self.ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }

    /// Waits for the next turn, and tells that every loop came to it, where every one did.
    pub async fn turn_with(&mut self, loops: &[Pulse]) {
        self.ticks.tick().await;
        let is_alive = |pulse: &Pulse| pulse.turned.load(Ordering::Relaxed);
        if loops.iter().all(is_alive) {
            for pulse in loops {
                pulse.turned.store(false, Ordering::Relaxed);
            }
            tell(&[NotifyState::Watchdog]);
        }
    }

    /// Tells that the agent ends.
    pub fn stopping() {
        tell(&[NotifyState::Stopping]);
    }
}

/// That one of several loops turns; its copies tell the service.
#[derive(Debug, Clone, Default)]
pub struct Pulse {
    turned: Arc<AtomicBool>,
    next: Option<Instant>,
}

impl Pulse {
    /// Waits for the loop's next turn, and notes that it came to it.
    pub async fn beat(&mut self) {
        let next = *self.next.get_or_insert_with(Instant::now);
        tokio::time::sleep_until(next).await;
        self.next = Some(Instant::now() + TURN);
        self.turned.store(true, Ordering::Relaxed);
    }
}

fn ticks() -> Interval {
    // Half of what systemd waits would be enough; often is cheap.
    let mut ticks = tokio::time::interval(TURN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd could not be told");
    }
}
