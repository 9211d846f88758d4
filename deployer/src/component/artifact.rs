//! What this box sends to nodes: what it is, and how this box comes by it. Plain data: what fetches is in
//! [`crate::artifact`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ALL;
use crate::step::Download;

/// The choice which kind of place an artifact came from: what is there is replaced by nothing from elsewhere.
pub const SOURCE: &str = "source";

/// Component → what is known of what is sent for it.
pub type Artifacts = BTreeMap<String, Artifact>;

/// What is known of an artifact before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Name, version, source and pinned checksum in one line: another identity is another content.
    pub identity: String,
    /// SHA-256 of a single file (an agent binary); for archives the identity is enough.
    pub sha256: Option<String>,
    /// Where nodes get an archive by themselves, if from anywhere.
    pub download: Option<Download>,
}

/// How this box comes by an artifact.
#[derive(Debug, Clone)]
pub enum Origin {
    /// The jars of one of Apache's projects.
    Jars(Jars),
    /// A package of npm's with all that it needs.
    Npm(Npm),
    /// A folder that the inventory names.
    Folder(Folder),
}

/// Jars of one of Apache's projects, as one tar with the folder `libs/`. Its servers may have them in one tarball, Maven has them
/// one by one: two pinned sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jars {
    /// The software's name, as Apache writes it.
    pub title: &'static str,
    /// The project's name in Apache's layout. The section of the inventory that may name a mirror is called so, too.
    pub project: &'static str,
    /// The version.
    pub version: String,
    /// The tarball that has them; `None`: none has all of them.
    pub tarball: Option<Tarball>,
    /// What Maven is asked, with `@VERSION@` for the version.
    pub pom: &'static str,
    /// The jars as Maven brings them, as `sha512sum` lists them.
    pub maven_list: String,
}

/// A tarball of one of Apache's projects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tarball {
    /// Its name without its ending.
    pub name: String,
    /// Its SHA-512, in hex.
    pub sha512: String,
    /// Beginnings of the names of jars in it that are not needed.
    pub left_out: &'static [&'static str],
    /// Base address of a mirror with Apache's layout, `<mirror>/<project>/<version>/<name>.tgz`. Tried first.
    pub mirror: Option<String>,
}

/// A package of npm's, as one tar with the folder `node_modules/`.
#[derive(Debug, Clone, Copy)]
pub struct Npm {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it is, in words.
    pub about: &'static str,
    /// The `package.json` that asks for it.
    pub package: &'static str,
    /// The `package-lock.json` that pins it and all that it needs.
    pub lock: &'static str,
    /// Whether a file that npm brings is needed to run it.
    pub needed: fn(&Path) -> bool,
}

/// A folder as tar.gz on this box: one top folder with all the rest in it.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Whose it is, as its identity begins.
    pub name: &'static str,
    /// The file.
    pub file: String,
    /// The inventory's key that names it.
    pub key: &'static str,
    /// What it should be, in words.
    pub wanted: &'static str,
    /// Looks at the paths below its top folder: the choices that hang on them, or why it is not what it should be.
    pub look: fn(&[PathBuf]) -> Result<Chosen, String>,
}

/// Files of the user's that are sent as one tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Its key among the artifacts.
    pub key: String,
    /// The files and folders of this box. Each lies in the tar by its own name.
    pub files: Vec<String>,
    /// The inventory's key that names them.
    pub said_at: String,
}

/// Choice → what was chosen; `None`: nothing is.
pub type Chosen = BTreeMap<&'static str, Option<&'static str>>;

/// The names of our own binaries, those of their components.
pub fn agents() -> impl Iterator<Item = &'static str> {
    let agents = ALL.iter().filter(|component| component.is_agent());
    agents.map(|component| component.name())
}
