//! When machines end by themselves, in words.

use jiff::{Timestamp, tz::TimeZone};

/// The file on machines that power themselves off that says when: seconds since 1970, or `never`. Whoever renews a deployment replaces
/// it.
pub const POWER_OFF_FILE: &str = "/etc/deployer/expires";

/// The content of [`POWER_OFF_FILE`].
pub fn power_off_content(end: Option<Timestamp>) -> String {
    match end {
        Some(time) => format!("{}\n", time.as_second()),
        None => "never\n".into(),
    }
}

/// The note with the end of a deployment's lease (RFC 3339): known without asking the site.
pub const LEASE_END: &str = "chameleon lease ends";

/// The end of a lease, in this box's own time.
pub fn lease(end: Timestamp, now: Timestamp) -> String {
    let local = end
        .to_zoned(TimeZone::system())
        .strftime("%a %-d %b %Y %H:%M %Z");
    let seconds = end.duration_since(now).as_secs();
    if seconds < 0 {
        return format!(
            "the lease ended at {local}, and with it the machines and all documents on them, unless somebody has prolonged it \
             elsewhere: `deployer plan` looks"
        );
    }
    let left = left(seconds);
    format!(
        "the lease ends at {local}, in {left}: then the machines and all documents on them are deleted; `deployer extend 2d` prolongs it, `deployer export FILE` saves the documents"
    )
}

/// A time to come, to the nearest minute, hour or day and hour: a lease of three days that has just begun ends `in 3 d`.
fn left(seconds: i64) -> String {
    let (minutes, hours) = ((seconds + 30) / 60, (seconds + 1800) / 3600);
    match (minutes, hours / 24, hours % 24) {
        (..120, ..) => format!("{minutes} min"),
        (_, ..2, _) => format!("{hours} h"),
        (_, days, 0) => format!("{days} d"),
        (_, days, hours) => format!("{days} d {hours} h"),
    }
}

/// The time left of machines that power themselves off: `5 h 12 min left`, `over since …`.
pub fn power_off(end: Option<Timestamp>, now: Timestamp) -> String {
    let Some(end) = end else {
        return "no end".into();
    };
    let minutes = end.duration_since(now).as_secs() / 60;
    if minutes < 0 {
        format!("over since {end}")
    } else {
        format!("{} h {} min left", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::left;

    #[test]
    fn times_are_told_to_the_nearest_unit() {
        let (minute, hour, day) = (60, 3600, 86_400);
        for (seconds, words) in [
            (0, "0 min"),
            (119 * minute + 29, "119 min"),
            (119 * minute + 30, "2 h"),
            (2 * day - hour, "47 h"),
            (2 * day - 40, "2 d"),
            (3 * day - 90, "3 d"),
            (3 * day + 50, "3 d"),
            (6 * day + 23 * hour, "6 d 23 h"),
        ] {
            assert_eq!(left(seconds), words, "{seconds}");
        }
    }
}
