//! The security group's rules as EC2's calls have them, both ways.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, PrefixListId, UserIdGroupPair};

use serde::{Deserialize, Serialize};

pub use crate::cloud::rules::{Rule, Source, lets_in, wanted};

/// Which way a rule lets traffic go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// To the machines.
    In,
    /// From the machines.
    Out,
}

impl Rule {
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
