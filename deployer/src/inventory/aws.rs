//! What the user may say about AWS: the section `clouds.aws`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cloud_kind::{CloudKind, End, LOG_IN, Machines, Seller};
use super::values::duration;

/// Amazon EC2.
pub(super) const KIND: CloudKind = CloudKind {
    name: "aws",
    title: "AWS",
    about: "Amazon EC2.",
    machines: Machines::Sold(Seller {
        charges: "your account.",
        unit: "USD",
        rehearsal_cap: 1.0,
    }),
    end: End::PowerOff,
    places: &["region", "vpc", "subnet", "cidr", "endpoint_url"],
    machine_keys: &[
        ("architecture", ""),
        ("image.id", ""),
        ("image.owner", ""),
        ("image.pattern", ""),
        ("image.user", ""),
        ("instance_type", ""),
        ("disk_gib", ""),
        ("ssh_keys", LOG_IN),
        ("tags", ""),
        ("public_ip", ""),
        ("bastion", ""),
        ("on_ttl", ""),
    ],
    time_to_live: Some(("ttl", |clouds| clouds.aws.ttl)),
    system_key: "image",
    network_shared_by: |clouds| {
        let given = clouds.aws.vpc.is_some() || clouds.aws.subnet.is_some();
        given.then_some("whatever else is in the VPC that `clouds.aws` names")
    },
    way_to: |node| {
        format!("let {node} have a public address: `clouds: {{ aws: {{ public_ip: true }} }}`")
    },
};

/// Settings of AWS. Credentials are never among them: they come from where AWS's own tools find them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AwsCloud {
    /// Region, such as `eu-central-1`. Default: the one of your AWS profile or environment.
    pub region: Option<String>,
    /// A VPC of yours to live in; it is never changed or deleted. Default: one of our own.
    pub vpc: Option<String>,
    /// A subnet of yours to live in; it is never changed or deleted. Default: one of our own, or those of `vpc`.
    pub subnet: Option<String>,
    /// Addresses of our own VPC.
    pub cidr: String,
    /// Availability zones, tried in this order when one has no capacity. Default: all that offer the instance type.
    pub zones: Vec<String>,
    /// Processor architecture of the machines; the agent binaries must be built for it.
    pub architecture: Architecture,
    /// Operating system image.
    pub image: Image,
    /// Instance type of all machines. Default: the smallest burstable one that has the node's memory.
    pub instance_type: Option<String>,
    /// Size of each machine's encrypted gp3 root disk, in GiB.
    pub disk_gib: u32,
    /// Addresses or ranges that may use SSH. Default: the address this box is seen by at the first `up`.
    pub ssh_from: Vec<String>,
    /// Public keys of other people who may log in (`ssh-ed25519 AAAA… name`).
    pub ssh_keys: Vec<String>,
    /// Tags to put on everything, besides our own.
    pub tags: BTreeMap<String, String>,
    /// Whether machines have public addresses. Without, SSH goes through `bastion`.
    pub public_ip: bool,
    /// The node with a public address when the others have none.
    pub bastion: Option<String>,
    /// How long machines live before they power themselves off, such as `12h`, or `never`. Each `up` renews it.
    #[schemars(extend("format" = "ttl"))]
    pub ttl: Ttl,
    /// What happens then: `stop` keeps disks and data, `terminate` deletes them.
    pub on_ttl: OnTtl,
    /// Another address of the EC2 service: for tests and compatible services.
    pub endpoint_url: Option<String>,
    /// Where this box asks for the address it is seen by.
    pub address_url: String,
}

impl Default for AwsCloud {
    fn default() -> Self {
        Self {
            region: None,
            vpc: None,
            subnet: None,
            cidr: "10.77.0.0/16".into(),
            zones: Vec::new(),
            architecture: Architecture::default(),
            image: Image::default(),
            instance_type: None,
            disk_gib: 16,
            ssh_from: Vec::new(),
            ssh_keys: Vec::new(),
            tags: BTreeMap::new(),
            public_ip: true,
            bastion: None,
            ttl: Ttl(Some(Duration::from_hours(12))),
            on_ttl: OnTtl::default(),
            endpoint_url: None,
            address_url: "https://checkip.amazonaws.com".into(),
        }
    }
}

/// Processor architecture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Architecture {
    /// Intel and AMD.
    #[default]
    #[serde(rename = "x86_64")]
    X86,
    /// Graviton.
    #[serde(rename = "arm64")]
    Arm,
}

/// Which operating system image. The newest of its owner whose name fits is taken at the first `up` and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Image {
    /// One image by its id (`ami-…`) instead of owner and pattern.
    pub id: Option<String>,
    /// Account that publishes it: Canonical's, unless another is named; Debian's is 136693071363.
    pub owner: String,
    /// Name pattern; `{arch}` becomes `amd64` or `arm64`. For Debian 12: `debian-12-{arch}-*`.
    pub pattern: String,
    /// Its login name: `ubuntu`; Debian's is `admin`.
    pub user: String,
}

/// Canonical's account outside of China and `GovCloud`.
pub const CANONICAL: &str = "099720109477";

impl Default for Image {
    fn default() -> Self {
        Self {
            id: None,
            owner: CANONICAL.into(),
            pattern: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{arch}-server-*".into(),
            user: "ubuntu".into(),
        }
    }
}

/// How long machines live without being renewed; `None`: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Ttl(pub Option<Duration>);

/// Machines live at least this long after each boot, so that somebody can renew them.
pub const SHORTEST_TTL: Duration = Duration::from_mins(30);

impl TryFrom<String> for Ttl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self(None));
        }
        let wrong = || "is neither a duration such as `12h` nor `never`".to_owned();
        let duration = duration(&text).ok_or_else(wrong)?;
        if duration < SHORTEST_TTL {
            return Err(
                "is too short: machines live at least 30 minutes after each boot".to_owned(),
            );
        }
        Ok(Self(Some(duration)))
    }
}

impl From<Ttl> for String {
    fn from(ttl: Ttl) -> Self {
        ttl.to_string()
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self
            .0
            .and_then(|ttl| jiff::SignedDuration::try_from(ttl).ok())
        {
            None => formatter.write_str("never"),
            Some(ttl) => write!(formatter, "{ttl:#}"),
        }
    }
}

/// What the end of the TTL does to a machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnTtl {
    /// Powers it off; its disk costs on, and `up` starts it again.
    #[default]
    Stop,
    /// Deletes it with its data.
    Terminate,
}
