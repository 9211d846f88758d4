//! The closed lists of the inventory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How rows of files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// A document a line.
    Json,
    /// Some values of it, separated by commas.
    Csv,
}
