//! Steps: what may happen to a node. Plain data; behaviour is in `run/apply.rs`, one match arm each.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::secret::Secret;

mod action;
mod describe;
mod file;
mod manifest;
mod state_mark;

pub use action::Action;
pub use file::{Access, Content, Judge};
pub use manifest::{Item, Manifest};
pub use state_mark::StateMark;

/// One action on one node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The node it happens on.
    pub node: String,
    /// What happens.
    pub action: Action,
}

/// The directories above a path that are ours, inner ones first: those named `deployer` and all below them, and those of drop-ins
/// for units.
pub fn parents(path: &str) -> Vec<String> {
    let mut parents = Vec::new();
    let mut parent = path;
    while let Some((above, _)) = parent.rsplit_once('/') {
        let drop_ins = above.starts_with("/etc/systemd/system/");
        if drop_ins || above.split('/').any(|part| part == "deployer") {
            parents.push(above.to_owned());
        }
        parent = above;
    }
    parents
}

/// SHA-256 in lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The option of a tool that says that its input begins with a login.
pub const LOGIN: &str = "--login";

/// A component's own program on a node, with its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Path of the binary.
    pub program: String,
    /// Path of its configuration.
    pub config: String,
    /// As whom it asks, where that is not the agent's own login: a line that it reads before all else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Secret>,
}

impl Tool {
    /// The arguments of a call.
    pub fn arguments<'a>(&'a self, words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let login = self.login.as_ref().map(|_| LOGIN);
        let first = ["--config", &self.config].into_iter().chain(login);
        first.chain(words).map(str::to_owned).collect()
    }

    /// What a call reads: as whom it asks, then its own input.
    pub fn input(&self, own: &str) -> String {
        let login = self.login.as_ref();
        login.map_or_else(
            || own.to_owned(),
            |line| format!("{}\n{own}", line.expose()),
        )
    }
}

/// A package, and the repository of its makers that it comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FromRepository {
    /// The software's own name.
    pub software: String,
    /// The package, which is also its unit's name and its user's.
    pub package: String,
    /// The directory that it fills. Without the package, what lies there is somebody else's.
    pub place: String,
    /// The oldest version that will do.
    pub oldest: String,
    /// Why no older one will do.
    pub because: String,
    /// The repository's address.
    pub repository: String,
    /// The public key that signs it, armoured.
    pub key: Content,
    /// The inventory's key by which another key is named.
    pub other_key: String,
    /// debconf answers, secret because of what may be in them.
    pub answers: Content,
    /// Questions whose answers debconf does not keep: every user of a node may read its files.
    pub forgotten: Vec<String>,
}

impl FromRepository {
    /// Where the repository's key is kept on a node.
    pub fn keyring(&self) -> String {
        format!("/usr/share/keyrings/deployer-{}.asc", self.package)
    }

    /// The repository's apt source on a node. Its first line is [`repository_line`], also where the host has a source of its own,
    /// which then is the only one.
    pub fn sources(&self) -> String {
        format!("/etc/apt/sources.list.d/deployer-{}.list", self.package)
    }
}

/// A pinned tar.gz of somebody else's, and the part of it that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Download {
    /// Addresses of the same file, in the order they are tried.
    pub addresses: Vec<String>,
    /// Its SHA-512, in hex.
    pub sha512: String,
    /// What is unpacked, without its top folder: a pattern as tar has them.
    pub wanted: String,
    /// What of that is left out: patterns.
    pub left_out: Vec<String>,
}

/// The file that an unpacked archive's directory ends with.
pub const ARCHIVE_MARKER: &str = ".deployer-artifact";

/// The path of the marker of an archive that is unpacked in `directory`.
pub fn archive_marker(directory: &str) -> String {
    format!("{directory}/{ARCHIVE_MARKER}")
}

/// The text of an archive's marker.
pub fn archive_mark(identity: &str) -> String {
    format!("{identity}\n")
}

/// Where a unit records, at each start, `sha256sum` lines of the files it loaded; before them, for each, a line of inode, colon, time
/// of last change and path, by which a program need not be read again. In `/run`: gone with the processes.
pub fn loaded_record(unit: &str) -> String {
    format!("/run/deployer/{unit}.loaded")
}

/// The line by which [`FromRepository::sources`] says which repository it was written for.
pub fn repository_line(repository: &str) -> String {
    format!("# Written by deployer for {repository}")
}
