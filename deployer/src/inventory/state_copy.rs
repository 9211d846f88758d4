//! Whether another laptop can take the deployment over.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An encrypted copy of what another laptop needs to take the deployment over, on each node: `deployer guide adopt`. One of
/// the two keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("additionalProperties" = false))]
pub struct StateCopy {
    /// The file on this box with the passphrase by which the copy is read. For you alone: mode 0600.
    #[schemars(extend("format" = "path"))]
    pub passphrase_file: Option<String>,
    /// Public keys of `age` (`age1…`): who has the private half of one reads the copy.
    pub recipients: Vec<String>,
}
