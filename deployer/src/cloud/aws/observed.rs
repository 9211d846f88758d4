//! What is in the account of a deployment: plain data.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::operation::Kind;
use super::rules::Rule;
use super::tags::{self, Tags};
use crate::cloud::marks::Marked;
use crate::cloud::reconcile::Listed;

/// How far the answers of a machine's metadata service go: to the machine itself, and to no container or guest on it.
pub(super) const METADATA_HOPS: i32 = 1;

/// All that carries an id of ours.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// Machines, the terminated ones that AWS still shows included.
    pub instances: Vec<Instance>,
    /// Security groups.
    pub groups: Vec<Group>,
    /// Route tables.
    pub route_tables: Vec<RouteTable>,
    /// Subnets; those of the user's that the settings name, too.
    pub subnets: Vec<Subnet>,
    /// VPCs of ours.
    pub vpcs: Vec<Thing>,
    /// Internet gateways.
    pub gateways: Vec<Gateway>,
    /// Key pairs.
    pub keys: Vec<Thing>,
    /// Network interfaces that are not going away with their machine.
    pub interfaces: Vec<Thing>,
    /// Disks that are not going away with their machine.
    pub volumes: Vec<Thing>,
}

/// A thing of which the id is all we need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thing {
    /// Its id.
    pub id: String,
    /// Its tags.
    pub tags: Tags,
}

/// A machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Its tags.
    pub tags: Tags,
    /// How it is.
    pub state: State,
    /// Why it is so, in AWS's words, with AWS's code first.
    pub reason: Option<String>,
    /// Its address in the VPC.
    pub private: Option<Ipv4Addr>,
    /// Its address elsewhere.
    pub public: Option<Ipv4Addr>,
    /// Its VPC.
    pub vpc: Option<String>,
    /// Its zone.
    pub zone: Option<String>,
    /// When it was last started.
    pub launched: Option<Timestamp>,
    /// Its metadata service answers who shows no token, or is further away than the machine itself.
    pub tells: bool,
    /// Its instance profile, whoever gave it.
    pub profile: Option<String>,
}

impl Listed for Instance {
    fn id(&self) -> &str {
        &self.id
    }

    fn node(&self) -> Option<&str> {
        self.tags.get(tags::NODE).map(String::as_str)
    }

    fn state(&self) -> &str {
        self.state.name()
    }

    fn lives(&self) -> bool {
        !matches!(self.state, State::ShuttingDown | State::Terminated)
    }

    fn since(&self) -> Option<Timestamp> {
        self.launched
    }
}

impl Instance {
    /// When it powers itself off; `None`: never, or not known.
    pub fn expires(&self) -> Option<Timestamp> {
        self.tags
            .get(tags::EXPIRES)
            .and_then(|text| text.parse().ok())
    }
}

/// How a machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// On its way up.
    Pending,
    /// Runs.
    Running,
    /// On its way to stopped.
    Stopping,
    /// Off, with its disk.
    Stopped,
    /// On its way to nothing.
    ShuttingDown,
    /// Gone.
    Terminated,
    /// AWS has a word for it that we do not know: it is there.
    Unknown,
}

impl State {
    /// AWS's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Unknown => "in a state that is not known",
        }
    }
}

/// A security group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: String,
    /// Its tags.
    pub tags: Tags,
    /// Its VPC.
    pub vpc: String,
    /// What it lets in.
    pub rules: BTreeSet<Rule>,
    /// What it lets out.
    pub out: BTreeSet<Rule>,
}

/// A route table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteTable {
    /// Its id.
    pub id: String,
    /// Its tags.
    pub tags: Tags,
    /// Its VPC.
    pub vpc: String,
    /// Subnets without a table of their own use it.
    pub main: bool,
    /// Subnets that use it.
    pub subnets: BTreeSet<String>,
    /// Where what is not for members goes, and whether anything is there.
    pub default: Option<(String, bool)>,
}

impl RouteTable {
    /// Whether it leads everything else to an internet gateway that is there.
    pub fn leads_out(&self) -> bool {
        let default = self.default.as_ref();
        default.is_some_and(|(target, active)| *active && target.starts_with("igw-"))
    }
}

/// A subnet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// Its tags.
    pub tags: Tags,
    /// Its VPC.
    pub vpc: String,
    /// Its zone.
    pub zone: String,
    /// Its range.
    pub cidr: String,
    /// Addresses that are free.
    pub free: i32,
    /// A subnet of the user's whose route table leads everything else to an internet gateway: only there public addresses are
    /// reached (VPC guide, "public subnet").
    pub open: bool,
    /// A subnet of the user's whose route table leads everything else elsewhere, such as to a NAT gateway: only from there machines
    /// without public addresses reach anything.
    pub routed: bool,
}

/// An internet gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gateway {
    /// Its id.
    pub id: String,
    /// Its tags.
    pub tags: Tags,
    /// The VPC it is attached to.
    pub vpc: Option<String>,
}

impl Observed {
    /// Everything but machines, in the order in which it is deleted: kind, id, the VPC a gateway is attached to.
    pub fn things(&self) -> Vec<(Kind, &str, Option<&str>)> {
        let mut all: Vec<(Kind, &str, Option<&str>)> = Vec::new();
        for (kind, things) in [
            (Kind::Interface, &self.interfaces),
            (Kind::Volume, &self.volumes),
            (Kind::KeyPair, &self.keys),
            (Kind::Vpc, &self.vpcs),
        ] {
            all.extend(things.iter().map(|thing| (kind, thing.id.as_str(), None)));
        }
        all.extend(
            self.groups
                .iter()
                .map(|group| (Kind::Group, group.id.as_str(), None)),
        );
        all.extend(
            self.gateways
                .iter()
                .map(|gateway| (Kind::Gateway, gateway.id.as_str(), gateway.vpc.as_deref())),
        );
        all.extend(
            self.owned_subnets()
                .map(|subnet| (Kind::Subnet, subnet.id.as_str(), None)),
        );
        all.extend(
            self.route_tables
                .iter()
                .map(|table| (Kind::RouteTable, table.id.as_str(), None)),
        );
        all.sort();
        all
    }

    /// Subnets that we made.
    pub fn owned_subnets(&self) -> impl Iterator<Item = &Subnet> {
        self.subnets
            .iter()
            .filter(|subnet| subnet.tags.contains_key(tags::ID))
    }

    /// Everything that is there, by its tags.
    pub fn marked(&self) -> impl Iterator<Item = Marked<'_>> {
        let machines = self.instances.iter().filter(|instance| instance.lives());
        let machines = machines.map(|instance| Marked {
            marks: &instance.tags,
            words: format!("machine {}, {}", instance.id, instance.state.name()),
            is_machine: true,
            since: instance.launched,
        });
        let plain = [
            (Kind::Interface, &self.interfaces),
            (Kind::Volume, &self.volumes),
            (Kind::KeyPair, &self.keys),
            (Kind::Vpc, &self.vpcs),
        ];
        let plain = plain.into_iter().flat_map(|(kind, things)| {
            let things = things.iter();
            things.map(move |thing| (kind, &thing.id, &thing.tags))
        });
        let groups = self.groups.iter();
        let gateways = self.gateways.iter();
        let tables = self.route_tables.iter();
        let rest = plain
            .chain(groups.map(|one| (Kind::Group, &one.id, &one.tags)))
            .chain(gateways.map(|one| (Kind::Gateway, &one.id, &one.tags)))
            .chain(
                self.owned_subnets()
                    .map(|one| (Kind::Subnet, &one.id, &one.tags)),
            )
            .chain(tables.map(|one| (Kind::RouteTable, &one.id, &one.tags)));
        machines.chain(rest.map(|(kind, id, marks)| Marked {
            marks,
            words: format!("{} {id}", kind.words().0),
            is_machine: false,
            since: None,
        }))
    }
}
