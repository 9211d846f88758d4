//! Deadlines of questions.

use std::time::Duration;

use tokio::time::Instant;

/// The time that is left until a deadline; never none, for libraries take that for "no limit".
pub(crate) fn left(deadline: Instant) -> Duration {
    deadline
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1))
}
