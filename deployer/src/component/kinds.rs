//! What a component says of itself: how many there may be, who reaches it, what it takes, and what is wrong with a node for it.

use std::time::Duration;

use serde::Serialize;

/// How many nodes a component may be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Any number.
    Any,
    /// One at most.
    One,
    /// One, or several that share its work.
    Together,
}

/// Who reaches a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All members of the deployment.
    Members,
    /// Its own node only.
    Node,
}

/// A TCP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port {
    /// Its number.
    pub number: u16,
    /// The inventory's key that says it.
    pub key: &'static str,
    /// Who reaches it.
    pub reach: Reach,
}

/// Memory in MiB that a component takes, measured on small clusters and rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Java's heap; `None`: it has none.
    pub heap: Option<u64>,
    /// What it takes beside the heap.
    pub beside: u64,
}

/// Free disk space in MiB that a component needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Below `/var/lib`, beside what grows with use.
    pub data: u64,
    /// Below `/opt`: an archive is there twice while it is replaced.
    pub software: u64,
}

/// How a component does its work on a node, by what it says itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// It has done all it should, and its unit has ended by itself.
    pub finished: bool,
    /// How far it is: what it has done, and all it should do (0: no end).
    pub progress: Option<(u64, u64)>,
    /// What is not well, in words.
    pub problems: Vec<String>,
}

/// What events go from and to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// What makes them.
    Source(String),
    /// A topic.
    Topic(String),
    /// A query.
    Stream(String),
    /// What keeps them.
    Sink(String),
}

/// Events go from one to the other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// Where they come from.
    pub from: Stop,
    /// Where they go to.
    pub to: Stop,
}

/// How far a stream is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    /// The topic that it reads.
    pub from: String,
    /// The topic that its rows go to.
    pub to: String,
    /// Records of the topic that no batch has passed yet; `None`: not known.
    pub lag: Option<i64>,
    /// Batches done; `None`: not known.
    pub batches: Option<i64>,
    /// How long ago the last one was done, in seconds.
    pub last_age_seconds: Option<i64>,
    /// Records that it read, canaries among them; `None`: an earlier process did it.
    pub last_records: Option<i64>,
    /// How long it took.
    pub last_took_ms: Option<i64>,
}

/// How far a part of a component's work is that has not passed a canary yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// In words.
    pub how: String,
    /// A number that grows with what it has done; `None`: it has not begun.
    pub done: Option<i64>,
    /// What it does now.
    pub does: Does,
    /// How often it looks for canaries.
    pub every: Duration,
    /// Whether it is proven once it is not behind: a canary has passed. Else it is only seen at work.
    pub proves: bool,
}

/// What a part of a component's work does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// Nothing that is seen.
    Nothing,
    /// It is at something long.
    Work,
    /// It has ended, and may be begun again.
    End,
}

/// How a component is restarted that runs on several nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// On all nodes at the same time.
    Together,
    /// One node after the other, each when the one before does its work again.
    OneByOne,
}

/// What becomes of the number of a component's node that is renamed because a `count` comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// It keeps its number.
    KeptByRenamed,
    /// It gets another one: the old node may still run with its own.
    NewForRenamed,
}

/// A secret that is generated for a deployment.
#[derive(Debug, Clone, Copy)]
pub struct NewSecret {
    /// Its key in the file of secrets.
    pub key: &'static str,
    /// How it is made.
    pub form: Form,
    /// How people know it; `None`: it tells nothing, or nothing that another one does not.
    pub known_as: Option<KnownAs>,
}

/// How people know a secret.
#[derive(Debug, Clone, Copy)]
pub struct KnownAs {
    /// Its name, after that of its component: the user whose password it is, or what it is.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Somebody logs in by it.
    pub is_password: bool,
    /// It is used only where security is on.
    pub by_security: bool,
    /// What brings another one.
    pub renewal: Renewal,
}

/// What brings another secret in the place of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// `secrets rotate`: nothing stops for it.
    Rolling,
    /// `secrets rotate` with its name: something stops for it.
    Pausing,
    /// Another one of the secret with this name.
    With(&'static str),
    /// Nothing.
    Never,
}

/// How a secret is made.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// 32 letters and digits: nothing that a URL, an ini file or a shell would read in its own way.
    Password,
    /// 32 hex digits.
    Hex,
    /// From an earlier one, and 32 hex digits of salt.
    Hash {
        /// The key of the earlier one.
        of: &'static str,
        /// Password and salt → hash.
        by: fn(&str, &str) -> String,
    },
}

/// Why a node cannot carry a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

/// How what a tool reports differs from what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What is there instead, in words.
    pub because: String,
    /// A line for each thing that differs.
    pub diff: Option<String>,
}

/// What is in data that stay, and can never be what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contrary {
    /// The component whose data it is: where these begin anew, nothing stands in the way.
    pub holder: &'static str,
    /// What is there and what is wanted, in words.
    pub what: String,
    /// What the user can do.
    pub hint: String,
}

impl Difference {
    pub(super) fn of(because: impl Into<String>) -> Self {
        Self {
            because: because.into(),
            diff: None,
        }
    }
}
