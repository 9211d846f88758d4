//! Who may reach the machines, and whom they may reach: the security group's rules as they should be, and how they differ from
//! what is there. Pure.

use std::collections::BTreeSet;
use std::fmt;

use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, PrefixListId, UserIdGroupPair};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::cloud::Wanted;

/// Which way a rule lets traffic go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// To the machines.
    In,
    /// From the machines.
    Out,
}

/// One way in or out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    /// `tcp`, `udp`, `icmp`, or `-1` for all.
    pub protocol: String,
    /// First and last port; `None`: all.
    pub ports: Option<(i32, i32)>,
    /// From where; of a way out: to where.
    pub source: Source,
}

/// Where traffic may come from, or go to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Machines in a security group; `None`: of this very group.
    Group(Option<String>),
    /// An IPv4 range.
    Range(String),
    /// An IPv6 range.
    Range6(String),
    /// A prefix list of AWS or of the account.
    List(String),
}

impl Rule {
    /// A TCP port for a range.
    pub fn tcp(port: u16, range: Ipv4Net) -> Self {
        let port = i32::from(port);
        Self {
            protocol: "tcp".into(),
            ports: Some((port, port)),
            source: Source::Range(range.to_string()),
        }
    }

    /// Everything between members.
    pub fn members() -> Self {
        Self {
            protocol: "-1".into(),
            ports: None,
            source: Source::Group(None),
        }
    }

    /// Everything everywhere: the way out that AWS gives a new group.
    pub fn everywhere() -> Self {
        Self {
            protocol: "-1".into(),
            ports: None,
            source: Source::Range("0.0.0.0/0".into()),
        }
    }

    /// The same for IPv6, which AWS adds in a VPC that has it.
    pub fn everywhere6() -> Self {
        Self {
            source: Source::Range6("::/0".into()),
            ..Self::everywhere()
        }
    }

    /// As a call wants it. `own` is the group's id.
    pub fn permission(&self, own: &str) -> IpPermission {
        let permission = IpPermission::builder()
            .ip_protocol(&self.protocol)
            .set_from_port(self.ports.map(|ports| ports.0))
            .set_to_port(self.ports.map(|ports| ports.1));
        match &self.source {
            Source::Group(group) => permission.user_id_group_pairs(
                UserIdGroupPair::builder()
                    .group_id(group.as_deref().unwrap_or(own))
                    .build(),
            ),
            Source::Range(range) => permission.ip_ranges(IpRange::builder().cidr_ip(range).build()),
            Source::Range6(range) => {
                permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(range).build())
            }
            Source::List(list) => {
                permission.prefix_list_ids(PrefixListId::builder().prefix_list_id(list).build())
            }
        }
        .build()
    }

    /// The rules in an answer about the group `own`.
    pub fn read(permissions: &[IpPermission], own: &str) -> BTreeSet<Self> {
        let mut rules = BTreeSet::new();
        for permission in permissions {
            let protocol = permission.ip_protocol().unwrap_or("-1").to_owned();
            let ports = (protocol != "-1")
                .then(|| permission.from_port().zip(permission.to_port()))
                .flatten();
            let groups = permission
                .user_id_group_pairs()
                .iter()
                .filter_map(|pair| pair.group_id());
            let ranges = permission
                .ip_ranges()
                .iter()
                .filter_map(|range| range.cidr_ip());
            let ranges6 = permission
                .ipv6_ranges()
                .iter()
                .filter_map(|range| range.cidr_ipv6());
            let lists = permission
                .prefix_list_ids()
                .iter()
                .filter_map(|list| list.prefix_list_id());
            let sources = groups
                .map(|group| Source::Group((group != own).then(|| group.to_owned())))
                .chain(ranges.map(|range| Source::Range(range.into())))
                .chain(ranges6.map(|range| Source::Range6(range.into())))
                .chain(lists.map(|list| Source::List(list.into())));
            rules.extend(sources.map(|source| Self {
                protocol: protocol.clone(),
                ports,
                source,
            }));
        }
        rules
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.protocol.as_str(), self.ports) {
            ("-1", _) => formatter.write_str("everything")?,
            (protocol, None) => formatter.write_str(protocol)?,
            (protocol, Some((first, last))) if first == last => {
                write!(formatter, "{protocol} {first}")?;
            }
            (protocol, Some((first, last))) => write!(formatter, "{protocol} {first}-{last}")?,
        }
        match &self.source {
            Source::Group(None) => formatter.write_str(" from members"),
            Source::Group(Some(source))
            | Source::Range(source)
            | Source::Range6(source)
            | Source::List(source) => {
                write!(formatter, " from {source}")
            }
        }
    }
}

/// The rules a deployment should have.
pub fn wanted(wanted: &Wanted, ssh_from: &BTreeSet<Ipv4Net>) -> BTreeSet<Rule> {
    let mut rules = BTreeSet::from([Rule::members()]);
    rules.extend(ssh_from.iter().map(|range| Rule::tcp(22, *range)));
    for address in wanted.outside.values() {
        rules.extend(
            wanted
                .outside_ports
                .iter()
                .map(|port| Rule::tcp(*port, Ipv4Net::from(*address))),
        );
    }
    rules
}

/// Whether SSH from an address is let in.
pub fn lets_in(rules: &BTreeSet<Rule>, address: std::net::Ipv4Addr) -> bool {
    rules.iter().any(|rule| {
        let port = rule.protocol == "-1"
            || (rule.protocol == "tcp"
                && rule
                    .ports
                    .is_none_or(|(first, last)| (first..=last).contains(&22)));
        let Source::Range(range) = &rule.source else {
            return false;
        };
        port && range
            .parse::<Ipv4Net>()
            .is_ok_and(|range| range.contains(&address))
    })
}
