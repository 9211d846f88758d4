//! Jars by the Maven client, for boxes that reach a Maven repository but not Apache's servers. Maven itself checks
//! little; what it brought must be exactly the pinned set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::Sha512;

use super::cache::digest_of;
use super::program::Program;
use super::{ArtifactError, Progress, file_error, off_thread};
use crate::component::artifact::Jars;

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

/// Fetches jars into `work/libs` and compares them with the pinned list.
pub async fn fetch(
    maven: &Program,
    jars: &Jars,
    work: &Path,
    progress: Progress<'_>,
) -> Result<(), ArtifactError> {
    maven.provide(progress).await?;
    let pom = work.join("pom.xml");
    let text = jars.pom.replace("@VERSION@", &jars.version);
    std::fs::write(&pom, text).map_err(file_error("write", pom))?;
    let what = format!("{} {}", jars.title, jars.version);
    progress(&format!("fetching the jars of {what} by Maven"));
    maven.run(&ARGUMENTS, work, DEADLINE).await?;
    let libs = work.join("libs");
    let list = jars.maven_list.clone();
    let brought = format!("what Maven brought for {what}");
    off_thread(&what, move || verify(&libs, &list, &brought)).await
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
