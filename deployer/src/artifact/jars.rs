//! The jars of Apache's projects, as one tar with the folder `libs/`.
//!
//! Sources in order: the configured mirror, Apache's content network, Apache's archive, and where none answers, the Maven
//! client. The first three serve one pinned file, if there is one; Maven's jars are another, pinned, set. So the source is a
//! choice that is made once for a deployment and recorded.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::cache::{Cache, Claim};
use super::download::{Deadlines, Downloader};
use super::program::Program;
use super::{
    ArtifactError, Attempt, DownloadError, Progress, download, file_error, maven, off_thread, pack,
};
use crate::component::Artifact;
use crate::component::artifact::{Jars, Tarball};
use crate::step::{Download, sha256};

/// Where Apache publishes: its content network, which has the supported versions, and its archive, which has all.
const APACHE: [&str; 2] = [
    "https://dlcdn.apache.org",
    "https://archive.apache.org/dist",
];

/// A kind of source. All servers of Apache's tarball are one, since they serve the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Apache's tarball.
    Apache,
    /// Jars by the Maven client.
    Maven,
}

impl Source {
    /// The word in receipts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Apache => "apache",
            Self::Maven => "maven",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Jars, and where they may be fetched from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The jars.
    pub jars: Jars,
    /// Base addresses of Apache's own servers, which are asked after the mirror.
    pub apache: Vec<String>,
    /// The Maven client.
    pub maven: Program,
    /// How long downloads may wait.
    pub deadlines: Deadlines,
}

impl Sources {
    /// The usual ones.
    pub fn of(jars: Jars) -> Self {
        Self {
            jars,
            apache: APACHE.map(String::from).to_vec(),
            maven: Program::maven(),
            deadlines: Deadlines::default(),
        }
    }

    /// What nodes are to have from a kind of source. Apache's tarball they can fetch by themselves; Maven's jars are too many.
    pub fn artifact(&self, source: Source) -> Artifact {
        let download = self.tarball(source).map(|tarball| Download {
            addresses: self
                .servers(tarball)
                .map(|(base, _)| self.address(base, tarball))
                .filter(|address| download::is_open(address))
                .collect(),
            sha512: tarball.sha512.to_ascii_lowercase(),
            wanted: "*/libs/*.jar".into(),
            left_out: tarball
                .left_out
                .iter()
                .map(|jars| format!("*/libs/{jars}*"))
                .collect(),
        });
        Artifact {
            identity: self.identity(source),
            sha256: None,
            download,
        }
    }

    /// The tarball that a kind of source gives.
    fn tarball(&self, source: Source) -> Option<&Tarball> {
        let tarball = self.jars.tarball.as_ref();
        tarball.filter(|_| source == Source::Apache)
    }

    /// What the jars from a kind of source are.
    fn identity(&self, source: Source) -> String {
        let jars = &self.jars;
        let sum = if let Some(tarball) = self.tarball(source) {
            tarball.sha512.to_ascii_lowercase()
        } else {
            use sha2::{Digest, Sha512};
            hex::encode(Sha512::digest(jars.maven_list.as_bytes()))
        };
        format!("{} {} {source} sha512:{sum}", jars.project, jars.version)
    }

    /// The kinds that may be tried: the recorded one, else all in order.
    fn allowed(&self, recorded: Option<&str>) -> Result<Vec<Source>, ArtifactError> {
        let mut all = vec![Source::Apache, Source::Maven];
        all.retain(|source| *source == Source::Maven || self.jars.tarball.is_some());
        if let Some(word) = recorded {
            all.retain(|source| source.name() == word);
            if all.is_empty() {
                return Err(ArtifactError::Choice {
                    what: format!("{}'s source", self.jars.title),
                    choice: word.into(),
                });
            }
        }
        Ok(all)
    }

    /// The tarball's address at a server.
    fn address(&self, base: &str, tarball: &Tarball) -> String {
        let Jars {
            project, version, ..
        } = &self.jars;
        let base = base.trim_end_matches('/');
        format!("{base}/{project}/{version}/{}.tgz", tarball.name)
    }

    /// All servers of the tarball, each with whether the user configured it.
    fn servers<'a>(&'a self, tarball: &'a Tarball) -> impl Iterator<Item = (&'a str, bool)> {
        let mirror = tarball.mirror.iter().map(|base| (base.as_str(), true));
        mirror.chain(self.apache.iter().map(|base| (base.as_str(), false)))
    }

    fn what(&self) -> String {
        format!("{} {}", self.jars.title, self.jars.version)
    }

    /// What claims and files in the cache begin with.
    fn name(&self) -> String {
        format!("{}-{}", self.jars.project, self.jars.version)
    }

    /// The file's name in the cache: another identity has another name.
    fn file_name(&self, source: Source) -> String {
        let identity = sha256(self.identity(source).as_bytes());
        format!("{}-{source}-{}.tar", self.name(), &identity[..12])
    }
}

/// The kind of source that [`fetch`] will most likely use, without asking anybody: the recorded one, else one that is in
/// the cache, else Apache's.
pub fn likely(
    cache: &Cache,
    sources: &Sources,
    recorded: Option<&str>,
) -> Result<Source, ArtifactError> {
    let allowed = sources.allowed(recorded)?;
    let cached = allowed
        .iter()
        .find(|source| cache.has(&sources.file_name(**source)));
    Ok(*cached.unwrap_or(&allowed[0]))
}

/// Gives the jars as a tar in the cache, fetching them first if need be. With a recorded choice only that kind of source
/// is used.
pub async fn fetch(
    cache: &Cache,
    sources: &Sources,
    recorded: Option<&str>,
    progress: Progress<'_>,
) -> Result<(Source, PathBuf), ArtifactError> {
    let allowed = sources.allowed(recorded)?;
    if let Some(found) = cached(cache, sources, &allowed).await? {
        return Ok(found);
    }
    let claim = cache.claim(&sources.name(), progress).await?;
    // Another process may have fetched it while this one waited.
    if let Some(found) = cached(cache, sources, &allowed).await? {
        return Ok(found);
    }
    let mut tried = Vec::new();
    for source in allowed {
        let work = claim.workplace()?;
        let libs = match source {
            Source::Apache => from_servers(sources, &work, &mut tried, progress).await?,
            Source::Maven => by_maven(sources, &work, &mut tried, progress).await?,
        };
        if libs {
            let path = keep(&claim, sources, source, work).await?;
            return Ok((source, path));
        }
    }
    let kept = recorded.map_or(String::new(), |word| {
        format!("(this deployment was made with the source `{word}`; no other kind is tried) ")
    });
    let mirror = sources.jars.tarball.as_ref().map_or(String::new(), |_| {
        format!(
            "give `{}: mirror:`, the base address of a mirror with Apache's layout, or ",
            sources.jars.project
        )
    });
    Err(ArtifactError::NoSource {
        what: sources.what(),
        tried,
        cure: format!("{kept}{mirror}make one of these reachable"),
    })
}

async fn cached(
    cache: &Cache,
    sources: &Sources,
    allowed: &[Source],
) -> Result<Option<(Source, PathBuf)>, ArtifactError> {
    for source in allowed {
        if let Some(path) = cache.find(&sources.file_name(*source)).await? {
            return Ok(Some((*source, path)));
        }
    }
    Ok(None)
}

/// Whether a server gave the tarball; its jars are then in `work/libs`.
async fn from_servers(
    sources: &Sources,
    work: &Path,
    tried: &mut Vec<Attempt>,
    progress: Progress<'_>,
) -> Result<bool, ArtifactError> {
    let Some(tarball) = &sources.jars.tarball else {
        return Ok(false);
    };
    let downloader = Downloader::new(sources.deadlines)?;
    let file = work.join("jars.tgz");
    for (base, configured) in sources.servers(tarball) {
        let address = sources.address(base, tarball);
        let fetched = downloader
            .fetch(&address, &tarball.sha512, &file, progress)
            .await;
        match fetched {
            Ok(()) => {
                let (libs, left_out) = (work.join("libs"), tarball.left_out);
                let unpack = move || unpack_jars(&file, &libs, left_out);
                off_thread(&sources.what(), unpack).await?;
                return Ok(true);
            }
            Err(source @ DownloadError::Checksum { .. }) if configured => {
                return Err(ArtifactError::Mirror {
                    what: sources.what(),
                    source,
                });
            }
            Err(error @ (DownloadError::File { .. } | DownloadError::Client(_))) => {
                return Err(error.into());
            }
            Err(error) => {
                let attempt = Attempt::new(if configured { "mirror" } else { "Apache" }, &error);
                // Apache's content network has the newest versions only; that is nothing to worry about.
                if configured || !error.is_not_found() {
                    progress(&format!("{}: {}", attempt.source, attempt.why));
                }
                tried.push(attempt);
            }
        }
    }
    Ok(false)
}

/// Whether Maven gave the jars; they are then in `work/libs`.
async fn by_maven(
    sources: &Sources,
    work: &Path,
    tried: &mut Vec<Attempt>,
    progress: Progress<'_>,
) -> Result<bool, ArtifactError> {
    let fetched = maven::fetch(&sources.maven, &sources.jars, work, progress);
    match fetched.await {
        Ok(()) => Ok(true),
        Err(ArtifactError::Program(error)) => {
            tried.push(Attempt::new("Maven", &error));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Unpacks the wanted jars of Apache's (verified) tarball.
fn unpack_jars(tarball: &Path, libs: &Path, left_out: &[&str]) -> Result<(), ArtifactError> {
    std::fs::create_dir(libs).map_err(file_error("create", libs))?;
    let mut archive = pack::open_gz(tarball)?;
    let entries = archive.entries().map_err(file_error("unpack", tarball))?;
    let mut jars = 0;
    for entry in entries {
        let mut entry = entry.map_err(file_error("unpack", tarball))?;
        let path = entry.path().map_err(file_error("unpack", tarball))?;
        let Some(name) = wanted_jar(&path, left_out) else {
            continue;
        };
        let jar = libs.join(name);
        let mut file = File::create(&jar).map_err(file_error("create", &jar))?;
        std::io::copy(&mut entry, &mut file).map_err(file_error("unpack", jar))?;
        jars += 1;
    }
    if jars == 0 {
        return Err(ArtifactError::NotUsable {
            path: tarball.into(),
            wanted: "a tarball of Apache's",
            why: "it holds no jars".into(),
        });
    }
    Ok(())
}

/// The jar's name, if the entry is a wanted one: `<tarball>/libs/….jar`.
fn wanted_jar(path: &Path, left_out: &[&str]) -> Option<String> {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    let [_, "libs", name] = parts[..] else {
        return None;
    };
    let left_out = left_out.iter().any(|prefix| name.starts_with(prefix));
    let jar = Path::new(name).extension()?.eq_ignore_ascii_case("jar");
    (jar && !left_out).then(|| name.to_owned())
}

async fn keep(
    claim: &Claim<'_>,
    sources: &Sources,
    source: Source,
    work: PathBuf,
) -> Result<PathBuf, ArtifactError> {
    let tar = work.join("jars.tar");
    let made = tar.clone();
    off_thread(&sources.what(), move || {
        pack::pack(&work, |path| path.starts_with("libs"), &made)
    })
    .await?;
    claim.keep(tar, &sources.file_name(source)).await
}
