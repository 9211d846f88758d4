//! What follows from the settings of Chameleon. Pure.

use std::collections::BTreeSet;

pub use crate::topology::{ChameleonCloud as Settings, LeaseTime, Site};

use crate::cloud::caller::range_of;

impl Settings {
    /// All that is wrong with these settings for these nodes, in words.
    pub fn problems(&self, nodes: &BTreeSet<String>) -> Vec<String> {
        let mut problems = Vec::new();
        for source in &self.ssh_from {
            problems.extend(
                range_of(source)
                    .err()
                    .map(|problem| format!("`ssh_from`: {problem}")),
            );
        }
        for key in &self.ssh_keys {
            if ssh_key::PublicKey::from_openssh(key).is_err() {
                problems.push(format!(
                    "`ssh_keys`: `{key}` is not a public key such as `ssh-ed25519 AAAA… name`"
                ));
            }
        }
        if let Some(node) = self.bastion.as_ref().filter(|node| !nodes.contains(*node)) {
            problems.push(format!("`bastion`: there is no node `{node}` on Chameleon"));
        }
        problems
    }

    /// The node through which SSH reaches the others.
    pub fn bastion<'a>(&'a self, nodes: impl IntoIterator<Item = &'a String>) -> Option<&'a str> {
        self.bastion
            .as_deref()
            .or_else(|| nodes.into_iter().next().map(String::as_str))
    }
}
