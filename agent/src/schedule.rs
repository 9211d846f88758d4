//! When something is done again and again, in cron's words.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The longest time in which nobody looks at the clock again: it may be set.
const LOOK: Duration = Duration::from_secs(30);

/// Points of time in UTC by cron's five fields: minute, hour, day of the month, month, day of the week.
#[derive(Debug, Clone)]
pub struct Schedule(Cron);

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(text).map_err(|error| error.to_string())?;
        let schedule = Self(cron);
        match schedule.after(Timestamp::now()) {
            Some(_) => Ok(schedule),
            None => Err("names no day that ever comes".to_owned()),
        }
    }

    /// Returns its first point after a moment.
    pub fn after(&self, at: Timestamp) -> Option<Timestamp> {
        let at = at.to_zoned(TimeZone::UTC);
        let next = self.0.find_next_occurrence(&at, false).ok()?;
        Some(next.timestamp())
    }
}

/// Waits for a moment by the clock on the wall.
pub async fn wait_until(moment: Timestamp) {
    while let Ok(left) = Duration::try_from(moment.duration_since(Timestamp::now()))
        && !left.is_zero()
    {
        tokio::time::sleep(left.min(LOOK)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_fields_say_when() {
        let after = |text: &str, at: &str| {
            let schedule = Schedule::parse(text).expect("a schedule");
            let next = schedule.after(at.parse().expect("a moment"));
            next.expect("there is a next one").to_string()
        };
        for (text, at, next) in [
            (
                "0,20,40 * * * *",
                "2026-11-30T00:19:59Z",
                "2026-11-30T00:20:00Z",
            ),
            (
                "0,20,40 * * * *",
                "2026-11-30T00:20:00Z",
                "2026-11-30T00:40:00Z",
            ),
            (
                "*/20 * * * *",
                "2026-12-31T23:40:01Z",
                "2027-01-01T00:00:00Z",
            ),
            (
                "0 6 * * MON-FRI",
                "2026-11-27T06:00:00Z",
                "2026-11-30T06:00:00Z",
            ),
        ] {
            assert_eq!(after(text, at), next, "{text}");
        }
        for text in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "0 0 30 2 *",
            "daily",
        ] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_moment_that_is_over_is_not_waited_for() {
        wait_until(Timestamp::UNIX_EPOCH).await;
        let began = tokio::time::Instant::now();
        wait_until(Timestamp::now() + Duration::from_millis(50)).await;
        assert!(began.elapsed() >= Duration::from_millis(49));
    }
}
