//! The end of a lease: it deletes the machines and all documents on them, so it is said again and again.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::cli::{Environment, Target};
use crate::cloud::chameleon::notes::note;
use crate::prepare::target;
use crate::receipt::Receipt;
use crate::report::{Event, Reporter};
use crate::run::journal;

/// From when on every command warns.
const SOON: SignedDuration = SignedDuration::from_hours(24);

/// What is so where machines answer although their lease is over by the receipt.
pub const ANSWERED: &str = "the lease is over by the receipt, and machines under it still answer: they go within minutes, or somebody \
    has prolonged it elsewhere; `deployer plan` looks, `deployer up` notes it";

/// When the deployment's lease ends, if it has one.
pub fn of(receipt: &Receipt) -> Option<Timestamp> {
    receipt
        .cloud_notes
        .get(note::END)
        .and_then(|text| text.parse().ok())
}

/// The end in words, in this box's own time.
pub fn words(end: Timestamp, now: Timestamp) -> String {
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

/// Warns where a deployment's lease ends soon. Whatever keeps the receipt from being read is the command's to say.
pub fn warn(options: &Target, environment: &Environment, reporter: &dyn Reporter) {
    let entry = target::existing(options, environment).ok();
    let receipt = entry.and_then(|entry| journal::read_receipt(&entry.directory).ok());
    let now = Timestamp::now();
    if let Some(end) = receipt
        .as_ref()
        .and_then(of)
        .filter(|end| end.duration_since(now) < SOON)
    {
        reporter.event(&Event::Warning(words(end, now)));
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
