//! A rehearsal: the verbs of this program, one after another, on machines that are thrown away, so that the first hour on a real
//! account finds what there is to find. What is tried is data; who does it is in `commands::rehearse`. Pure.

use std::time::Duration;

use clap::Args;

pub mod aws;
mod chameleon;
mod redact;
mod steps;
mod variant;

pub use redact::Redactor;
pub use variant::{Change, Variant};

use crate::topology::CloudName;

/// A cloud that a rehearsal is written for.
struct Row {
    cloud: CloudName,
    /// What is tried, in the order that finds most: each step is there because a real service was seen, or documented, to do
    /// otherwise than the services that this program is tested with.
    plan: fn(&Wishes) -> Rehearsal,
    /// The options of this cloud alone that are given.
    given: fn(&Wishes) -> Vec<&'static str>,
}

/// The clouds that a rehearsal is written for: a row and a file for each.
const CLOUDS: &[Row] = &[
    Row {
        cloud: CloudName::AWS,
        plan: |wishes| aws::plan(&wishes.aws),
        given: |wishes| wishes.aws.given(),
    },
    Row {
        cloud: CloudName::CHAMELEON,
        plan: |_| chameleon::plan(),
        given: |_| Vec::new(),
    },
];

/// What is asked for beyond what every account can give; each cloud has options of its own.
#[derive(Debug, Clone, Default, Args)]
#[group(skip)]
pub struct Wishes {
    /// On AWS.
    #[command(flatten)]
    pub aws: aws::Wishes,
}

/// Why nothing can be rehearsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRehearsal {
    /// No cloud is named, or one that no rehearsal is written for.
    #[error("a rehearsal is for a cloud that costs: {}", options())]
    NoCloud,
    /// Something is asked for that another cloud has.
    #[error("{option} is for --cloud {cloud} only")]
    OfAnother {
        /// The option.
        option: &'static str,
        /// The cloud that has it.
        cloud: CloudName,
    },
}

/// The clouds that a rehearsal is written for, as they are named on a command line.
fn options() -> String {
    let options = CLOUDS.iter().map(|row| format!("--cloud {}", row.cloud));
    options.collect::<Vec<_>>().join(" or ")
}

/// All that is tried on a cloud.
pub fn plan(cloud: Option<CloudName>, wishes: &Wishes) -> Result<Rehearsal, NoRehearsal> {
    let row = CLOUDS.iter().find(|row| Some(row.cloud) == cloud);
    let row = row.ok_or(NoRehearsal::NoCloud)?;
    for other in CLOUDS.iter().filter(|other| other.cloud != row.cloud) {
        if let Some(option) = (other.given)(wishes).first().copied() {
            let cloud = other.cloud;
            return Err(NoRehearsal::OfAnother { option, cloud });
        }
    }
    Ok((row.plan)(wishes))
}

/// What is tried, in order. Variants come one after another: at no time do the machines of two of them run.
#[derive(Debug, Clone, PartialEq)]
pub struct Rehearsal {
    /// The cloud.
    pub cloud: CloudName,
    /// What the report says besides, in words.
    pub remarks: Vec<&'static str>,
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
