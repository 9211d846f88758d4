//! The manifest: what lies on a node because of us, and how each item of it is undone.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Action;

/// What lies on a node because of us, in the order it was made. Stored on the node as `/etc/deployer/<deployment>/manifest.json`,
/// so that a teardown works with the receipt lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of this file.
    pub version: u32,
    /// The deployment's id.
    pub id: String,
    /// The deployment's name.
    pub deployment: String,
    /// This node's name.
    pub node: String,
    /// What we made.
    pub items: Vec<Item>,
    /// Debian packages that were not there before; they stay.
    pub packages: BTreeSet<String>,
}

impl Manifest {
    /// The newest format.
    pub const VERSION: u32 = 1;

    /// Where the manifest of a deployment lies on each of its nodes.
    pub fn path(deployment: &str) -> String {
        format!("/etc/deployer/{deployment}/manifest.json")
    }
}

/// One thing that lies on a node because of us.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Item {
    /// A file.
    File {
        /// Where.
        path: String,
    },
    /// A directory that is ours with all it holds.
    Directory {
        /// Where.
        path: String,
        /// It holds data.
        data: bool,
    },
    /// A running, enabled unit.
    Unit {
        /// Its name.
        unit: String,
    },
    /// A system user.
    User {
        /// Its name.
        user: String,
    },
    /// A block in `/etc/hosts`.
    HostsTable {
        /// Its name.
        block: String,
    },
    /// An nftables table with the unit that loads it.
    Firewall {
        /// Its name.
        table: String,
    },
}

impl Item {
    /// The path of a file or directory.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::File { path } | Self::Directory { path, .. } => Some(path),
            Self::Unit { .. }
            | Self::User { .. }
            | Self::HostsTable { .. }
            | Self::Firewall { .. } => None,
        }
    }

    /// Whether it is a directory in which the path lies.
    pub fn contains(&self, path: &str) -> bool {
        let Self::Directory { path: outer, .. } = self else {
            return false;
        };
        path.strip_prefix(outer.as_str())
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// Whether it carries the name of a deployment, so that it can be nobody else's.
    pub fn is_named_for(&self, deployment: &str) -> bool {
        let begins = |name: &str| {
            let rest = name.strip_prefix(deployment);
            rest.is_some_and(|rest| rest.starts_with('-'))
        };
        match self {
            Self::File { path } | Self::Directory { path, .. } => {
                path.contains(&format!("/deployer/{deployment}/"))
                    || path.ends_with(&format!("/deployer/{deployment}"))
                    || path.rsplit('/').next().is_some_and(begins)
            }
            Self::Unit { unit } => begins(unit),
            Self::User { user } => begins(user),
            Self::HostsTable { block } => block == deployment,
            Self::Firewall { table } => table.strip_prefix("deployer-") == Some(deployment),
        }
    }

    /// Whether it holds data.
    pub fn holds_data(&self) -> bool {
        matches!(self, Self::Directory { data: true, .. })
    }

    /// Whether both name the same thing on the node, whatever is said of it.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Directory { path: one, .. }, Self::Directory { path: two, .. }) => one == two,
            _ => self == other,
        }
    }

    /// The action that undoes it. Undoing what is not there succeeds.
    pub fn undo(&self) -> Action {
        match self.clone() {
            Self::File { path } => Action::RemoveFile { path },
            Self::Directory { path, data } => Action::RemoveDirectory { path, data },
            Self::Unit { unit } => Action::StopUnit { unit },
            Self::User { user } => Action::RemoveUser { user },
            Self::HostsTable { block } => Action::RemoveHostsTable { block },
            Self::Firewall { table } => Action::RemoveFirewall { table },
        }
    }
}
