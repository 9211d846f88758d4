//! What the user may say about Chameleon: the section `clouds.chameleon`.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cloud_kind::{CloudKind, EXTEND, End, LOG_IN, Machines, Seller};
use super::values::duration;

/// Chameleon's virtual machines.
pub(super) const KIND: CloudKind = CloudKind {
    name: "chameleon",
    title: "Chameleon",
    about: "Chameleon's virtual machines.",
    machines: Machines::Sold(Seller {
        charges: "your project:",
        unit: "SUs",
        rehearsal_cap: 2.0,
    }),
    end: End::Lease,
    places: &["site", "network", "cidr"],
    machine_keys: &[
        ("image", ""),
        ("user", ""),
        ("flavor", ""),
        ("lease", EXTEND),
        ("ssh_keys", LOG_IN),
    ],
    time_to_live: None,
    system_key: "image",
    network_shared_by: |_| Some("other projects of the site"),
    way_to: |node| format!("{node} needs a floating IP: `deployer up` gives one to each broker"),
};

/// Settings of Chameleon. Credentials are never among them: they come from `clouds.yaml` or `OS_*` variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChameleonCloud {
    /// Which site. Default: the one of your credentials, else `KVM@TACC`.
    pub site: Option<Site>,
    /// Entry of your `clouds.yaml`. Default: its only one. `--os-cloud` and `$OS_CLOUD` override it.
    pub cloud: Option<String>,
    /// Operating system image, by name or id. The id is kept once machines are there.
    pub image: String,
    /// Its login name.
    #[schemars(extend("format" = "login"))]
    pub user: String,
    /// Flavor of all machines. Default: the smallest `m1` one that has the node's memory, with two processors where Kafka is.
    pub flavor: Option<String>,
    /// Network the machines are put into, by name or id; `own`: one of the deployment's own, with a router to the outside.
    pub network: String,
    /// The range of addresses of a network of our own.
    pub cidr: String,
    /// The node whose floating IP is the one through which SSH reaches the others. Default: the first one.
    pub bastion: Option<String>,
    /// How long the lease is, such as `7d`. Its end deletes the machines with their data. `none`: at sites without leases.
    #[schemars(extend("format" = "lease"))]
    pub lease: LeaseTime,
    /// Addresses or ranges that may use SSH. Default: the address this box is seen by at the first `up`.
    pub ssh_from: Vec<String>,
    /// Public keys of other people who may log in (`ssh-ed25519 AAAA… name`).
    pub ssh_keys: Vec<String>,
    /// Where this box asks for the address it is seen by.
    pub address_url: String,
}

impl Default for ChameleonCloud {
    fn default() -> Self {
        Self {
            site: None,
            cloud: None,
            image: "CC-Ubuntu24.04".into(),
            user: "cc".into(),
            flavor: None,
            network: "sharednet1".into(),
            cidr: "10.77.0.0/24".into(),
            bastion: None,
            lease: LeaseTime(Some(Duration::from_hours(7 * 24))),
            ssh_from: Vec::new(),
            ssh_keys: Vec::new(),
            address_url: "https://checkip.amazonaws.com".into(),
        }
    }
}

/// A site of Chameleon. Each has its own accounts' credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Site {
    /// Virtual machines, at TACC.
    #[serde(rename = "KVM@TACC")]
    KvmTacc,
    /// Bare metal, at TACC.
    #[serde(rename = "CHI@TACC")]
    ChiTacc,
    /// Bare metal, at the University of Chicago.
    #[serde(rename = "CHI@UC")]
    ChiUc,
}

impl Site {
    /// Its name, which is its region's name too.
    pub fn name(self) -> &'static str {
        match self {
            Self::KvmTacc => "KVM@TACC",
            Self::ChiTacc => "CHI@TACC",
            Self::ChiUc => "CHI@UC",
        }
    }

    /// Whether it has virtual machines. Bare metal is leased by hosts, not by flavors, and security groups do nothing there
    /// (Chameleon's documentation, "Reservations" and "Networks").
    pub fn has_virtual_machines(self) -> bool {
        matches!(self, Self::KvmTacc)
    }

    /// The site whose identity service is there.
    pub fn at(auth_url: &str) -> Option<Self> {
        [Self::KvmTacc, Self::ChiTacc, Self::ChiUc]
            .into_iter()
            .find(|site| site.auth_url() == auth_url)
    }

    /// The name servers for networks of one's own, as its documentation has them.
    pub fn name_servers(self) -> Vec<Ipv4Addr> {
        match self {
            Self::KvmTacc | Self::ChiTacc => vec![
                Ipv4Addr::new(129, 114, 97, 1),
                Ipv4Addr::new(129, 114, 97, 2),
            ],
            Self::ChiUc => vec![Ipv4Addr::new(8, 8, 8, 8)],
        }
    }

    /// Where its identity service is.
    pub fn auth_url(self) -> &'static str {
        match self {
            Self::KvmTacc => "https://kvm.tacc.chameleoncloud.org:5000/v3",
            Self::ChiTacc => "https://chi.tacc.chameleoncloud.org:5000/v3",
            Self::ChiUc => "https://chi.uc.chameleoncloud.org:5000/v3",
        }
    }
}

/// How long a lease is; `None`: no lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct LeaseTime(pub Option<Duration>);

/// Leases are counted in minutes.
const SHORTEST_LEASE: Duration = Duration::from_mins(2);

impl TryFrom<String> for LeaseTime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let duration = duration(&text)
            .ok_or_else(|| "is neither a duration such as `7d` nor `none`".to_owned())?;
        if duration < SHORTEST_LEASE {
            return Err("is too short: a lease has at least 2 minutes".to_owned());
        }
        Ok(Self(Some(duration)))
    }
}

impl From<LeaseTime> for String {
    fn from(time: LeaseTime) -> Self {
        time.to_string()
    }
}

impl fmt::Display for LeaseTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self
            .0
            .and_then(|time| jiff::SignedDuration::try_from(time).ok())
        {
            None => formatter.write_str("none"),
            Some(time) if time.as_secs() % 86_400 == 0 => {
                write!(formatter, "{}d", time.as_secs() / 86_400)
            }
            Some(time) => write!(formatter, "{time:#}"),
        }
    }
}
