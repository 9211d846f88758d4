//! What the parts of a plan have in common: what each depends on, and the steps that it is made of. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::catalog::Catalog;
use super::observed::{Lease, Observed};
use super::operation::Operation;
use super::settings::Settings;
use crate::cloud::{self, CloudError, CloudStep, Meaning, Wanted};
use crate::topology::CloudName;

/// All that a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// What should be.
    pub wanted: &'a Wanted,
    /// How.
    pub settings: &'a Settings,
    /// What is.
    pub observed: &'a Observed,
    /// The site's offers; `None`: nothing is to be made.
    pub catalog: Option<&'a Catalog>,
    /// The time.
    pub now: Timestamp,
}

/// Stages, in order.
pub(super) mod stage {
    pub(in super::super) const FAILED: &str = "failed";
    pub(in super::super) const LEASE: &str = "lease";
    pub(in super::super) const ACCESS: &str = "access";
    pub(in super::super) const MACHINES: &str = "machines";
    pub(in super::super) const EXTEND: &str = "extend";
}

/// A step that is for no node in particular.
pub(super) fn step(stage: &str, words: String, operation: Operation) -> CloudStep {
    let meaning = match operation {
        Operation::Launch(_) => Meaning::Make,
        Operation::Allow { .. } => Meaning::LetIn,
        // A machine that is off is charged, too.
        _ => Meaning::Plain,
    };
    let operation = cloud::Operation::of(CloudName::CHAMELEON, operation);
    CloudStep {
        meaning,
        ..CloudStep::new(stage, words, operation)
    }
}

/// The offers where something is to be made.
pub(super) fn offers<'a>(view: &View<'a>) -> Result<&'a Catalog, CloudError> {
    view.catalog
        .ok_or_else(|| CloudError::Refused("the site's offers were not looked at".into()))
}

/// The step that waits for a lease, and for what it gives to nodes.
pub(super) fn await_lease(lease: &Lease, nodes: BTreeSet<String>) -> CloudStep {
    let words = format!("wait for the lease {}, which is {}", lease.id, lease.status);
    let (id, purpose) = (lease.id.clone(), lease.purpose);
    let wait = Operation::AwaitLease { id, purpose, nodes };
    step(stage::LEASE, words, wait)
}
