//! Who may reach the machines: the rules of a security group as they should be. Pure; the same on all clouds that have such groups.

use std::collections::BTreeSet;
use std::fmt;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::Wanted;

/// One way in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    /// `tcp`, `udp`, `icmp`, or `-1` for all.
    pub protocol: String,
    /// First and last port; `None`: all.
    pub ports: Option<(i32, i32)>,
    /// From where.
    pub source: Source,
}

/// Where traffic may come from.
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
