//! The closed lists of the inventory: distributions, sources.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// A line of a file that grows, through its rotations.
    File,
}

impl Source {
    /// The name in inventories and in the producer's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Top => "top",
            Self::Stdin => "stdin",
            Self::File => "file",
        }
    }
}

/// How rows of files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// A document a line.
    Json,
    /// Some values of it, separated by commas.
    Csv,
}
