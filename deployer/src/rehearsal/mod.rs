//! A rehearsal: the verbs of this program, one after another, on machines that are thrown away, so that the first hour on a real
//! account finds what there is to find. What is tried is data; who does it is in `commands::rehearse`. Pure.

use std::time::Duration;

mod aws;
mod chameleon;
mod redact;
mod steps;
mod variant;

pub use redact::Redactor;
pub use variant::{Change, Variant};

use crate::topology::CloudName;

/// What is tried on a cloud, in the order that finds most: each step is there because a real service was seen, or documented, to do
/// otherwise than the services that this program is tested with.
type Plan = fn(&Wish) -> Rehearsal;

/// The clouds that a rehearsal is written for: a row and a file for each.
const CLOUDS: &[(CloudName, Plan)] = &[
    (CloudName::AWS, aws::plan),
    (CloudName::CHAMELEON, chameleon::plan),
];

/// The clouds that a rehearsal is written for.
pub fn clouds() -> impl Iterator<Item = CloudName> {
    CLOUDS.iter().map(|(cloud, _)| *cloud)
}

/// All that is tried for a wish; `None`: no rehearsal is written for its cloud.
pub fn plan(wish: &Wish) -> Option<Rehearsal> {
    let row = CLOUDS.iter().find(|(cloud, _)| *cloud == wish.cloud);
    row.map(|(_, plan)| plan(wish))
}

/// What is asked for beyond what every account can give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The cloud.
    pub cloud: CloudName,
    /// Whether machines are waited for until they power themselves off.
    pub power_off: bool,
    /// A VPC of the user's, with a private subnet in its first zone.
    pub vpc: Option<String>,
    /// Whether machines of another architecture are tried, too.
    pub arm: bool,
    /// Another region.
    pub region: Option<String>,
}

/// What is tried, in order. Variants come one after another: at no time do the machines of two of them run.
#[derive(Debug, Clone, PartialEq)]
pub struct Rehearsal {
    /// The deployments.
    pub variants: Vec<Variant>,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One thing that is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The deployment that it is about, by its name.
    pub variant: &'static str,
    /// What it is for.
    pub words: &'static str,
    /// What is done.
    pub act: Act,
    /// How it should end.
    pub expected: Expected,
    /// How long it may take.
    pub within: Duration,
    /// Which later steps make no sense where it ends otherwise.
    pub vital: Vital,
    /// It is left out where an earlier step of its variant said this.
    pub unless_said: Option<&'static str>,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A verb with its options. [`ID`] stands for the deployment's id.
    Verb(Vec<&'static str>),
    /// The same, killed (SIGKILL) in the moment in which it says this.
    Killed(Vec<&'static str>, &'static str),
    /// Looking again and again until all machines are off.
    AwaitPowerOff,
}

/// What needs a step to end as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vital {
    /// Nothing.
    No,
    /// The later steps of its variant.
    ForVariant,
    /// All later steps: nothing was made yet, and nothing is.
    ForAll,
}

/// Stands for the id of the variant's deployment.
pub const ID: &str = "{id}";

/// How a step should end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// With this exit code.
    Code(i32),
    /// Any exit code is an answer: sites differ.
    Answer,
    /// By our kill.
    Killed,
    /// The machines are off.
    Off,
}

impl Step {
    /// The verb, as far as it is one.
    pub fn verb(&self) -> Option<&'static str> {
        match &self.act {
            Act::Verb(words) | Act::Killed(words, _) => words.first().copied(),
            Act::AwaitPowerOff => None,
        }
    }

    /// Whether it takes machines away: it is done even where a vital step failed.
    pub fn takes_away(&self) -> bool {
        self.verb() == Some("teardown")
    }
}
