//! The agents' binaries: found beside the deployer, and what a node must be to run them.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;

use object::Endianness;
use object::elf::{EM_AARCH64, EM_X86_64, FileHeader64, VER_FLG_WEAK};
use object::read::ReadCache;
use object::read::elf::FileHeader;

use super::cache::{Cache, sha256_of};
use super::{ArtifactError, file_error};
use crate::component::artifact::agents;
use crate::component::{Artifact, Artifacts};

/// All agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agents(Vec<Agent>);

impl Agents {
    /// Takes each by its name.
    ///
    /// # Errors
    /// One cannot be taken.
    pub(super) fn each_by(
        take: impl Fn(&'static str) -> Result<Agent, ArtifactError>,
    ) -> Result<Self, ArtifactError> {
        agents().map(take).collect::<Result<_, _>>().map(Self)
    }

    /// Each of them.
    pub fn each(&self) -> impl Iterator<Item = &Agent> {
        self.0.iter()
    }

    /// The machine they are for, as `uname -m` says it.
    pub fn machine(&self) -> &'static str {
        // Where there are none nobody asks.
        self.0.first().map_or("none", |agent| agent.machine)
    }

    /// The glibc that runs all; `None`: any.
    pub fn libc(&self) -> Option<LibcVersion> {
        self.0.iter().filter_map(|agent| agent.libc).max()
    }

    /// What they are. Those that changed are read, at the same time.
    pub fn artifacts(&self, cache: &Cache) -> Result<Artifacts, ArtifactError> {
        thread::scope(|scope| {
            let read = |agent| scope.spawn(move || Agent::artifact(agent, cache));
            let reading: Vec<_> = self
                .0
                .iter()
                .map(|agent| (agent.name, read(agent)))
                .collect();
            let read = reading.into_iter().map(|(name, artifact)| {
                let artifact = artifact.join();
                let artifact = artifact.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                Ok((name.to_owned(), artifact?))
            });
            read.collect()
        })
    }
}

/// An agent's binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its name: that of its component.
    pub name: &'static str,
    /// The file.
    pub path: PathBuf,
    /// The machine it is for, as `uname -m` says it: `x86_64`, `aarch64`.
    pub machine: &'static str,
    /// The oldest glibc it runs with; `None`: it needs none.
    pub libc: Option<LibcVersion>,
}

impl Agent {
    fn artifact(&self, cache: &Cache) -> Result<Artifact, ArtifactError> {
        let sha256 = cache.read_once("sum", &self.path, || sha256_of(&self.path))?;
        Ok(Artifact {
            identity: format!("{} sha256:{sha256}", self.name),
            sha256: Some(sha256),
            download: None,
        })
    }
}

/// A version of glibc, such as 2.36.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LibcVersion {
    /// 2.
    pub major: u32,
    /// 36.
    pub minor: u32,
}

impl fmt::Display for LibcVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for LibcVersion {
    type Err = std::num::ParseIntError;

    /// Reads `2.36`, and `2.3.4` as 2.3.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = text.split('.');
        Ok(Self {
            major: numbers.next().unwrap_or_default().parse()?,
            minor: numbers.next().unwrap_or_default().parse()?,
        })
    }
}

/// Finds the agents for a machine, as `uname -m` says it, in `directory`, else beside the deployer's own executable. Portable
/// ones are preferred, which lie below it in a folder for each kind of machine: `agents/x86_64/NAME` beside the executable,
/// `x86_64/NAME` in a directory that was named. What lies elsewhere may be for another machine.
pub fn find(
    directory: Option<&Path>,
    executable: &Path,
    machine: &str,
) -> Result<Agents, ArtifactError> {
    let place = directory
        .or_else(|| executable.parent())
        .unwrap_or(Path::new("."));
    let portable = if directory.is_some() {
        place.join(machine)
    } else {
        place.join("agents").join(machine)
    };
    let place = if portable.is_dir() { &portable } else { place };
    // Debug builds of the deployer lie beside debug builds of the agents.
    let release = place.file_name() != Some(OsStr::new("debug"));
    let cure = if directory.is_some() {
        let names: Vec<&str> = agents().collect();
        format!(
            "--agents must name the directory with the {} binaries",
            names.join(" and ")
        )
    } else {
        let flag = if release { " --release" } else { "" };
        format!(
            "build the agents with `cargo build{flag} -p agent`, or name their directory by --agents"
        )
    };
    Agents::each_by(|name| agent(name, place, &cure))
}

fn agent(name: &'static str, directory: &Path, cure: &str) -> Result<Agent, ArtifactError> {
    let path = directory.join(name);
    if !path.is_file() {
        return Err(ArtifactError::NoAgent {
            agent: name,
            directory: directory.into(),
            cure: cure.into(),
        });
    }
    look_into(name, &path)
}

/// Reads from an agent's binary what it needs.
pub(super) fn look_into(name: &'static str, path: &Path) -> Result<Agent, ArtifactError> {
    let file = File::open(path).map_err(file_error("read", path))?;
    let unusable = |why| ArtifactError::NotUsable {
        path: path.into(),
        wanted: "a Linux program for x86_64 or aarch64",
        why,
    };
    let (machine, libc) = needs(&ReadCache::new(file))
        .map_err(|error| unusable(error.to_string()))?
        .ok_or_else(|| unusable("it is for another machine".into()))?;
    Ok(Agent {
        name,
        path: path.into(),
        machine,
        libc,
    })
}

/// The machine a program is for and the glibc it needs; `None` for machines that are not supported.
fn needs(bytes: &ReadCache<File>) -> object::Result<Option<(&'static str, Option<LibcVersion>)>> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    let machine = match header.e_machine(endian) {
        EM_X86_64 => "x86_64",
        EM_AARCH64 => "aarch64",
        _ => return Ok(None),
    };
    let sections = header.sections(endian, bytes)?;
    let mut newest = None;
    if let Some((mut libraries, strings)) = sections.gnu_verneed(endian, bytes)? {
        let strings = sections.strings(endian, bytes, strings)?;
        while let Some((_, mut versions)) = libraries.next()? {
            while let Some(version) = versions.next()? {
                // What is needed only weakly may be missing: the program starts all the same.
                if version.vna_flags.get(endian).contains(VER_FLG_WEAK) {
                    continue;
                }
                let name = String::from_utf8_lossy(version.name(endian, strings)?);
                let libc = name
                    .strip_prefix("GLIBC_")
                    .and_then(|version| version.parse::<LibcVersion>().ok());
                newest = newest.max(libc);
            }
        }
    }
    Ok(Some((machine, newest)))
}
