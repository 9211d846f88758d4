//! Kafka's jars by the Maven client, for boxes that reach a Maven repository but not Apache's servers. Maven itself checks
//! little; what it brought must be exactly the pinned set.
//!
//! The list of another version is made with the same `pom.xml`: run [`ARGUMENTS`] with `mvn`, then
//! `(cd libs && LC_ALL=C sha512sum *.jar)`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::Sha512;

use super::cache::digest_of;
use super::program::Program;
use super::{ArtifactError, Progress, file_error, off_thread};

/// What Maven is asked: broker, ZooKeeper, tools and a log binding.
const POM: &str = include_str!("data/kafka-pom.xml");

/// Maven's arguments. `-C` fails on a wrong checksum, `-U` asks again for what once was not found.
pub const ARGUMENTS: [&str; 7] = [
    "-B",
    "-ntp",
    "-q",
    "-C",
    "-U",
    "-Dstyle.color=never",
    "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
];

/// How long Maven may take.
const DEADLINE: Duration = Duration::from_mins(10);

/// Fetches the jars of a Kafka version into `work/libs` and compares them with the pinned list.
pub async fn fetch(
    maven: &Program,
    version: &str,
    list: &str,
    work: &Path,
    progress: Progress<'_>,
) -> Result<(), ArtifactError> {
    maven.provide(progress).await?;
    let pom = work.join("pom.xml");
    std::fs::write(&pom, POM.replace("@VERSION@", version)).map_err(file_error("write", pom))?;
    progress(&format!("fetching the jars of Kafka {version} by Maven"));
    maven.run(&ARGUMENTS, work, DEADLINE).await?;
    let libs = work.join("libs");
    let (version, list) = (version.to_owned(), list.to_owned());
    off_thread("Kafka's jars", move || {
        verify(
            &libs,
            &list,
            &format!("what Maven brought for Kafka {version}"),
        )
    })
    .await
}

/// Compares the files of a directory with a list in the format of `sha512sum`: none may be missing, unexpected or
/// different.
pub fn verify(directory: &Path, list: &str, what: &str) -> Result<(), ArtifactError> {
    let mut pinned: BTreeMap<&str, &str> = list
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(sum, name)| (name, sum))
        .collect();
    let mut differences = Vec::new();
    for path in files(directory)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match pinned.remove(name.as_ref()) {
            None => differences.push(format!("{name}: unexpected")),
            Some(sum) => {
                let found = digest_of::<Sha512>(&path)?;
                if found != sum {
                    differences.push(format!("{name}: SHA-512 {found}, but {sum} is pinned"));
                }
            }
        }
    }
    differences.extend(pinned.keys().map(|name| format!("{name}: missing")));
    if differences.is_empty() {
        return Ok(());
    }
    Err(ArtifactError::NotPinned {
        what: what.into(),
        differences,
    })
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, ArtifactError> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(file_error("read", directory))?;
    files.sort();
    Ok(files)
}
