//! What may be done on a node.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use super::{Access, Content, Download, FromRepository, Item, Judge, Manifest, StateMark, Tool};

/// One action on a node. A new variant must say what it leaves behind ([`Action::leaves`]), how it is described, checked and
/// applied; the compiler lists the places.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Action {
    /// Writes the list of what lies on this node because of us, before anything of it is made.
    WriteManifest {
        /// The list.
        manifest: Manifest,
    },
    /// Installs Debian packages.
    InstallPackages {
        /// Their names.
        packages: Vec<String>,
    },
    /// Adds a package repository, unless the host has it already, and installs a package from it, with our settings in place
    /// before its service first starts.
    InstallFromRepository(FromRepository),
    /// Creates a system user and group of the same name.
    CreateUser {
        /// Its name.
        user: String,
        /// Its home, which is not created.
        home: String,
        /// A package brings the same user, who owns files of it and stays with it.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        packaged: bool,
    },
    /// Creates a directory, its parents included.
    CreateDirectory {
        /// Where.
        path: String,
        /// Whose.
        access: Access,
        /// Holds data that is lost when it is removed.
        data: bool,
    },
    /// Makes the directories around ours, which several deployments may share, and lets everybody pass through them: our services
    /// are none of root's.
    OpenDirectories {
        /// Which, outer ones first.
        paths: Vec<String>,
    },
    /// Makes a symbolic link to the first of some programs that is there.
    LinkFile {
        /// The link.
        path: String,
        /// The programs.
        targets: Vec<String>,
    },
    /// Writes a file whole: temporary file, then rename.
    WriteFile {
        /// Where.
        path: String,
        /// What.
        content: Content,
        /// Whose.
        access: Access,
        /// What must accept it first.
        #[serde(skip_serializing_if = "Option::is_none")]
        judge: Option<Judge>,
    },
    /// Writes a file only where there is none, and leaves it to its reader from then on.
    SeedFile {
        /// Where.
        path: String,
        /// What.
        content: Content,
        /// Whose.
        access: Access,
    },
    /// Copies a file from the operator's box.
    UploadFile {
        /// Which: a key of the run's artifacts.
        artifact: String,
        /// Its SHA-256, in hex.
        sha256: String,
        /// Where to.
        path: String,
        /// Whose.
        access: Access,
    },
    /// Unpacks an archive from the operator's box into a directory of its own. The file [`ARCHIVE_MARKER`](super::ARCHIVE_MARKER) in it, written
    /// last, holds the identity.
    UnpackArchive {
        /// Which: a key of the run's artifacts.
        artifact: String,
        /// What it is: name, version, source and pinned checksum in one line.
        identity: String,
        /// The directory.
        path: String,
        /// Whose the unpacked files are.
        access: Access,
        /// Where the node gets the same content without the operator's box, which is faster from most clouds. Where that
        /// fails, it is sent after all.
        #[serde(skip_serializing_if = "Option::is_none")]
        download: Option<Download>,
        /// Programs and libraries in it, as patterns of a shell, whose own libraries the node must have.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        programs: Vec<String>,
    },
    /// Brings the deployment's block of `/etc/hosts` to these entries, and keeps cloud-init from rewriting the file.
    WriteHostsTable {
        /// Names the block: the deployment's name.
        block: String,
        /// Name → address as reachable from this node; `None` until the machine exists.
        entries: BTreeMap<String, Option<IpAddr>>,
    },
    /// Admits only members (and this node itself) to our ports, by an nftables table of our own, now and after a reboot.
    WriteFirewall {
        /// The table's and its unit's name.
        table: String,
        /// Our TCP ports on this node.
        ports: BTreeSet<u16>,
        /// Node → address as seen by this node; `None` until the machine exists.
        members: BTreeMap<String, Option<IpAddr>>,
    },
    /// Enables a unit and makes it run with the files as they are now: starts it, or restarts it when it runs with others.
    StartUnit {
        /// Unit name, with its suffix.
        unit: String,
        /// The files the process reads → their SHA-256. The unit records at start what it loaded, in [`loaded_record`](super::loaded_record).
        reads: BTreeMap<String, String>,
        /// A state file of a service that may end by itself: with `"finished": true` in it the service is healthy when
        /// it is not running.
        finishes: Option<String>,
        /// It runs a program that is none of ours: whether it fails is its own affair, which is shown and stops nothing.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        foreign: bool,
    },
    /// Waits until a TCP port of this node listens.
    WaitForPort {
        /// The port.
        port: u16,
        /// The unit that should listen, for the message when it does not.
        unit: String,
        /// Deadline in seconds.
        seconds: u64,
    },
    /// Calls a component's own tool, which brings what it looks after to what is wanted, or waits until it is so.
    CallTool {
        /// The component, which judges by the tool's report whether it is so already.
        component: String,
        /// What the call does, in one line: verb and object.
        words: String,
        /// The binary and its configuration.
        tool: Tool,
        /// The words behind the configuration.
        arguments: Vec<String>,
        /// Its standard input; secret where passwords are in it.
        input: Content,
        /// Deadline in seconds: longer than the tool's own.
        seconds: u64,
        /// It only waits.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        waits: bool,
        /// What the tool's report must say, as the component has it.
        wanted: serde_json::Value,
        /// The files by which what is looked after is entered → their SHA-256: where they change, what they open must change with
        /// them.
        reads: BTreeMap<String, String>,
    },
    /// Writes the encrypted copy of the deployment's state, and its mark.
    WriteStateCopy {
        /// The deployment's name.
        deployment: String,
        /// The keyed hash of what should be in it; `None`: not known here, so that any will do.
        digest: Option<String>,
    },
    /// Stops and disables a unit.
    StopUnit {
        /// Unit name, with its suffix.
        unit: String,
    },
    /// Removes a file.
    RemoveFile {
        /// Where.
        path: String,
    },
    /// Removes a directory with all it holds.
    RemoveDirectory {
        /// Where.
        path: String,
        /// Data is lost by it.
        data: bool,
    },
    /// Removes a directory of ours where nothing is left in it: parents that several deployments share.
    RemoveEmptyDirectory {
        /// Where.
        path: String,
    },
    /// Removes a system user and its group.
    RemoveUser {
        /// Its name.
        user: String,
    },
    /// Removes the deployment's block from `/etc/hosts`.
    RemoveHostsTable {
        /// Names the block.
        block: String,
    },
    /// Removes an nftables table and the unit that loads it.
    RemoveFirewall {
        /// The table's name.
        table: String,
    },
}

impl Action {
    /// Whether the action is that something is sent to the node, or fetched by it.
    pub fn is_sent(&self) -> bool {
        matches!(self, Self::UploadFile { .. } | Self::UnpackArchive { .. })
    }

    /// Whether the action runs what is on its node, so that all before it must be done.
    pub fn is_judged(&self) -> bool {
        matches!(self, Self::WriteFile { judge: Some(_), .. })
    }

    /// What this action leaves on the node, to be listed in the manifest before it is made.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub fn leaves(&self) -> Vec<Item> {
        match self {
            Self::CreateUser { user, .. } => vec![Item::User { user: user.clone() }],
            Self::CreateDirectory { path, data, .. } => vec![Item::Directory {
                path: path.clone(),
                data: *data,
            }],
            Self::WriteFile { path, .. }
            | Self::SeedFile { path, .. }
            | Self::UploadFile { path, .. }
            | Self::LinkFile { path, .. } => {
                vec![Item::File { path: path.clone() }]
            }
            Self::UnpackArchive { path, .. } => vec![Item::Directory {
                path: path.clone(),
                data: false,
            }],
            Self::WriteHostsTable { block, .. } => vec![Item::HostsTable {
                block: block.clone(),
            }],
            Self::WriteFirewall { table, .. } => vec![Item::Firewall {
                table: table.clone(),
            }],
            Self::StartUnit { unit, .. } => vec![Item::Unit { unit: unit.clone() }],
            Self::WriteStateCopy { deployment, .. } => {
                let paths = [
                    StateMark::copy_path(deployment),
                    StateMark::path(deployment),
                ];
                paths.map(|path| Item::File { path }).into()
            }
            Self::InstallFromRepository(wanted) => {
                let paths = [wanted.keyring(), wanted.sources()];
                paths.map(|path| Item::File { path }).into()
            }
            // Packages are listed by name in the manifest and stay, with the users who own their files. Directories around ours go
            // when they are empty.
            Self::WriteManifest { .. }
            | Self::OpenDirectories { .. }
            | Self::InstallPackages { .. }
            | Self::WaitForPort { .. }
            | Self::CallTool { .. }
            | Self::StopUnit { .. }
            | Self::RemoveFile { .. }
            | Self::RemoveDirectory { .. }
            | Self::RemoveEmptyDirectory { .. }
            | Self::RemoveUser { .. }
            | Self::RemoveHostsTable { .. }
            | Self::RemoveFirewall { .. } => Vec::new(),
        }
    }
}
