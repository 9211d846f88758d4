//! Tools that a component brings along, as they are called on one of its nodes.

use std::collections::BTreeMap;

use crate::secret::Secret;

/// How one is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnTool {
    /// The program.
    pub program: String,
    /// Its arguments, the user's at their end.
    pub arguments: Vec<String>,
    /// Files that it reads, by their names in a directory of its call alone.
    pub files: BTreeMap<&'static str, Secret>,
}
