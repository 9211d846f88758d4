//! Clouds: each gives machines for nodes. A cloud is a folder with three parts: what it sees (effects), what is to be done
//! (pure), and doing it (effects). Knows nothing of components or of what runs on a machine.
//!
//! Nothing outside asks for a cloud by its name. Another one is a folder here ([`Cloud`] and its [`provider::Provider`]), its section and
//! its kind in the inventory, and a row in the [`registry`]. What clouds with an API do alike stands in [`reconcile`], [`marks`],
//! [`wait`], [`caller`] and [`user_data`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::machine::{Machine, Profile};
use crate::secret::Secret;
use crate::topology::CloudName;

use finding::Finding;

pub mod aws;
pub mod caller;
pub mod chameleon;
mod elevate;
pub mod ends;
pub mod existing;
pub mod finding;
pub mod local;
pub mod marks;
pub mod needs;
mod program;
pub mod provider;
pub mod reconcile;
pub mod registry;
pub mod rules;
pub mod user_data;
pub mod wait;

/// What a deployment wants of one cloud. Wanting no machines is a teardown.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The deployment's id: in every machine's tag.
    pub id: String,
    /// The deployment's name.
    pub deployment: String,
    /// The machines.
    pub machines: BTreeMap<String, WantedMachine>,
    /// Debian packages that should be there already where the cloud makes images.
    pub packages: BTreeSet<String>,
    /// The public key that opens the machines (`ssh-ed25519 AAAA…`).
    pub user_key: String,
    /// Where its private half lies on the operator's box.
    pub user_key_path: Option<String>,
    /// Who asks: shown by clouds that several people share.
    pub owner: String,
    /// Hosts outside this cloud that must reach [`Wanted::outside_ports`]: node → public address.
    pub outside: BTreeMap<String, Ipv4Addr>,
    /// TCP ports that hosts outside this cloud must reach.
    pub outside_ports: BTreeSet<u16>,
    /// Whether machines that nobody wants are deleted with their data.
    pub prune: bool,
    /// `uname -m` of the agents that will run on the machines (`x86_64`, `aarch64`); `None`: none will, or it is not known.
    pub architecture: Option<String>,
    /// What the cloud noted at an earlier run (from the receipt).
    pub notes: BTreeMap<String, String>,
    /// Nodes whose machine this cloud made at an earlier run (from the receipt): what of these is not there is lost.
    pub made: BTreeSet<String>,
    /// Orphans that are to be removed with all they hold (`--prune`).
    pub remove: BTreeSet<String>,
}

impl Wanted {
    /// The same deployment with no machine wanted: a teardown.
    #[must_use]
    pub fn empty(&self) -> Self {
        Self {
            machines: BTreeMap::new(),
            ..self.clone()
        }
    }
}

/// One wanted machine.
#[derive(Debug, Clone)]
pub struct WantedMachine {
    /// Its host name, which is the node's name.
    pub node: String,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Whether hosts outside this cloud, if there are any, must reach it.
    pub open: bool,
    /// What it is to the cloud's other services; `None`: nothing, or what somebody else made it.
    pub profile: Option<Profile>,
    /// The private host key it gets before its first boot (OpenSSH's own format).
    pub host_key: Secret,
    /// Its public half.
    pub host_key_public: String,
}

/// What a cloud sees and would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CloudPlan {
    /// What would be done, in order; neighbours of the same stage at the same time.
    pub steps: Vec<CloudStep>,
    /// Machines that are there and run.
    pub machines: Vec<Machine>,
    /// Machines of this deployment that nobody wants: left alone unless asked to prune.
    pub orphans: BTreeSet<String>,
    /// Wanted machines that this cloud once made (they are in the receipt) and that are gone with their data.
    pub lost: BTreeSet<String>,
    /// When the machines power themselves off, as it will be once the steps are done; `None`: never.
    pub expires: Option<Timestamp>,
    /// What the user should know before the steps are done: what they cost, what could not be looked at.
    pub remarks: Vec<String>,
}

/// One thing a cloud would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CloudStep {
    /// Steps that may run at the same time share a stage.
    pub stage: String,
    /// The node it is for, if for one.
    pub node: Option<String>,
    /// In words: verb and object.
    pub words: String,
    /// What is lost by it, in words.
    pub loses: Option<String>,
    /// What it means to who does not know the cloud.
    #[serde(default, skip_serializing_if = "Meaning::is_plain")]
    pub meaning: Meaning,
    /// What exactly.
    pub operation: Operation,
}

impl CloudStep {
    /// A step for no node in particular.
    pub fn new(stage: &str, words: String, operation: Operation) -> Self {
        Self {
            stage: stage.into(),
            node: None,
            words,
            loses: None,
            meaning: Meaning::Plain,
            operation,
        }
    }
}

/// What a step means to who does not know the cloud.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// Nothing in particular.
    #[default]
    Plain,
    /// A machine begins to cost.
    Make,
    /// A machine that is off begins to run, and to cost, again.
    Start,
    /// Somebody more may come in.
    LetIn,
}

impl Meaning {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}

/// A cloud's own operation, as data under the cloud's name: it can be printed, compared and stored. Only its cloud reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Operation(Value);

impl Operation {
    /// An operation of the cloud that is called so.
    pub fn of(cloud: CloudName, operation: impl Serialize) -> Self {
        // What cannot be written is nobody's: it is refused when it is read.
        let operation = serde_json::to_value(operation).unwrap_or_default();
        Self(json!({ cloud.name(): operation }))
    }

    /// What it is to the cloud that is called so.
    pub fn read<T: DeserializeOwned>(&self, cloud: CloudName) -> Result<T, CloudError> {
        let own = self.0.get(cloud.name()).cloned().unwrap_or_default();
        serde_json::from_value(own)
            .map_err(|error| CloudError::Refused(format!("this is no step for {cloud}: {error}")))
    }
}

/// What an operation gave.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// A machine that now runs.
    pub machine: Option<Machine>,
    /// What the cloud wants to find again in [`Wanted::notes`].
    pub notes: BTreeMap<String, String>,
}

/// A deployment that a cloud found by itself, without a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its id.
    pub id: String,
    /// Its name.
    pub deployment: String,
    /// Its nodes.
    pub nodes: BTreeSet<String>,
    /// Who made it, where the cloud knows.
    pub owner: Option<String>,
    /// When its oldest machine was made, where the cloud knows.
    pub created: Option<Timestamp>,
    /// Machines and other things of it that are still there, in words.
    pub things: Vec<String>,
}

/// A cloud's own small notebook, kept by the caller. What a cloud is about to do, and must know after a crash, goes in here
/// first: [`Notes::record`] returns when it is on disk. The next run finds all of it in [`Wanted::notes`].
pub trait Notes: Send + Sync {
    /// What was noted.
    fn get(&self, key: &str) -> Option<String>;

    /// Notes something for good.
    fn record(&self, key: &str, value: &str) -> Result<(), CloudError>;
}

/// Says how far a long operation is. Given to a cloud so that it can show progress without knowing who shows it.
pub trait Progress: Send + Sync {
    /// One line on what happens now, for a node or for all.
    fn line(&self, node: Option<&str>, line: &str);
}

/// A cloud, connected to. What only some clouds can has a default that says so.
#[async_trait]
pub trait Cloud: Send + Sync {
    /// Looks at what is there with this id and says what would have to be done. Changes nothing.
    async fn plan(&self, wanted: &Wanted) -> Result<CloudPlan, CloudError>;

    /// Whether its steps need root on this box.
    fn needs_root(&self) -> bool {
        false
    }

    /// Does one step. Doing it twice is doing it once.
    async fn apply(
        &self,
        wanted: &Wanted,
        step: &CloudStep,
        notes: &dyn Notes,
        progress: &dyn Progress,
    ) -> Result<Applied, CloudError>;

    /// All that is still there with this id, in words; empty after a teardown.
    async fn leftovers(&self, id: &str) -> Result<Vec<String>, CloudError>;

    /// All deployments this cloud knows of.
    async fn deployments(&self) -> Result<Vec<Found>, CloudError>;

    /// Where on this box the files lie that machines with this id have written, by node; of clouds elsewhere there are none.
    async fn disks(&self, _id: &str) -> Result<BTreeMap<String, String>, CloudError> {
        Ok(BTreeMap::new())
    }

    /// What this cloud needs of the operator's box and does not find, and how to get it. [`needs::install`] gets it.
    async fn missing(&self) -> Result<Vec<Need>, CloudError> {
        Ok(needs::ssh())
    }

    /// What is found out about the account, without making anything: whether what is wanted could be made.
    async fn check(&self, _wanted: &Wanted) -> Result<Vec<Finding>, CloudError> {
        Ok(Vec::new())
    }

    /// The address that this box is seen by, where the cloud lets in SSH by address.
    async fn own_address(&self) -> Result<Option<Ipv4Addr>, CloudError> {
        Ok(None)
    }

    /// Why SSH to machines with this id may get no answer, as far as the cloud's own rules tell.
    async fn why_no_ssh(&self, _id: &str) -> Result<Option<String>, CloudError> {
        Ok(None)
    }

    /// The steps that let machines with this id end at another time; `None`: never.
    async fn extend(
        &self,
        _id: &str,
        _end: Option<Timestamp>,
    ) -> Result<Vec<Extension>, CloudError> {
        Ok(Vec::new())
    }

    /// What becomes of machines that are to run, where nobody takes them away: until when they run, and who is told.
    fn if_forgotten(&self, _plan: &CloudPlan) -> String {
        "They run until `deployer teardown`.".into()
    }

    /// Until when the machines of a plan live, and what happens then; `None`: they do not end by themselves.
    fn lifetime(&self, _plan: &CloudPlan) -> Option<String> {
        None
    }

    /// What machines like these cost in an hour, if it is known, and the prices in words.
    async fn rate(&self, _wanted: &Wanted) -> Result<(Option<f64>, String), CloudError> {
        Ok((None, "prices are not known".into()))
    }

    /// What must not be told to strangers: credentials, and whose they are.
    async fn confidential(&self) -> Result<Vec<Secret>, CloudError> {
        Ok(Vec::new())
    }
}

/// A step that lets machines end at another time.
#[derive(Debug, Clone, PartialEq)]
pub struct Extension {
    /// The step.
    pub step: CloudStep,
    /// Whether documents hang on it.
    pub vital: bool,
}

/// Something a cloud needs of the operator's box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Need {
    /// What is missing, in words.
    pub what: String,
    /// The Debian package that brings it; `None`: the user must act, as `what` says.
    pub package: Option<String>,
}

/// Why a cloud could not.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// A command of the box failed.
    #[error("{what}: `{command}` ended with {status}{}", tail(.output))]
    Command {
        /// What it was for, with its subject.
        what: String,
        /// Program and arguments.
        command: String,
        /// Its exit status in words.
        status: String,
        /// The last lines it said.
        output: String,
    },
    /// A file or directory of the box.
    #[error("{what}: {path}")]
    File {
        /// What was tried.
        what: String,
        /// The path.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Something was not so in time.
    #[error("{what} was not done within {seconds} s{}", tail(.output))]
    Deadline {
        /// What was waited for, with its subject.
        what: String,
        /// How long.
        seconds: u64,
        /// What the thing last said, if anything.
        output: String,
    },
    /// The cloud's service said no, or could not be reached.
    #[error("{call}: {message} ({code})")]
    Api {
        /// The call, by the service's own name for it.
        call: String,
        /// The service's word for the failure, for programs.
        code: String,
        /// The service's words for it, and what to do where we know.
        message: String,
    },
    /// What the inventory says cannot be, as only the cloud knows.
    #[error("{key}: {message}")]
    Inventory {
        /// The key of the inventory.
        key: String,
        /// What is wrong with it, and what to do about it.
        message: String,
    },
    /// The request cannot be met.
    #[error("{0}")]
    Refused(String),
}

fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let last = &lines[lines.len().saturating_sub(20)..];
    last.iter().map(|line| format!("\n    {line}")).collect()
}
