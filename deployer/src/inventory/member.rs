//! The nodes that an entry of an inventory stands for.

use super::cloud_name::CloudName;
use super::types::Node;

/// One node, with the entry it comes from.
#[derive(Debug)]
pub struct Member<'a> {
    /// The node's name.
    pub name: String,
    /// The entry's key: `nodes.vm1`.
    pub key: String,
    /// The entry.
    pub entry: &'a Node,
    /// The node's cloud.
    pub cloud: CloudName,
}

impl Member<'_> {
    /// Whether the node has a role.
    pub fn has(&self, role: &str) -> bool {
        self.entry.roles.contains(role)
    }

    /// The key of its roles.
    pub fn roles_key(&self) -> String {
        format!("{}.roles", self.key)
    }
}
