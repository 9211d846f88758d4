//! What components say of their artifacts → what is known of one, and the file itself: a row for each kind of origin.

use std::path::PathBuf;

use super::cache::Cache;
use super::jars::Sources;
use super::program::Program;
use super::{ArtifactError, Progress, jars, npm};
use crate::component::{Artifact, Origin};

/// What is known of an artifact without asking anybody. `recorded` is the source that it came from before. `None`: it is known
/// by reading all of it, see [`folder`](super::folder).
pub fn known(
    origin: Origin,
    cache: &Cache,
    recorded: Option<&str>,
) -> Result<Option<Artifact>, ArtifactError> {
    match origin {
        Origin::Jars(jars) => {
            let sources = Sources::of(jars);
            let source = jars::likely(cache, &sources, recorded)?;
            Ok(Some(sources.artifact(source)))
        }
        Origin::Npm(package) => Ok(Some(npm::artifact(&package))),
        Origin::Folder(_) => Ok(None),
    }
}

/// Gives an artifact's file on this box, fetching it first if need be, and which kind of source gave it where there are several.
pub async fn fetch(
    origin: Origin,
    cache: &Cache,
    recorded: Option<&str>,
    progress: Progress<'_>,
) -> Result<(PathBuf, Option<&'static str>), ArtifactError> {
    match origin {
        Origin::Jars(jars) => {
            let sources = Sources::of(jars);
            let fetched = jars::fetch(cache, &sources, recorded, progress);
            let (source, path) = fetched.await?;
            Ok((path, Some(source.name())))
        }
        Origin::Npm(package) => {
            let path = npm::fetch(cache, &Program::npm(), &package, progress).await?;
            Ok((path, None))
        }
        Origin::Folder(folder) => Ok((folder.file.into(), None)),
    }
}
