//! What follows from the settings of AWS: names, sizes, ranges. Pure.

use ipnet::Ipv4Net;

pub use crate::topology::{Architecture, AwsCloud as Settings, CANONICAL, Image, OnTtl, Ttl};

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

    /// Whether a node's machine has a public address.
    pub fn is_public(&self, node: &str) -> bool {
        self.public_ip || self.bastion.as_deref() == Some(node)
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
