//! A folder as tar.gz which the inventory names.

use std::path::{self, Path, PathBuf};

use super::cache::{Cache, sha256_of};
use super::{ArtifactError, off_thread, pack};
use crate::component::Artifact;
use crate::component::artifact::{Chosen, Folder};

/// A folder that was read and is what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// What it is.
    pub artifact: Artifact,
    /// The choices that hang on what is in it.
    pub chosen: Chosen,
}

/// Reads all of a folder unless it is known, checks that it is what it should be, and says what it is.
pub async fn read(folder: Folder, cache: &Cache) -> Result<Read, ArtifactError> {
    let cache = cache.clone();
    off_thread(folder.wanted, move || {
        let file = Path::new(&folder.file);
        let unusable = |why: String| ArtifactError::NotUsable {
            path: file.into(),
            wanted: folder.wanted,
            why,
        };
        let text = cache.read_once("folder", file, || {
            let mut text = sha256_of(file)?;
            for path in list(file, unusable)? {
                text.push('\0');
                text.push_str(&path.to_string_lossy());
            }
            Ok(text)
        })?;
        let mut words = text.split('\0');
        let sha256 = words.next().unwrap_or_default();
        let paths: Vec<PathBuf> = words.map(PathBuf::from).collect();
        let chosen = (folder.look)(&paths).map_err(unusable)?;
        let artifact = Artifact {
            identity: format!("{} archive sha256:{}", folder.name, sha256),
            sha256: None,
            download: None,
        };
        Ok(Read { artifact, chosen })
    })
    .await
}

/// The paths below its top folder. Reads to the end of the gzip stream, whose checksum comes last.
fn list(
    file: &Path,
    unusable: impl Fn(String) -> ArtifactError,
) -> Result<Vec<PathBuf>, ArtifactError> {
    let unreadable = |error: std::io::Error| unusable(format!("it cannot be read ({error})"));
    let mut archive = pack::open_gz(file)?;
    let (mut top, mut paths) = (None, Vec::new());
    for entry in archive.entries().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?;
        let mut parts = path.strip_prefix(".").unwrap_or(&path).components();
        if parts
            .clone()
            .any(|part| !matches!(part, path::Component::Normal(_)))
        {
            return Err(unusable(format!("{} leads out of it", path.display())));
        }
        let Some(first) = parts.next() else { continue };
        let first = first.as_os_str().to_owned();
        if top.get_or_insert_with(|| first.clone()) != &first {
            return Err(unusable("it has more than one top folder".into()));
        }
        paths.push(parts.as_path().to_owned());
    }
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).map_err(unreadable)?;
    Ok(paths)
}
