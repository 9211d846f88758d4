//! The closed lists of the inventory: clouds, distributions, sources.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The clouds this build knows.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum CloudName {
    /// Machines booted on this box.
    Local,
    /// Hosts the user already has.
    Existing,
    /// Amazon EC2.
    Aws,
    /// Chameleon's virtual machines.
    Chameleon,
}

impl CloudName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Local, Self::Existing, Self::Aws, Self::Chameleon];

    /// Whether its machines are nearer to the world's servers than to the operator's box, which may be behind a home's uplink.
    /// Hosts that are there already may be in the next room, and know no way out.
    pub fn is_far(self) -> bool {
        match self {
            Self::Aws | Self::Chameleon => true,
            Self::Existing | Self::Local => false,
        }
    }

    /// The name on the command line and in inventories.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Existing => "existing",
            Self::Aws => "aws",
            Self::Chameleon => "chameleon",
        }
    }
}

impl fmt::Display for CloudName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Which CouchDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// `apache`; on `local` the stand-in when Apache's repository does not answer. Decided once.
    Auto,
    /// Apache's own packages.
    Apache,
    /// A release folder as tar.gz.
    Archive,
    /// The npm package `pouchdb-server`: a stand-in for trying things out.
    Pouchdb,
}

/// What a producer's events are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A reading of the program `top` at each tick.
    Top,
    /// A line of the producer's standard input at each tick.
    Stdin,
}

impl Source {
    /// The name in inventories and in the producer's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Top => "top",
            Self::Stdin => "stdin",
        }
    }
}
