//! The end of a lease: it deletes the machines and all documents on them, so it is said again and again.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::cli::{Environment, Target};
use crate::cloud::chameleon::notes::note;
use crate::receipt::Receipt;
use crate::report::{Event, Reporter};
use crate::run::journal;

use super::target;

/// From when on every command warns.
const SOON: SignedDuration = SignedDuration::from_hours(24);

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
    let minutes = end.duration_since(now).as_secs() / 60;
    let left = match minutes {
        i64::MIN..0 => {
            return format!(
                "the lease ended at {local}, and with it the machines and all documents on them"
            );
        }
        0..120 => format!("{minutes} min"),
        120..2880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1440),
    };
    format!(
        "the lease ends at {local}, in {left}: then the machines and all documents on them are deleted; `deployer extend 2d` prolongs it, `deployer export FILE` saves the documents"
    )
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
