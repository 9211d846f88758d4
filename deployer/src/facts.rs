//! Facts: what a node says of itself when asked, all in one question.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::step::{Manifest, Tool};

/// What to ask a node. Built from the actions a plan may hold for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Files and directories: path → whether the text may be shown (then it is sent along, for the diff).
    pub files: BTreeMap<String, bool>,
    /// Files that are looked at and not read, because of their size.
    pub unread: BTreeSet<String>,
    /// Units.
    pub units: BTreeSet<String>,
    /// Debian packages.
    pub packages: BTreeSet<String>,
    /// System users.
    pub users: BTreeSet<String>,
    /// nftables tables.
    pub tables: BTreeSet<String>,
    /// The deployment whose manifest and hosts block are wanted.
    pub deployment: String,
    /// The pipeline's state, from the node that answers for it.
    pub pipeline: Option<Tool>,
    /// How long the pipeline may take for its answer.
    pub patience: Patience,
    /// The node's own addresses.
    pub addresses: bool,
    /// Ports of this node at which agents tell about themselves.
    pub figures: BTreeSet<u16>,
    /// Directories of unpacked archives.
    pub archives: BTreeSet<String>,
    /// Whether each file of the archives is read, too. It is anyhow where one of the units keeps failing.
    pub whole: bool,
    /// Directories whose file systems must not be full, whether they are there yet or not.
    pub disks: BTreeSet<String>,
    /// Files that somebody who owns nothing must be able to read by a group: path → group. They are a part of the system.
    pub sources: BTreeMap<String, String>,
    /// The machine and its operating system. To ask for them takes about as long as all else of a plain node, and they matter
    /// only before something is put on it.
    pub system: bool,
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Patience {
    /// As something hangs on it: what is busy is not to look like what is away.
    #[default]
    Long,
    /// A moment: it is shown, and asked for again soon.
    Short,
}

/// What a node answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The system; the default where it was not asked for.
    pub system: System,
    /// Tells this machine from all others, whatever names it has: its boot, its number, its name and when its first process
    /// began. Two that run in one kernel differ in the last three, clones in the first.
    #[serde(default)]
    pub identity: String,
    /// What lies at the paths asked for; absent: nothing.
    pub files: BTreeMap<String, FileFact>,
    /// Units asked for.
    pub units: BTreeMap<String, UnitFact>,
    /// Which of the packages asked for are installed.
    pub packages: BTreeSet<String>,
    /// Which of the users asked for exist.
    pub users: BTreeSet<String>,
    /// Those of the nftables tables asked for that are loaded.
    pub tables: BTreeMap<String, TableFact>,
    /// Directory of an unpacked archive → what is not as it was unpacked, in words; empty: all is. Absent: no such directory.
    #[serde(default)]
    pub archives: BTreeMap<String, String>,
    /// Directory asked for → the file system that holds it.
    #[serde(default)]
    pub disks: BTreeMap<String, DiskFact>,
    /// TCP ports that listen → the unit whose process listens, or the process name.
    pub ports: BTreeMap<u16, String>,
    /// Its addresses that others can reach → the interface, where they were asked for.
    #[serde(default)]
    pub addresses: BTreeMap<IpAddr, String>,
    /// Port asked for → what an agent answered there, as it came; absent: nothing.
    #[serde(default)]
    pub figures: BTreeMap<u16, String>,
    /// The deployment's block of `/etc/hosts`, without its marks; `None`: no block.
    pub hosts_block: Option<String>,
    /// Our manifest.
    pub manifest: Option<Manifest>,
    /// The pipeline's own report (see the agents' contract); `None`: not asked, or not answered.
    pub pipeline: Option<serde_json::Value>,
}

/// The machine and its operating system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct System {
    /// `ID` of `/etc/os-release`: `debian`, `ubuntu`.
    pub os: String,
    /// `VERSION_ID`: `12`, `22.04`.
    pub version: String,
    /// `VERSION_CODENAME`: `bookworm`.
    pub codename: String,
    /// `uname -m`: `x86_64`.
    pub architecture: String,
    /// glibc's version, such as `2.36`.
    pub libc: String,
    /// Something else than systemd runs the machine.
    #[serde(default)]
    pub foreign_init: bool,
    /// Its packet filters, as `nft -j list ruleset`, `iptables -S` and `ip6tables -S` print them; empty: there is none.
    #[serde(default)]
    pub filters: [String; 3],
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Free space of the file system that holds `/var/lib`, in MiB.
    pub disk_free_mib: u64,
    /// Free space of the file system that holds `/opt`, in MiB; `None`: not known.
    #[serde(default)]
    pub software_free_mib: Option<u64>,
    /// Nothing can be executed below `/opt`.
    #[serde(default)]
    pub software_noexec: bool,
    /// What we write to, and not even root can.
    #[serde(default)]
    pub unwritable: Vec<String>,
    /// Files asked for that cannot be read as they must be, each with why.
    #[serde(default)]
    pub closed: BTreeMap<String, String>,
    /// The node's clock minus the operator's, in milliseconds: what they differ at least, for one round trip tells no more.
    pub clock_skew_ms: i64,
}

/// What lies at a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFact {
    /// A directory.
    pub directory: bool,
    /// Owner's name.
    pub owner: String,
    /// Group's name.
    pub group: String,
    /// Permission bits.
    pub mode: u32,
    /// SHA-256 in hex; empty for a directory.
    pub sha256: String,
    /// The text, where it may be shown and is UTF-8 and short.
    pub text: Option<String>,
}

/// A loaded nftables table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFact {
    /// SHA-256 of the file it was loaded from; empty: not known.
    pub rules: String,
    /// It lists the same as right after it was loaded.
    pub untouched: bool,
}

/// A mounted file system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskFact {
    /// Where it is mounted.
    pub mount: String,
    /// Free space in MiB, for who is not root.
    pub free_mib: u64,
    /// All space in MiB.
    pub size_mib: u64,
    /// It has space and can hold no further file.
    pub no_inodes: bool,
}

impl DiskFact {
    /// With less than this, in MiB, a broker cannot even make the files of a partition.
    const FULL: u64 = 32;

    /// Says that it is full; `None`: it is not.
    pub fn full(&self) -> Option<String> {
        let Self {
            mount,
            free_mib,
            size_mib,
            no_inodes,
        } = self;
        if *no_inodes {
            Some(format!(
                "the disk at {mount} is full: it can hold no further file"
            ))
        } else {
            (*free_mib < Self::FULL.min(size_mib / 4)).then(|| {
                format!("the disk at {mount} is full: {free_mib} of {size_mib} MiB are free")
            })
        }
    }
}

/// A systemd unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitFact {
    /// systemd knows a unit file of this name.
    pub loaded: bool,
    /// `active`, `activating`, `inactive`, `failed` …
    pub active: String,
    /// `running`, `exited`, `dead` …
    pub sub: String,
    /// Started at boot.
    pub enabled: bool,
    /// The main process; 0: none.
    pub main_pid: u32,
    /// Restarts by systemd since the last start by us.
    pub restarts: u32,
    /// The files it loaded at its last start → their SHA-256.
    pub reads: BTreeMap<String, String>,
}

impl UnitFact {
    /// Whether the unit runs, or is on its way.
    pub fn runs(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading")
    }
}
