//! Machines: what a deployment wants of a cloud, and what the cloud gave.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One machine as a cloud gives it, or as the user named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The node this machine carries.
    pub node: String,
    /// The cloud's own id of the machine.
    pub id: String,
    /// How the operator's box reaches the machine.
    pub access: Access,
    /// The machine's address in each network it belongs to, by network name. Members of one network use these addresses
    /// between each other.
    pub networks: BTreeMap<String, IpAddr>,
    /// The address by which machines of other networks reach it.
    pub public: Option<IpAddr>,
    /// The operator's box as the machine sees it, where it is its neighbour: it counts as a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<IpAddr>,
}

/// What the machine of a node is to its cloud's other services: they let it in, and no keys lie on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name in the user's account.
    pub name: String,
    /// The key of the inventory that names it.
    pub key: String,
}

impl Machine {
    /// The address of this machine as seen from `other`: in a network both are in, else the public one.
    ///
    /// `None` when there is no way.
    pub fn address_seen_from(&self, other: &Machine) -> Option<IpAddr> {
        self.networks
            .iter()
            .find(|(network, _)| other.networks.contains_key(*network))
            .map(|(_, address)| *address)
            .or(self.public)
    }
}

/// How the operator's box opens a shell on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// This very machine, without sshd.
    Here,
    /// By SSH.
    Ssh(SshAccess),
}

/// What goes into the deployment's SSH configuration for one node. What is `None` is left to the user's own
/// configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshAccess {
    /// Address, name, or an alias of `~/.ssh/config`.
    pub address: String,
    /// Login name.
    pub user: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// Path of the private key on the operator's box.
    pub key: Option<String>,
    /// The host's public key in `known_hosts` form (`ssh-ed25519 AAAA…`), or several, one a line. `None`: the user's `known_hosts` decides.
    pub host_key: Option<String>,
    /// Another node of the deployment to jump through.
    pub jump: Option<String>,
}
