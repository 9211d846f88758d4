//! Trying again: for how long or how often, and after which pauses.
//!
//! No crate does it. Those for retries (`backon` and its like) call a function again while it fails. What is tried again here is mostly
//! a look at a thing on its way: it does not fail, it says what it saw, and the limit may change with that.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Attempts at one thing. The first has begun.
#[derive(Debug)]
pub struct Retry {
    began: Instant,
    within: Option<Duration>,
    times: Option<u32>,
    pauses: Pauses,
    jitter: bool,
    attempt: u32,
    next: Duration,
}

/// How long is waited after an attempt.
#[derive(Debug, Clone, Copy)]
enum Pauses {
    /// Always so long.
    Same(Duration),
    /// By so much longer after each attempt, up to so many times as long as the first.
    Growing(Duration, u32),
    /// So long at first, and twice as long after each attempt.
    Doubling(Duration),
}

impl Retry {
    /// Pauses of the same length.
    pub fn every(pause: Duration) -> Self {
        Self::with(Pauses::Same(pause))
    }

    /// Pauses that grow by the first, up to `most` times as long.
    pub fn growing(first: Duration, most: u32) -> Self {
        Self::with(Pauses::Growing(first, most))
    }

    /// Pauses that double.
    pub fn doubling(first: Duration) -> Self {
        Self::with(Pauses::Doubling(first))
    }

    fn with(pauses: Pauses) -> Self {
        let mut retry = Self {
            began: Instant::now(),
            within: None,
            times: None,
            pauses,
            jitter: false,
            attempt: 1,
            next: Duration::ZERO,
        };
        retry.next = retry.next_pause();
        retry
    }

    /// With a deadline, counted from when it was begun.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = Some(limit);
        self
    }

    /// With so many attempts at most.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// With pauses between half and one and a half as long, so that those who were sent away together do not come back together.
    #[must_use]
    pub fn with_jitter(mut self) -> Self {
        self.jitter = true;
        self.next = self.next_pause();
        self
    }

    /// Whether this was the last attempt.
    pub fn is_over(&self) -> bool {
        self.within.is_some_and(|limit| self.elapsed() >= limit)
            || self.times.is_some_and(|times| self.attempt >= times)
    }

    /// Since when it is tried.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// How much of its time is left; nothing where it has no deadline.
    pub fn left(&self) -> Duration {
        let limit = self.within.unwrap_or_default();
        limit.saturating_sub(self.elapsed())
    }

    /// The number of this attempt, counted from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What is said of an attempt that failed.
    pub fn failed(&self, why: impl std::fmt::Display) -> String {
        format!("attempt {}: {why}", self.attempt)
    }

    /// Whether so much time is left after the next pause.
    pub fn leaves(&self, time: Duration) -> bool {
        self.left() >= self.next + time
    }

    /// Waits for the next attempt.
    pub async fn pause(&mut self) {
        sleep(self.next).await;
        self.attempt = self.attempt.saturating_add(1);
        self.next = self.next_pause();
    }

    fn next_pause(&self) -> Duration {
        let pause = match self.pauses {
            Pauses::Same(pause) => pause,
            Pauses::Growing(first, most) => first * self.attempt.min(most),
            Pauses::Doubling(first) => first.saturating_mul(1 << (self.attempt - 1).min(20)),
        };
        if self.jitter {
            pause.mul_f64(rand::random_range(0.5..1.5))
        } else {
            pause
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(10);

    async fn pauses(mut retry: Retry) -> Vec<Duration> {
        let mut pauses = Vec::new();
        while !retry.is_over() {
            pauses.push(retry.next);
            retry.pause().await;
        }
        pauses
    }

    #[tokio::test]
    async fn each_kind_of_pauses_is_kept() {
        let lengths = |factors: &[u32]| factors.iter().map(|n| STEP * *n).collect::<Vec<_>>();
        let of = |retry: Retry| pauses(retry.times(5));
        assert_eq!(of(Retry::every(STEP)).await, lengths(&[1, 1, 1, 1]));
        assert_eq!(of(Retry::growing(STEP, 3)).await, lengths(&[1, 2, 3, 3]));
        assert_eq!(of(Retry::doubling(STEP)).await, lengths(&[1, 2, 4, 8]));
        for pause in of(Retry::every(STEP).with_jitter()).await {
            assert!(pause >= STEP / 2 && pause <= STEP * 3 / 2, "{pause:?}");
        }
    }

    #[tokio::test]
    async fn a_deadline_counts_the_time_of_the_attempts_too() {
        let retry = Retry::every(STEP).within(STEP * 5);
        assert!(!retry.is_over() && retry.leaves(STEP) && !retry.leaves(STEP * 5));
        sleep(STEP * 6).await;
        assert!(retry.is_over() && retry.left().is_zero());
        assert!(Retry::every(STEP).within(Duration::ZERO).is_over());
    }

    #[tokio::test]
    async fn attempts_are_counted_from_one() {
        let mut retry = Retry::every(Duration::ZERO);
        assert_eq!(retry.failed("no answer"), "attempt 1: no answer");
        retry.pause().await;
        assert_eq!(retry.attempt(), 2);
        assert!(!retry.is_over(), "nothing limits it");
    }
}
