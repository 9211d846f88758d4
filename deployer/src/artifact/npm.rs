//! npm's packages, as one tar with the folder `node_modules/`.

use std::path::PathBuf;
use std::time::Duration;

use super::cache::Cache;
use super::program::Program;
use super::{ArtifactError, Progress, file_error, off_thread, pack};
use crate::component::Artifact;
use crate::component::artifact::Npm;
use crate::step::sha256;

/// How long npm may take.
const DEADLINE: Duration = Duration::from_mins(5);

/// What a package is.
pub fn artifact(package: &Npm) -> Artifact {
    Artifact {
        identity: format!(
            "{} {} npm lock-sha256:{}",
            package.name,
            package.version,
            sha256(package.lock.as_bytes())
        ),
        sha256: None,
        download: None,
    }
}

/// Gives a package, with all it needs but Node.js itself, as a tar in the cache; npm fetches it first if need be.
pub async fn fetch(
    cache: &Cache,
    npm: &Program,
    package: &Npm,
    progress: Progress<'_>,
) -> Result<PathBuf, ArtifactError> {
    let Npm { name, version, .. } = *package;
    let file = format!("{name}-{}.tar", &sha256(package.lock.as_bytes())[..12]);
    if let Some(path) = cache.find(&file).await? {
        return Ok(path);
    }
    let claim = cache.claim(name, progress).await?;
    if let Some(path) = cache.find(&file).await? {
        return Ok(path);
    }
    npm.provide(progress).await?;
    let work = claim.workplace()?;
    for (name, text) in [
        ("package.json", package.package),
        ("package-lock.json", package.lock),
    ] {
        let path = work.join(name);
        std::fs::write(&path, text).map_err(file_error("write", path))?;
    }
    let about = package.about;
    progress(&format!("fetching {name} {version}, {about}, by npm"));
    // No install scripts: what is native among our packages ships its builds.
    let arguments = [
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        "--fetch-retries=1",
        "--loglevel=error",
    ];
    npm.run(&arguments, &work, DEADLINE).await?;
    let tar = work.join("package.tar");
    let (made, needed) = (tar.clone(), package.needed);
    off_thread(name, move || pack::pack(&work, needed, &made)).await?;
    claim.keep(tar, &file).await
}
