//! Kafka's jars, ZooKeeper's among them, as one tar with the folder `libs/`.
//!
//! Sources in order: the configured mirror, Apache's content network, Apache's archive, and where none answers, the Maven
//! client. The first three serve one pinned file; Maven's jars are another, pinned, set. So the source is a choice that
//! is made once for a deployment and recorded.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::cache::{Cache, Claim};
use super::download::{Deadlines, Downloader};
use super::program::Program;
use super::{
    ArtifactError, Attempt, DownloadError, Progress, download, file_error, maven, off_thread, pack,
};
use crate::component::Artifact;
use crate::component::kafka::KafkaSection;
use crate::step::{Download, sha256};

/// Where Apache publishes: its content network, which has the supported versions, and its archive, which has all.
const APACHE: [&str; 2] = [
    "https://dlcdn.apache.org",
    "https://archive.apache.org/dist",
];

/// The jars of Kafka's tarball that only Kafka Streams and Kafka Connect need: half of its size.
const LEFT_OUT: [&str; 3] = ["connect-", "kafka-streams-", "rocksdbjni-"];

/// A version of Kafka, with the checksums that pin it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Such as `3.9.1`.
    pub version: String,
    /// SHA-512 of Apache's tarball, in hex.
    pub tarball_sha512: String,
    /// The jars as Maven brings them, as `sha512sum` lists them.
    pub maven_list: String,
}

impl Release {
    /// The versions that can be deployed.
    pub const KNOWN: [&str; 1] = ["3.9.1"];

    /// A known version.
    pub fn of(version: &str) -> Result<Self, ArtifactError> {
        match version {
            "3.9.1" => Ok(Self {
                version: version.into(),
                tarball_sha512: "1ea204ba73411737a275429ca976d440f007ff0957b90b19be41dc5a4bae5261\
                                 7267769be9f0b5791714d0b3c4c760605bd426faea39edd90763585523fa2cfe"
                    .into(),
                maven_list: include_str!("data/kafka-3.9.1-maven.sha512").into(),
            }),
            _ => Err(ArtifactError::Version {
                version: version.into(),
                known: Self::KNOWN.join(", "),
            }),
        }
    }
}

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

    /// The kinds that may be tried: the recorded one, else all in order.
    fn allowed(recorded: Option<&str>) -> Result<Vec<Self>, ArtifactError> {
        match recorded {
            Some(word) => Ok(vec![word.parse()?]),
            None => Ok(vec![Self::Apache, Self::Maven]),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Source {
    type Err = ArtifactError;

    fn from_str(word: &str) -> Result<Self, ArtifactError> {
        match word {
            "apache" => Ok(Self::Apache),
            "maven" => Ok(Self::Maven),
            _ => Err(ArtifactError::Choice {
                what: "Kafka's source",
                choice: word.into(),
            }),
        }
    }
}

/// Where a release may be fetched from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The wanted release.
    pub release: Release,
    /// Base address of a mirror with Apache's layout, `<mirror>/kafka/3.9.1/kafka_2.13-3.9.1.tgz`. Tried first.
    pub mirror: Option<String>,
    /// Base addresses of Apache's own servers, of the same layout.
    pub apache: Vec<String>,
    /// The Maven client.
    pub maven: Program,
    /// How long downloads may wait.
    pub deadlines: Deadlines,
}

impl Settings {
    /// The settings of an inventory.
    pub fn of(kafka: &KafkaSection) -> Result<Self, ArtifactError> {
        Ok(Self {
            release: Release::of(&kafka.version)?,
            mirror: kafka.mirror.clone(),
            apache: APACHE.map(String::from).to_vec(),
            maven: Program::maven(),
            deadlines: Deadlines::default(),
        })
    }

    /// What nodes are to have from a kind of source. Apache's tarball they can fetch by themselves; Maven's jars are too many.
    pub fn artifact(&self, source: Source) -> Artifact {
        let download = (source == Source::Apache).then(|| Download {
            addresses: self
                .servers()
                .map(|(base, _)| self.address(base))
                .filter(|address| download::is_open(address))
                .collect(),
            sha512: self.release.tarball_sha512.to_ascii_lowercase(),
            wanted: "*/libs/*.jar".into(),
            left_out: LEFT_OUT.map(|jars| format!("*/libs/{jars}*")).into(),
        });
        Artifact {
            download,
            ..identity(&self.release, source)
        }
    }

    /// The tarball's address at a server.
    fn address(&self, base: &str) -> String {
        let (base, version) = (base.trim_end_matches('/'), &self.release.version);
        format!("{base}/kafka/{version}/kafka_2.13-{version}.tgz")
    }

    /// All servers of the tarball, each with whether the user configured it.
    fn servers(&self) -> impl Iterator<Item = (&str, bool)> {
        let mirror = self.mirror.iter().map(|base| (base.as_str(), true));
        mirror.chain(self.apache.iter().map(|base| (base.as_str(), false)))
    }

    fn what(&self) -> String {
        format!("Kafka {}", self.release.version)
    }

    /// The file's name in the cache: another identity has another name.
    fn file_name(&self, source: Source) -> String {
        let identity = sha256(identity(&self.release, source).identity.as_bytes());
        format!(
            "kafka-{}-{source}-{}.tar",
            self.release.version,
            &identity[..12]
        )
    }
}

/// What the jars of a release from a kind of source are.
pub fn identity(release: &Release, source: Source) -> Artifact {
    let sum = match source {
        Source::Apache => release.tarball_sha512.to_ascii_lowercase(),
        Source::Maven => {
            use sha2::{Digest, Sha512};
            hex::encode(Sha512::digest(release.maven_list.as_bytes()))
        }
    };
    Artifact {
        identity: format!("kafka {} {source} sha512:{sum}", release.version),
        sha256: None,
        download: None,
    }
}

/// The kind of source that [`fetch`] will most likely use, without asking anybody: the recorded one, else one that is in
/// the cache, else Apache's.
pub fn likely(
    cache: &Cache,
    settings: &Settings,
    recorded: Option<&str>,
) -> Result<Source, ArtifactError> {
    let allowed = Source::allowed(recorded)?;
    let cached = allowed
        .iter()
        .find(|source| cache.has(&settings.file_name(**source)));
    Ok(*cached.unwrap_or(&allowed[0]))
}

/// Gives the jars as a tar in the cache, fetching them first if need be. With a recorded choice only that kind of source
/// is used.
pub async fn fetch(
    cache: &Cache,
    settings: &Settings,
    recorded: Option<&str>,
    progress: Progress<'_>,
) -> Result<(Source, PathBuf), ArtifactError> {
    let allowed = Source::allowed(recorded)?;
    if let Some(found) = cached(cache, settings, &allowed).await? {
        return Ok(found);
    }
    let claim = cache
        .claim(&format!("kafka-{}", settings.release.version), progress)
        .await?;
    // Another process may have fetched it while this one waited.
    if let Some(found) = cached(cache, settings, &allowed).await? {
        return Ok(found);
    }
    let mut tried = Vec::new();
    for source in allowed {
        let work = claim.workplace()?;
        let libs = match source {
            Source::Apache => from_servers(settings, &work, &mut tried, progress).await?,
            Source::Maven => by_maven(settings, &work, &mut tried, progress).await?,
        };
        if libs {
            let path = keep(&claim, settings, source, work).await?;
            return Ok((source, path));
        }
    }
    let kept = recorded.map_or(String::new(), |word| {
        format!("(this deployment was made with the source `{word}`; no other kind is tried) ")
    });
    Err(ArtifactError::NoSource {
        what: settings.what(),
        tried,
        cure: format!(
            "{kept}give `kafka: mirror:`, the base address of a mirror with Apache's layout, or make one of these reachable"
        ),
    })
}

async fn cached(
    cache: &Cache,
    settings: &Settings,
    sources: &[Source],
) -> Result<Option<(Source, PathBuf)>, ArtifactError> {
    for source in sources {
        if let Some(path) = cache.find(&settings.file_name(*source)).await? {
            return Ok(Some((*source, path)));
        }
    }
    Ok(None)
}

/// Whether a server gave the tarball; its jars are then in `work/libs`.
async fn from_servers(
    settings: &Settings,
    work: &Path,
    tried: &mut Vec<Attempt>,
    progress: Progress<'_>,
) -> Result<bool, ArtifactError> {
    let downloader = Downloader::new(settings.deadlines)?;
    let tarball = work.join("kafka.tgz");
    for (base, configured) in settings.servers() {
        let address = settings.address(base);
        let fetched = downloader
            .fetch(
                &address,
                &settings.release.tarball_sha512,
                &tarball,
                progress,
            )
            .await;
        match fetched {
            Ok(()) => {
                let libs = work.join("libs");
                off_thread("Kafka's tarball", move || unpack_jars(&tarball, &libs)).await?;
                return Ok(true);
            }
            Err(source @ DownloadError::Checksum { .. }) if configured => {
                return Err(ArtifactError::Mirror {
                    what: settings.what(),
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
    settings: &Settings,
    work: &Path,
    tried: &mut Vec<Attempt>,
    progress: Progress<'_>,
) -> Result<bool, ArtifactError> {
    let release = &settings.release;
    let fetched = maven::fetch(
        &settings.maven,
        &release.version,
        &release.maven_list,
        work,
        progress,
    );
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
fn unpack_jars(tarball: &Path, libs: &Path) -> Result<(), ArtifactError> {
    std::fs::create_dir(libs).map_err(file_error("create", libs))?;
    let mut archive = pack::open_gz(tarball)?;
    let entries = archive.entries().map_err(file_error("unpack", tarball))?;
    let mut jars = 0;
    for entry in entries {
        let mut entry = entry.map_err(file_error("unpack", tarball))?;
        let path = entry.path().map_err(file_error("unpack", tarball))?;
        let Some(name) = wanted_jar(&path) else {
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
            wanted: "Kafka's tarball",
            why: "it holds no jars".into(),
        });
    }
    Ok(())
}

/// The jar's name, if the entry is a wanted one: `kafka_2.13-3.9.1/libs/….jar`.
fn wanted_jar(path: &Path) -> Option<String> {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    let [_, "libs", name] = parts[..] else {
        return None;
    };
    let left_out = LEFT_OUT.iter().any(|prefix| name.starts_with(prefix));
    let jar = Path::new(name).extension()?.eq_ignore_ascii_case("jar");
    (jar && !left_out).then(|| name.to_owned())
}

async fn keep(
    claim: &Claim<'_>,
    settings: &Settings,
    source: Source,
    work: PathBuf,
) -> Result<PathBuf, ArtifactError> {
    let tar = work.join("kafka.tar");
    let made = tar.clone();
    off_thread("Kafka's jars", move || {
        pack::pack(&work, |path| path.starts_with("libs"), &made)
    })
    .await?;
    claim.keep(tar, &settings.file_name(source)).await
}
