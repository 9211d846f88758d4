//! Files of the user's that the inventory names, as one tar.

use std::path::{Path, PathBuf};

use super::cache::{Cache, sha256_of};
use super::{ArtifactError, file_error, off_thread, pack};
use crate::component::Artifact;

/// More than this is no program, but a mistake in its folder: MiB.
const MOST_MIB: u64 = 512;

/// Packs files into the cache, and says what they are. `key` is that of their parcel.
pub async fn read(
    key: &str,
    files: Vec<PathBuf>,
    cache: &Cache,
) -> Result<Artifact, ArtifactError> {
    let claim = cache.claim(key, &|_| {}).await?;
    let work = claim.workplace()?;
    let packed = work.join("tar");
    let into = packed.clone();
    let sha256 = off_thread(key, move || {
        let folder = work.join("files");
        std::fs::create_dir(&folder).map_err(file_error("create", &folder))?;
        let mut left = MOST_MIB << 20;
        for file in &files {
            // The inventory's check has seen that each has a name.
            let to = folder.join(file.file_name().unwrap_or_default());
            copy(file, &to, &mut left)?;
        }
        pack::pack(&folder, |_| true, &into)?;
        sha256_of(&into)
    })
    .await?;
    claim.keep(packed, &name(key, &sha256)).await?;
    Ok(Artifact {
        identity: format!("{key} sha256:{sha256}"),
        sha256: Some(sha256),
        download: None,
    })
}

/// Where a parcel that was read lies.
pub fn path(key: &str, artifact: &Artifact, cache: &Cache) -> Option<PathBuf> {
    let sha256 = artifact.sha256.as_deref()?;
    Some(cache.directory().join(name(key, sha256)))
}

fn name(key: &str, sha256: &str) -> String {
    format!("{key}-{}.tar", sha256.get(..16).unwrap_or(sha256))
}

/// Copies a file, or a folder with all that is in it.
fn copy(from: &Path, to: &Path, left: &mut u64) -> Result<(), ArtifactError> {
    let unusable = |why: String| ArtifactError::NotUsable {
        path: from.into(),
        wanted: "a file or a folder of a program",
        why,
    };
    // Of what the inventory names a link is followed; within a folder it could lead anywhere.
    let metadata = std::fs::metadata(from).map_err(file_error("read", from))?;
    if metadata.is_dir() {
        std::fs::create_dir(to).map_err(file_error("create", to))?;
        for entry in std::fs::read_dir(from).map_err(file_error("read", from))? {
            let entry = entry.map_err(file_error("read", from))?;
            let kind = entry
                .file_type()
                .map_err(file_error("read", entry.path()))?;
            if kind.is_symlink() {
                return Err(unusable(format!(
                    "{} is a link",
                    entry.file_name().display()
                )));
            }
            copy(&entry.path(), &to.join(entry.file_name()), left)?;
        }
        return Ok(());
    }
    if !metadata.is_file() {
        return Err(unusable("it is neither".into()));
    }
    *left = left
        .checked_sub(metadata.len())
        .ok_or_else(|| unusable(format!("all together is more than {MOST_MIB} MiB")))?;
    std::fs::copy(from, to).map_err(file_error("read", from))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_files_are_the_same_parcel_and_others_another_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        let cache = Cache::new(at("cache"));
        std::fs::create_dir(at("folder")).expect("a folder");
        std::fs::write(at("folder/a.py"), "1").expect("a file");
        std::fs::write(at("b.py"), "2").expect("a file");
        let read = |files: &[PathBuf]| read("program-a", files.to_vec(), &cache);
        let files = [at("folder"), at("b.py")];
        let one = read(&files).await.expect("read");
        let again = read(&files).await.expect("read");
        assert_eq!(one, again);
        let packed = path("program-a", &one, &cache).expect("a path");
        let mut archive = tar::Archive::new(std::fs::File::open(packed).expect("a tar"));
        let entries = archive.entries().expect("entries");
        let names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .path()
                    .expect("a path")
                    .display()
                    .to_string()
            })
            .collect();
        assert_eq!(names, ["b.py", "folder", "folder/a.py"]);
        std::fs::write(at("folder/a.py"), "3").expect("a file");
        let other = read(&files).await.expect("read");
        assert_ne!(one, other);
        std::os::unix::fs::symlink("/etc", at("folder/link")).expect("a link");
        let refused = read(&files).await.expect_err("refused");
        assert!(refused.to_string().contains("link is a link"), "{refused}");
        let refused = read(&[at("c.py")]).await.expect_err("refused");
        assert!(refused.to_string().contains("c.py"), "{refused}");
    }
}
