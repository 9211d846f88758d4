//! The end of a lease: it deletes the machines and all documents on them, so it is said again and again.

use jiff::{SignedDuration, Timestamp};

use crate::cli::{Environment, Target};
use crate::cloud::ends::{LEASE_END, lease};
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
        .get(LEASE_END)
        .and_then(|text| text.parse().ok())
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
        reporter.event(&Event::Warning(lease(end, now)));
    }
}
