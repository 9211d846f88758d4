//! What the user may say about AWS, with defaults. Everything that can be wrong in it is found before a call is made.

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::ttl::{OnTtl, Ttl};

/// Settings of AWS. Credentials are never among them: they come from where AWS's own tools find them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
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
    pub ttl: Ttl,
    /// What happens then: `stop` keeps disks and data, `terminate` deletes them.
    pub on_ttl: OnTtl,
    /// Another address of the EC2 service: for tests and compatible services.
    pub endpoint_url: Option<String>,
    /// Where this box asks for the address it is seen by.
    pub address_url: String,
}

impl Default for Settings {
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

impl Architecture {
    /// EC2's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "arm64",
        }
    }

    /// What `uname -m` says.
    pub fn machine(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "aarch64",
        }
    }

    /// The word in names of images.
    fn in_images(self) -> &'static str {
        match self {
            Self::X86 => "amd64",
            Self::Arm => "arm64",
        }
    }
}

/// Which operating system image. The newest of its owner whose name fits is taken at the first `up` and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Image {
    /// One image by its id (`ami-…`) instead of owner and pattern.
    pub id: Option<String>,
    /// Account that publishes it. Default: Canonical; Debian's is 136693071363.
    pub owner: String,
    /// Name pattern; `{arch}` becomes `amd64` or `arm64`. For Debian 12: `debian-12-{arch}-*`.
    pub pattern: String,
    /// Its login name: `ubuntu`; Debian's is `admin`.
    pub user: String,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            id: None,
            owner: "099720109477".into(),
            pattern: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{arch}-server-*".into(),
            user: "ubuntu".into(),
        }
    }
}

impl Image {
    /// The name pattern for an architecture.
    pub fn pattern_for(&self, architecture: Architecture) -> String {
        self.pattern.replace("{arch}", architecture.in_images())
    }
}

/// Type and memory in MiB of the burstable families, smallest first.
const SIZES: [(&str, u64); 6] = [
    ("micro", 1024),
    ("small", 2048),
    ("medium", 4096),
    ("large", 8192),
    ("xlarge", 16_384),
    ("2xlarge", 32_768),
];

impl Settings {
    /// The instance type for a machine that needs this much memory.
    pub fn type_for(&self, memory_mib: u64) -> Result<String, String> {
        if let Some(instance_type) = &self.instance_type {
            return Ok(instance_type.clone());
        }
        let family = match self.architecture {
            Architecture::X86 => "t3",
            Architecture::Arm => "t4g",
        };
        SIZES
            .iter()
            .find(|(_, memory)| *memory >= memory_mib)
            .map(|(size, _)| format!("{family}.{size}"))
            .ok_or_else(|| {
                format!("no {family} instance has {memory_mib} MiB of memory: set `instance_type`")
            })
    }

    /// The range of our own VPC.
    pub fn range(&self) -> Result<Ipv4Net, String> {
        let range: Ipv4Net = self.cidr.parse().map_err(|_| {
            format!(
                "`cidr`: `{}` is not a range such as `10.77.0.0/16`",
                self.cidr
            )
        })?;
        if (16..=24).contains(&range.prefix_len()) && range.trunc() == range {
            Ok(range)
        } else {
            Err(format!(
                "`cidr`: `{}` must be a whole range of size /16 to /24",
                self.cidr
            ))
        }
    }

    /// The part of our VPC's range for its `n`-th zone: a sixteenth.
    pub fn subnet_range(&self, n: usize) -> Result<Ipv4Net, String> {
        let range = self.range()?;
        range
            .subnets(range.prefix_len() + 4)
            .ok()
            .and_then(|mut parts| parts.nth(n))
            .ok_or_else(|| format!("`zones`: more than 16 do not fit into {range}"))
    }
}
