//! What the parts of a plan have in common: what each depends on, and the steps that it is made of. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::kinds::Kind;
use super::observed::Observed;
use super::operation::Operation;
use super::rules::Way;
use super::settings::Settings;
use crate::cloud::{self, CloudStep, Meaning, Wanted};
use crate::topology::CloudName;

/// What was chosen among AWS's offers. Asked for only when a machine is to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The image.
    pub image: String,
    /// The image's root device.
    pub root_device: String,
    /// Instance type → zones that offer it, in order.
    pub offers: BTreeMap<String, Vec<String>>,
    /// Instance type → what it has.
    pub kinds: BTreeMap<String, Kind>,
}

/// All that a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// What should be.
    pub wanted: &'a Wanted,
    /// How.
    pub settings: &'a Settings,
    /// What is.
    pub observed: &'a Observed,
    /// AWS's offers.
    pub catalog: &'a Catalog,
    /// The time.
    pub now: Timestamp,
}

/// Stages, in order.
pub(super) mod stage {
    pub(in super::super) const VPC: &str = "vpc";
    pub(in super::super) const NETWORK: &str = "network";
    pub(in super::super) const ROUTES: &str = "routes";
    pub(in super::super) const MACHINES: &str = "machines";
    pub(in super::super) const PROFILES: &str = "profiles";
    pub(in super::super) const TTL: &str = "ttl";
}

/// A step in words with its calls.
pub(super) fn step(stage: &str, words: String, calls: &str, operation: Operation) -> CloudStep {
    let meaning = match operation {
        Operation::Launch(_) => Meaning::Make,
        Operation::Start { .. } => Meaning::Start,
        Operation::Allow { way: Way::In, .. } => Meaning::LetIn,
        _ => Meaning::Plain,
    };
    let operation = cloud::Operation::of(CloudName::AWS, operation);
    CloudStep {
        meaning,
        ..CloudStep::new(stage, words + " (" + calls + ")", operation)
    }
}

/// The noted one of several, else the first.
pub(super) fn pick<'a>(
    view: &View<'a>,
    key: &str,
    ids: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let noted = view.wanted.notes.get(key);
    ids.clone()
        .find(|id| noted.is_some_and(|noted| noted == id))
        .or_else(|| ids.min())
}
