//! What the command line says of a topology.

use crate::inventory::CloudName;

/// What the command line overrides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// `--cloud`: the cloud of all nodes that name no other.
    pub cloud: Option<CloudName>,
    /// `--name`: the deployment's name.
    pub name: Option<String>,
}
