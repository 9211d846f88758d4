//! Waiting longer after each failure, with chance, so that many agents do not come back in step.

use std::time::Duration;

/// The waits between attempts.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempt: u32,
}

impl Backoff {
    /// Starts with about `first` and doubles up to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            attempt: 0,
        }
    }

    /// Returns how many waits there were.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the next wait: between half and all of the doubled time.
    pub fn next_wait(&mut self) -> Duration {
        let full = self
            .first
            .saturating_mul(1 << self.attempt.min(20))
            .min(self.longest);
        self.attempt = self.attempt.saturating_add(1);
        full.mul_f64(rand::random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for full in [100, 200, 400, 800, 1000, 1000] {
            let wait = backoff.next_wait().as_millis();
            assert!((full / 2..=full).contains(&wait), "{wait} of {full}");
        }
        for _ in 0..100 {
            assert!(backoff.next_wait() <= Duration::from_secs(1));
        }
    }
}
