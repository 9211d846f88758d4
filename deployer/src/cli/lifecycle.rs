//! Options of the verbs that make a deployment, change it and take it away.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use super::Target;
use crate::guide::PAGES;
use crate::rehearsal::Wishes;
use crate::topology::Ttl;

/// Options of `up`.
#[derive(Debug, Args)]
pub struct Up {
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// What may change.
    #[command(flatten)]
    pub change: Change,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
    /// Wait until every producer with a count has sent all its events and they are documents.
    #[arg(long)]
    pub wait: bool,
    /// Forget this host of yours, which is dead for ever and no longer in the inventory; may be given several times.
    #[arg(long, value_name = "NODE")]
    pub forget: Vec<String>,
    /// The names of secrets that others shall follow: `secrets rotate` asks for that.
    #[arg(skip)]
    pub renew: Vec<String>,
}

/// Options of `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// What may change.
    #[command(flatten)]
    pub change: Change,
    /// Print the plan as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What `up` and `plan` may change beyond making and repairing.
#[derive(Debug, Clone, Default, Args)]
pub struct Change {
    /// Directory with the `producer` and `consumer` binaries, or with such a directory for each kind of machine
    /// [default: beside this program]
    #[arg(long, value_name = "DIR")]
    pub agents: Option<PathBuf>,
    /// Remove machines that the inventory no longer names.
    #[arg(long)]
    pub prune: bool,
    /// Accept that the data of this node is lost; may be given several times.
    #[arg(long, value_name = "NODE")]
    pub destroy_data: Vec<String>,
}

/// Options of `teardown`.
#[derive(Debug, Args)]
pub struct Teardown {
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// Take away the deployment with this id, without a receipt.
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Write all documents into this file first, and take nothing away if that fails.
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
    /// Leave data directories on existing hosts.
    #[arg(long)]
    pub keep_data: bool,
    /// Go on without this host of yours, which is dead for ever; may be given several times. Whatever lies on it stays.
    #[arg(long, value_name = "NODE")]
    pub forget: Vec<String>,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
}

/// Options of `render`.
#[derive(Debug, Args)]
pub struct Render {
    /// Where to write; one directory per node. Made if missing; must be empty.
    pub directory: PathBuf,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// Directory with the `producer` and `consumer` binaries, or with such a directory for each kind of machine
    /// [default: beside this program]
    #[arg(long, value_name = "DIR")]
    pub agents: Option<PathBuf>,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// Directory with the `producer` and `consumer` binaries, or with such a directory for each kind of machine
    /// [default: beside this program]
    #[arg(long, value_name = "DIR")]
    pub agents: Option<PathBuf>,
}

/// Options of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// How the cloud is reached; without `--cloud` this box and the clouds of all receipts.
    #[command(flatten)]
    pub target: Target,
}

/// Options of `adopt`.
#[derive(Debug, Args)]
pub struct Adopt {
    /// Where it is: the machines and hosts of `--inventory`; without, those of this box.
    #[command(flatten)]
    pub target: Target,
    /// The deployment's id: `deployer list`, or `deployer status` on the other laptop, says it.
    #[arg(long, value_name = "ID")]
    pub id: String,
    /// Read the copy on this host of the deployment, by your own SSH login.
    #[arg(long, value_name = "[USER@]HOST")]
    pub host: Option<String>,
    /// The file with the passphrase [default: it is asked for]
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// The file with your private key of age: `AGE-SECRET-KEY-1…`.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub identity: Option<PathBuf>,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
}

/// Options of `allow`.
#[derive(Debug, Args)]
pub struct Allow {
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
}

/// Options of `extend`.
#[derive(Debug, Args)]
pub struct Extend {
    /// From now on, such as `6h` or `2d`; on AWS also `never`.
    #[arg(value_name = "DURATION", value_parser = parse_ttl)]
    pub time: Ttl,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
}

/// Options of `rehearse`.
#[derive(Debug, Args)]
pub struct Rehearse {
    /// What is rehearsed: the inventory (and `--cloud`) of an ordinary `up`; names and ends are the rehearsal's own.
    #[command(flatten)]
    pub target: Target,
    /// What it may cost at most, in US dollars on AWS and in SUs on Chameleon [default: 1 and 2]
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    pub cost_cap: Option<f64>,
    /// How long it may take, such as `90m`; then all is taken away [default: 2h]
    #[arg(long, value_name = "DURATION", value_parser = parse_limit)]
    pub time_limit: Option<Duration>,
    /// The report to write; must not exist [default: rehearsal-CLOUD-TIME.md here]
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// What is asked for on some cloud.
    #[command(flatten)]
    pub wishes: Wishes,
    /// Directory with the `producer` and `consumer` binaries, or with such a directory for each kind of machine
    /// [default: beside this program]
    #[arg(long, value_name = "DIR")]
    pub agents: Option<PathBuf>,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
}

/// Options of `build-agents`.
#[derive(Debug, Args)]
pub struct BuildAgents {
    /// The machine they are for; may be given several times [default: one like this box]
    #[arg(long, value_enum, value_name = "MACHINE", default_values_t = AgentMachine::here())]
    pub target: Vec<AgentMachine>,
    /// Where to put them, each kind in a folder of its name [default: `agents` beside this program, where `up` finds them]
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
    /// The checkout.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub source: PathBuf,
}

/// A kind of machine that agents are built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AgentMachine {
    /// Intel and AMD.
    #[value(name = "x86_64")]
    X86,
    /// ARM, 64 bits.
    #[value(name = "aarch64")]
    Arm,
}

impl AgentMachine {
    /// As `uname -m` says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "aarch64",
        }
    }

    /// The kind of this box, if there is a name for it.
    fn here() -> Vec<Self> {
        let all = [Self::X86, Self::Arm].into_iter();
        all.filter(|machine| machine.name() == std::env::consts::ARCH)
            .collect()
    }
}

/// Options of `guide`.
#[derive(Debug, Args)]
pub struct Guide {
    /// The page; without it, all topics with a line each.
    #[arg(value_parser = PossibleValuesParser::new(PAGES.iter().map(|page| page.topic)))]
    pub topic: Option<String>,
}

/// Options of `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The file to write; must not exist.
    #[arg(default_value = "inventory.yaml")]
    pub file: PathBuf,
    /// The smallest inventory with every optional key commented, instead of the utilization pipeline.
    #[arg(long)]
    pub minimal: bool,
    /// One that is built in: logins, logs, logs-bucket, trucks, utilization.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "utilization",
        conflicts_with = "minimal"
    )]
    pub like: String,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

fn parse_ttl(text: &str) -> Result<Ttl, String> {
    Ttl::try_from(text.to_owned()).map_err(|why| format!("it {why}"))
}

/// A cap: a cap of nothing would refuse everything.
fn parse_amount(text: &str) -> Result<f64, String> {
    let amount = text.parse().ok();
    let usable = |amount: &f64| amount.is_finite() && *amount > 0.0;
    amount
        .filter(usable)
        .ok_or_else(|| "an amount such as `1.50`".to_owned())
}

/// A limit of a day at most: more is no rehearsal.
fn parse_limit(text: &str) -> Result<Duration, String> {
    let limit: Option<jiff::SignedDuration> = text.parse().ok();
    let day = Duration::from_hours(24);
    limit
        .and_then(|limit| Duration::try_from(limit).ok())
        .filter(|limit| !limit.is_zero() && *limit <= day)
        .ok_or_else(|| "a duration of at most a day, such as `90m`".to_owned())
}
