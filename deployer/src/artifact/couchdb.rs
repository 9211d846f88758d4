//! CouchDB's file where the operator's box brings it.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::cache::{Cache, sha256_of};
use super::program::Program;
use super::{ArtifactError, Progress, file_error, off_thread, pack};
use crate::component::Artifact;
use crate::component::couchdb::package::OLDEST;
use crate::step::sha256;

/// The stand-in's npm package and version.
const STAND_IN: &str = "pouchdb-server 4.2.0";
const PACKAGE: &str = include_str!("data/stand-in/package.json");
const LOCK: &str = include_str!("data/stand-in/package-lock.json");

/// The stand-in's program, below the directory its tar was unpacked to.
pub const STAND_IN_PROGRAM: &str = "node_modules/pouchdb-server/bin/pouchdb-server";

/// How long npm may take.
const NPM_DEADLINE: Duration = Duration::from_mins(5);

/// A release of CouchDB as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// What it is.
    pub artifact: Artifact,
    /// It has the JavaScript engine that needs no library of the system's.
    pub quickjs: bool,
}

/// Checks that a file is a CouchDB release folder as tar.gz (one top folder with `bin/couchdb` in it), new enough, and says what
/// it is.
pub async fn archive(file: PathBuf) -> Result<Release, ArtifactError> {
    off_thread("CouchDB's archive", move || {
        let quickjs = check_archive(&file)?;
        let artifact = Artifact {
            identity: format!("couchdb archive sha256:{}", sha256_of(&file)?),
            sha256: None,
            download: None,
        };
        Ok(Release { artifact, quickjs })
    })
    .await
}

/// Returns whether it has `QuickJS`.
fn check_archive(file: &Path) -> Result<bool, ArtifactError> {
    let unusable = |why: String| ArtifactError::NotUsable {
        path: file.into(),
        wanted: "a CouchDB release folder as tar.gz",
        why,
    };
    let unreadable = |error: std::io::Error| unusable(format!("it cannot be read ({error})"));
    let mut archive = pack::open_gz(file)?;
    let mut top = None;
    let (mut program, mut quickjs, mut version) = (false, false, None);
    for entry in archive.entries().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?;
        let mut parts = path.strip_prefix(".").unwrap_or(&path).components();
        if parts
            .clone()
            .any(|part| !matches!(part, Component::Normal(_)))
        {
            return Err(unusable(format!("{} leads out of it", path.display())));
        }
        let Some(first) = parts.next() else { continue };
        let first = first.as_os_str().to_owned();
        program |= parts.as_path() == Path::new("bin/couchdb");
        quickjs |= parts.as_path().ends_with("priv/couchjs_mainjs");
        version = version.or_else(|| couch_version(parts.as_path()));
        if top.get_or_insert_with(|| first.clone()) != &first {
            return Err(unusable("it has more than one top folder".into()));
        }
    }
    if !program {
        return Err(unusable(
            "it has no bin/couchdb below its top folder".into(),
        ));
    }
    if let Some(version) = version.filter(|version| numbers(version) < numbers(OLDEST)) {
        return Err(unusable(format!(
            "it is CouchDB {version}, which does not know our kind of password: {OLDEST} or newer is needed"
        )));
    }
    // The end of the tar is not the end of the gzip stream, whose checksum comes last.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).map_err(unreadable)?;
    Ok(quickjs)
}

/// The version that a path of a release tells: `lib/couch-3.5.0/…`.
fn couch_version(path: &Path) -> Option<String> {
    let below = path.strip_prefix("lib").ok()?;
    let folder = below.components().next()?.as_os_str().to_str()?;
    folder.strip_prefix("couch-").map(str::to_owned)
}

/// `3.5.0` → `[3, 5, 0]`: compares as versions do.
fn numbers(version: &str) -> Vec<u32> {
    let parts = version.split(|c: char| !c.is_ascii_digit());
    parts.map_while(|part| part.parse().ok()).collect()
}

/// What the stand-in is.
pub fn stand_in_identity() -> Artifact {
    Artifact {
        identity: format!("{STAND_IN} npm lock-sha256:{}", sha256(LOCK.as_bytes())),
        sha256: None,
        download: None,
    }
}

/// Gives the stand-in, with all it needs but Node.js itself, as a tar in the cache; npm fetches it first if need be. The
/// program in it is [`STAND_IN_PROGRAM`].
pub async fn fetch_stand_in(
    cache: &Cache,
    npm: &Program,
    progress: Progress<'_>,
) -> Result<PathBuf, ArtifactError> {
    let name = format!("pouchdb-server-{}.tar", &sha256(LOCK.as_bytes())[..12]);
    if let Some(path) = cache.find(&name).await? {
        return Ok(path);
    }
    let claim = cache.claim("pouchdb-server", progress).await?;
    if let Some(path) = cache.find(&name).await? {
        return Ok(path);
    }
    npm.provide(progress).await?;
    let work = claim.workplace()?;
    for (name, text) in [("package.json", PACKAGE), ("package-lock.json", LOCK)] {
        let path = work.join(name);
        std::fs::write(&path, text).map_err(file_error("write", path))?;
    }
    progress(&format!(
        "fetching {STAND_IN}, a stand-in for CouchDB, by npm"
    ));
    // No install scripts: leveldown, the only native part, ships its builds.
    let arguments = [
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        "--fetch-retries=1",
        "--loglevel=error",
    ];
    npm.run(&arguments, &work, NPM_DEADLINE).await?;
    let tar = work.join("stand-in.tar");
    let made = tar.clone();
    off_thread("the stand-in", move || pack::pack(&work, needed, &made)).await?;
    claim.keep(tar, &name).await
}

/// Whether a file of the stand-in is needed to run it: not npm's own notes, not other systems' builds, no sources of
/// native code, no tests and documents. Licences stay.
fn needed(path: &Path) -> bool {
    if path == Path::new("node_modules") {
        return true;
    }
    if !path.starts_with("node_modules") {
        return false;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    let within = |folder: &str| path.parent().is_some_and(|parent| parent.ends_with(folder));
    if name.starts_with('.') || path == Path::new("node_modules/sqlite3") {
        return false;
    }
    if within("leveldown") && name == "deps" {
        return false;
    }
    if within("leveldown/prebuilds") {
        return name.starts_with("linux-");
    }
    let package = path.parent().and_then(Path::parent);
    let beside_package_json = package.is_some_and(|folder| {
        folder.ends_with("node_modules")
            || folder
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('@'))
    });
    if beside_package_json && matches!(name.as_str(), "test" | "tests" | "example" | "examples") {
        return false;
    }
    let document = [".md", ".markdown", ".map", ".ts"]
        .iter()
        .any(|ending| name.ends_with(ending));
    !document || name.starts_with("licen")
}
