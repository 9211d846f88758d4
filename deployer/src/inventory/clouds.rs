//! What each cloud needs: the sections of `clouds:`. A new cloud is a section here and a
//! constant in [`super::CloudName`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::aws::AwsCloud;
use super::chameleon::ChameleonCloud;
use super::cloud_kind::{CloudKind, End, Machines};

/// What each cloud needs. Only the sections of the clouds in use matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Clouds {
    /// Machines booted on this box.
    pub local: LocalCloud,
    /// Hosts that you already have.
    pub existing: ExistingCloud,
    /// Machines of Amazon EC2.
    pub aws: AwsCloud,
    /// Machines of Chameleon.
    pub chameleon: ChameleonCloud,
}

/// This box as a cloud.
pub(super) const LOCAL: CloudKind = CloudKind {
    name: "local",
    title: "this box",
    about: "Machines booted on this box.",
    machines: Machines::OfThisBox,
    end: End::Never,
    places: &["network"],
    machine_keys: &[("release", "")],
    time_to_live: None,
    system_key: "release",
    network_shared_by: |_| None,
    way_to: |node| {
        format!(
            "{node} is a machine of the cloud `local`, reached from this box alone, which is `address: self`"
        )
    },
};

/// The user's hosts as a cloud.
pub(super) const EXISTING: CloudKind = CloudKind {
    name: "existing",
    title: "your hosts",
    about: "Hosts the user already has.",
    machines: Machines::OfTheUser,
    end: End::Never,
    places: &[],
    machine_keys: &[],
    time_to_live: None,
    system_key: "hosts",
    network_shared_by: |_| Some("whoever is in your hosts' network"),
    way_to: |node| {
        format!("give {node} a `private_address` or a `public_address` in clouds.existing.hosts")
    },
};

/// Machines booted on this box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LocalCloud {
    /// Memory of a machine in MiB.
    #[schemars(range(min = 256, max = 1_048_576))]
    pub memory_mib: u64,
    /// The private range from which each deployment takes a /24.
    #[schemars(extend("format" = "network"))]
    pub network: String,
    /// Another Debian or Ubuntu mirror than this box's own: a base address.
    #[schemars(extend("format" = "web-address"))]
    pub mirror: Option<String>,
    /// Another release than this box's own, by its code name.
    #[schemars(extend("format" = "release"))]
    pub release: Option<String>,
    /// JVM flags for a quick start instead of long-term speed.
    pub quick_start: bool,
}

impl Default for LocalCloud {
    fn default() -> Self {
        Self {
            memory_mib: 2048,
            network: super::LOCAL_NETWORK.to_owned(),
            mirror: None,
            release: None,
            quick_start: true,
        }
    }
}

/// Hosts that you already have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExistingCloud {
    /// The hosts by the names of their nodes.
    pub hosts: BTreeMap<String, Host>,
}

/// A host that you already have. What is not said here is left to your own `~/.ssh/config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// An address, a name, an alias of `~/.ssh/config`, or `self` for this box without sshd.
    #[schemars(extend("format" = "host-address"))]
    pub address: String,
    /// Login name; it needs passwordless sudo, unless it is root.
    #[serde(default)]
    #[schemars(extend("format" = "login"))]
    pub user: Option<String>,
    /// Port of sshd.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// Path of the private key on this box.
    #[serde(default)]
    #[schemars(extend("format" = "path"))]
    pub key: Option<String>,
    /// The host's public key (`ssh-ed25519 AAAA…`). Without it your `known_hosts` decides.
    #[serde(default)]
    #[schemars(extend("format" = "host-key"))]
    pub host_key: Option<String>,
    /// Another node to jump through.
    #[serde(default)]
    pub jump: Option<String>,
    /// The address by which the other `existing` hosts reach it, when it is not `address`.
    #[serde(default)]
    #[schemars(extend("format" = "ip-address"))]
    pub private_address: Option<String>,
    /// The address by which machines elsewhere reach it, when it is not `address`.
    #[serde(default)]
    #[schemars(extend("format" = "ip-address"))]
    pub public_address: Option<String>,
}
