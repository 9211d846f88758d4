//! Operations: what may be done to an account. Plain data; behaviour is in `apply.rs`.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rules::{Rule, Way};

/// One operation. Its words name the calls it makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Makes our VPC.
    CreateVpc {
        /// Its range.
        cidr: String,
    },
    /// Makes a subnet in our VPC.
    CreateSubnet {
        /// Where.
        vpc: Ref,
        /// Its zone.
        zone: String,
        /// Its range.
        cidr: String,
    },
    /// Makes the internet gateway and attaches it.
    CreateGateway {
        /// Where to.
        vpc: Ref,
    },
    /// Attaches the internet gateway that is already there.
    AttachGateway {
        /// The gateway.
        gateway: String,
        /// Where to.
        vpc: Ref,
    },
    /// Makes the route table.
    CreateRouteTable {
        /// Where.
        vpc: Ref,
    },
    /// Sends what is not for members to the internet gateway.
    CreateRoute {
        /// The table.
        table: Ref,
        /// The gateway.
        gateway: Ref,
        /// A default route that leads elsewhere is there.
        replace: bool,
    },
    /// Makes a subnet use the route table.
    AssociateRouteTable {
        /// The table.
        table: Ref,
        /// The subnet.
        subnet: Ref,
    },
    /// Makes the security group.
    CreateGroup {
        /// Where.
        vpc: Ref,
    },
    /// Lets more in or out.
    Allow {
        /// The group.
        group: Ref,
        /// Which of the two.
        way: Way,
        /// What.
        rules: BTreeSet<Rule>,
        /// Addresses that are noted, so that the next plan wants them, too.
        ssh_from: Option<String>,
    },
    /// Lets less in or out.
    Revoke {
        /// The group.
        group: String,
        /// Which of the two.
        way: Way,
        /// What no more.
        rules: BTreeSet<Rule>,
    },
    /// Brings our public key there.
    ImportKey,
    /// Makes a machine and waits until it runs.
    Launch(Launch),
    /// Starts a stopped machine and waits until it runs.
    Start {
        /// Its node.
        node: String,
        /// Which.
        instance: String,
    },
    /// Waits for a machine that is on its way.
    Await {
        /// Its node.
        node: String,
        /// Which.
        instance: String,
    },
    /// Gives a machine an instance profile of the user's, in place of the one that it has.
    GiveProfile {
        /// The machine.
        instance: String,
        /// The profile.
        profile: String,
    },
    /// Notes on the machines that they live longer.
    Renew {
        /// Which.
        instances: BTreeSet<String>,
        /// Until when; `None`: for ever.
        expires: Option<Timestamp>,
    },
    /// Deletes machines with their disks, and waits until they are gone.
    Terminate {
        /// Which.
        instances: BTreeSet<String>,
    },
    /// Deletes one thing that is not a machine.
    Delete {
        /// What kind.
        kind: Kind,
        /// Which.
        id: String,
        /// The VPC it is attached to, for a gateway.
        vpc: Option<String>,
    },
}

/// How a machine is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// Its node.
    pub node: String,
    /// Its type.
    pub instance_type: String,
    /// Its image.
    pub image: String,
    /// The image's root device, whose disk we size.
    pub root_device: String,
    /// Whether it gets a public address.
    pub public_ip: bool,
    /// Zones in the order they are tried, each with its subnet.
    pub zones: Vec<Place>,
    /// The security group.
    pub group: Ref,
    /// Which attempt it is: part of the call's token.
    pub attempt: u32,
    /// When it powers itself off; `None`: never.
    pub expires: Option<Timestamp>,
    /// Its instance profile, which is the user's.
    #[serde(default)]
    pub profile: Option<String>,
}

/// A zone where a machine may be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The zone.
    pub zone: String,
    /// Its subnet.
    pub subnet: Ref,
    /// How the subnet is made when it is needed and not there: range, VPC and route table.
    pub make: Option<(String, Ref, Ref)>,
}

/// A thing by its id, or the one that is made by an earlier step, by the key it is noted under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ref {
    /// Is there.
    Id(String),
    /// Will be there.
    New(String),
}

impl Ref {
    /// The id if it is known, else the thing to be made.
    pub fn to(id: Option<&str>, key: &str) -> Self {
        id.map_or_else(|| Self::New(key.into()), |id| Self::Id(id.into()))
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => formatter.write_str(id),
            Self::New(key) => write!(formatter, "the new {key}"),
        }
    }
}

/// Kinds of things, in the order in which they are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A network interface that outlived its machine.
    Interface,
    /// A disk that outlived its machine.
    Volume,
    /// A key pair.
    KeyPair,
    /// A security group.
    Group,
    /// An internet gateway.
    Gateway,
    /// A subnet.
    Subnet,
    /// A route table.
    RouteTable,
    /// A VPC.
    Vpc,
}

impl Kind {
    /// The kind in words, and the calls that delete it.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Interface => ("network interface", "DeleteNetworkInterface"),
            Self::Volume => ("disk", "DeleteVolume"),
            Self::KeyPair => ("key pair", "DeleteKeyPair"),
            Self::Group => (
                "security group",
                "RevokeSecurityGroupIngress, DeleteSecurityGroup",
            ),
            Self::Gateway => (
                "internet gateway",
                "DetachInternetGateway, DeleteInternetGateway",
            ),
            Self::Subnet => ("subnet", "DeleteSubnet"),
            Self::RouteTable => ("route table", "DeleteRouteTable"),
            Self::Vpc => ("VPC", "DeleteVpc"),
        }
    }
}

/// What machines are put into.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The VPC.
    pub vpc: Ref,
    /// The route table of our own subnets; `None` in a VPC of the user's.
    pub table: Option<Ref>,
    /// The security group.
    pub group: Ref,
    /// Subnets that are there or are made by the plan: zone and subnet, the best zone first.
    pub subnets: Vec<(String, Ref)>,
}
