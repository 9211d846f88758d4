//! What follows from the settings of Chameleon. Pure.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;

pub use crate::topology::{ChameleonCloud as Settings, LeaseTime, Site};

use crate::cloud::Wanted;
use crate::cloud::caller;

/// The word for a network of the deployment's own.
const OWN: &str = "own";

impl Settings {
    /// All that is wrong with these settings for these nodes, in words.
    pub fn problems(&self, nodes: &BTreeSet<String>) -> Vec<String> {
        let mut problems = caller::problems(&self.ssh_from, &self.ssh_keys);
        if let Some(node) = self.bastion.as_ref().filter(|node| !nodes.contains(*node)) {
            problems.push(format!("`bastion`: there is no node `{node}` on Chameleon"));
        }
        problems.extend(self.range().err());
        problems
    }

    /// The range of a network of our own; `None`: the machines are put into one that is there.
    pub fn own_network(&self) -> Option<Ipv4Net> {
        self.range().ok().filter(|_| self.network == OWN)
    }

    fn range(&self) -> Result<Ipv4Net, String> {
        let whole = |range: &Ipv4Net| (16..=28).contains(&range.prefix_len());
        let range = self.cidr.parse::<Ipv4Net>().ok().filter(whole);
        range
            .filter(|range| range.trunc() == *range && range.addr().is_private())
            .ok_or_else(|| {
                format!(
                    "`cidr`: `{}` is not a private range of size /16 to /28 such as `10.77.0.0/24`",
                    self.cidr
                )
            })
    }

    /// The nodes that get a floating IP: the bastion, and those that hosts outside this cloud must reach.
    pub fn public(&self, wanted: &Wanted) -> BTreeSet<String> {
        let open = wanted
            .machines
            .values()
            .filter(|machine| machine.open && !wanted.outside.is_empty());
        let open = open.map(|machine| machine.node.clone());
        let bastion = self.bastion(wanted.machines.keys());
        open.chain(bastion.map(Into::into)).collect()
    }

    /// The node through which SSH reaches the others.
    pub fn bastion<'a>(&'a self, nodes: impl IntoIterator<Item = &'a String>) -> Option<&'a str> {
        self.bastion
            .as_deref()
            .or_else(|| nodes.into_iter().next().map(String::as_str))
    }
}
