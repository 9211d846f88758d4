//! What is in the project of our deployments: plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::marks::{self, Marks, Purpose};
use super::operation::Kind;
use crate::cloud::marks::Marked;
use crate::cloud::reconcile::Listed;
use crate::cloud::rules::Rule;

/// All that carries an id of ours.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// Leases, the ended ones that the site still shows included.
    pub leases: Vec<Lease>,
    /// Servers.
    pub servers: Vec<Server>,
    /// Security groups.
    pub groups: Vec<Group>,
    /// Floating IPs.
    pub addresses: Vec<Address>,
    /// Networks of our own, as far as they were looked at.
    pub networks: Vec<Network>,
    /// Routers of our own, as far as they were looked at.
    pub routers: Vec<Router>,
}

/// A lease.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The marks in its name.
    pub marks: Marks,
    /// What it is for.
    pub purpose: Purpose,
    /// How it is, in the site's word.
    pub status: String,
    /// When it ends, and with it all that it gave.
    pub end: Timestamp,
    /// What it gives.
    pub reservations: Vec<Reservation>,
}

impl Lease {
    /// Whether what it gives can be used now.
    pub fn active(&self) -> bool {
        matches!(self.status.as_str(), "ACTIVE" | "UPDATING")
    }

    /// Whether it is on its way.
    pub fn comes(&self) -> bool {
        self.lives() && !self.active()
    }

    /// Whether the site is still writing down what it gives.
    pub fn made_just_now(&self) -> bool {
        self.status == "CREATING"
    }

    /// Whether it is or will be active.
    pub fn lives(&self) -> bool {
        self.active()
            || self.made_just_now()
            || matches!(self.status.as_str(), "PENDING" | "STARTING")
    }

    /// Whether the site says that something went wrong with it. That is no word about what it gave: a lease whose update the site
    /// refused is in `ERROR`, too, and its machines run on until its end (Blazar's `status.py`, `lease_status`).
    pub fn failed(&self) -> bool {
        self.status == "ERROR"
    }

    /// Whether it is over, and all that it gave.
    pub fn ended(&self) -> bool {
        matches!(
            self.status.as_str(),
            "TERMINATING" | "TERMINATED" | "DELETING"
        )
    }

    /// Whether a server was made under it.
    pub fn gave(&self, server: &Server) -> bool {
        let id = server.flavor.strip_prefix(RESERVED);
        id.is_some_and(|id| self.reservations.iter().any(|one| one.id == id))
    }
}

/// How the name of a reservation's flavor begins; its id comes then.
pub const RESERVED: &str = "reservation:";

/// A reservation of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Its id: the flavor under which its servers are made.
    pub id: String,
    /// How many servers.
    pub amount: u64,
    /// The size of each.
    pub size: Size,
}

/// The size of a server.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Size {
    /// Processors.
    pub processors: u64,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Disk in GiB.
    pub disk_gib: u64,
}

/// A server.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Its id.
    pub id: String,
    /// Its metadata.
    pub marks: Marks,
    /// How it is, in Nova's word.
    pub status: String,
    /// Why it failed.
    pub fault: Option<String>,
    /// Its addresses by network: those that it has of its own.
    pub fixed: BTreeMap<String, Ipv4Addr>,
    /// The name of its flavor.
    pub flavor: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Whether it ever ran; what never did holds nothing.
    pub ran: bool,
}

impl Listed for Server {
    fn id(&self) -> &str {
        &self.id
    }

    fn node(&self) -> Option<&str> {
        self.marks.get(marks::NODE).map(String::as_str)
    }

    fn state(&self) -> &str {
        &self.status
    }

    fn lives(&self) -> bool {
        !matches!(self.status.as_str(), "DELETED" | "SOFT_DELETED")
    }

    fn since(&self) -> Option<Timestamp> {
        self.created
    }

    fn failed(&self) -> bool {
        self.status == "ERROR"
    }
}

impl Server {
    /// Its address and the network it is in.
    pub fn address(&self) -> Option<(&str, Ipv4Addr)> {
        self.fixed
            .iter()
            .next()
            .map(|(network, address)| (network.as_str(), *address))
    }
}

/// A security group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: String,
    /// The marks in its description.
    pub marks: Marks,
    /// What it lets in, each rule with its id.
    pub rules: BTreeMap<Rule, String>,
}

/// A floating IP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Its id.
    pub id: String,
    /// The address.
    pub address: Ipv4Addr,
    /// The marks in its description, or of the lease that gives it.
    pub marks: Marks,
    /// The lease that gives it, and with which it goes.
    pub lease: Option<String>,
    /// The server's own address that it leads to.
    pub to: Option<Ipv4Addr>,
}

/// A network of our own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Its id.
    pub id: String,
    /// The marks in its description.
    pub marks: Marks,
    /// Its subnets.
    pub subnets: BTreeSet<String>,
}

/// A router of our own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Router {
    /// Its id.
    pub id: String,
    /// The marks in its description.
    pub marks: Marks,
    /// The subnets it leads out of, as far as it was asked.
    pub subnets: BTreeSet<String>,
}

impl Observed {
    /// Everything of these that carries the id.
    #[must_use]
    pub fn of(mut self, id: &str) -> Self {
        let ours = |marks: &Marks| marks.get(marks::ID).is_some_and(|one| one == id);
        self.leases.retain(|lease| ours(&lease.marks));
        self.servers.retain(|server| ours(&server.marks));
        self.groups.retain(|group| ours(&group.marks));
        self.addresses.retain(|address| ours(&address.marks));
        self.networks.retain(|network| ours(&network.marks));
        self.routers.retain(|router| ours(&router.marks));
        self
    }

    /// Machines that run under a lease: its end deletes them, and so does its deletion. One that no lease seems to have given counts
    /// for all: a flavor that is called otherwise than ours here is no proof that the machine does not hang on it.
    pub fn machines_of<'a>(&'a self, lease: &'a Lease) -> impl Iterator<Item = &'a Server> {
        let given = |server: &Server| self.leases.iter().any(|one| one.gave(server));
        let servers = self.servers.iter().filter(|server| server.lives());
        servers.filter(move |server| {
            lease.gave(server) || lease.purpose == Purpose::Machines && !given(server)
        })
    }

    /// Whether anything that is there goes with a lease: machines, or floating IPs.
    pub fn hangs_on(&self, lease: &Lease) -> bool {
        let mut addresses = self.addresses.iter();
        self.machines_of(lease).next().is_some()
            || addresses.any(|address| address.lease.as_ref() == Some(&lease.id))
    }

    /// Leases of this purpose that matter: they give something, will, or have something hang on them in whatever status.
    pub fn counting(&self, purpose: Purpose) -> impl Iterator<Item = &Lease> {
        self.leases.iter().filter(move |lease| {
            lease.purpose == purpose && (lease.lives() || !lease.ended() && self.hangs_on(lease))
        })
    }

    /// Everything, as its kind, its id, how it is called here, and its marks.
    pub fn things(&self) -> impl Iterator<Item = (Kind, &str, String, &Marks)> {
        let servers = self.servers.iter().filter(|server| server.lives());
        let servers = servers.map(|server| {
            let words = format!("machine {}, {}", server.id, server.status);
            (Kind::Server, server.id.as_str(), words, &server.marks)
        });
        let addresses = self.addresses.iter().map(|address| {
            let words = format!("floating IP {}", address.address);
            (Kind::Address, address.id.as_str(), words, &address.marks)
        });
        let groups = self.groups.iter().map(|group| {
            let words = format!("security group {}", group.id);
            (Kind::Group, group.id.as_str(), words, &group.marks)
        });
        let routers = self.routers.iter().map(|router| {
            let words = format!("router {}", router.id);
            (Kind::Router, router.id.as_str(), words, &router.marks)
        });
        let networks = self.networks.iter().map(|network| {
            let words = format!("network {}", network.id);
            (Kind::Network, network.id.as_str(), words, &network.marks)
        });
        let leases = self.leases.iter().map(|lease| {
            let (id, what, status) = (&lease.id, lease.purpose.word(), &lease.status);
            let words = format!("lease {id} ({what}), {status}");
            (Kind::Lease, lease.id.as_str(), words, &lease.marks)
        });
        let access = addresses.chain(groups).chain(routers).chain(networks);
        servers.chain(access).chain(leases)
    }

    /// Everything, by its marks.
    pub fn marked(&self) -> impl Iterator<Item = Marked<'_>> {
        self.things().map(|(kind, id, words, marks)| Marked {
            marks,
            words,
            is_machine: kind == Kind::Server,
            since: self
                .servers
                .iter()
                .find(|server| server.id == id)
                .and_then(|server| server.created),
        })
    }
}
