//! Files of the user's that the inventory names, as one tar.

use std::path::{Path, PathBuf};

use super::cache::{Cache, sha256_of};
use super::{ArtifactError, file_error, off_thread, pack};
use crate::component::{Artifact, Parcel};

/// More than this is no program, but a mistake in its folder: MiB.
const MOST_MIB: u64 = 512;

/// Packs the files of a parcel into the cache, and says what they are.
pub async fn read(parcel: &Parcel, home: &Path, cache: &Cache) -> Result<Artifact, ArtifactError> {
    let files: Vec<PathBuf> = parcel.files.iter().map(|file| place(file, home)).collect();
    let claim = cache.claim(&parcel.key, &|_| {}).await?;
    let work = claim.workplace()?;
    let packed = work.join("tar");
    let into = packed.clone();
    let sha256 = off_thread(&parcel.key, move || {
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
    claim.keep(packed, &name(&parcel.key, &sha256)).await?;
    Ok(Artifact {
        identity: format!("{} sha256:{sha256}", parcel.key),
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

/// A file as a shell would find it.
fn place(file: &str, home: &Path) -> PathBuf {
    let below = file.strip_prefix("~/");
    below.map_or_else(|| file.into(), |below| home.join(below))
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

    fn parcel(files: &[&Path]) -> Parcel {
        Parcel {
            key: "program-a".into(),
            files: files
                .iter()
                .map(|file| file.display().to_string())
                .collect(),
            said_at: "programs.a.files".into(),
        }
    }

    #[tokio::test]
    async fn the_same_files_are_the_same_parcel_and_others_another_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        let cache = Cache::new(at("cache"));
        std::fs::create_dir(at("folder")).expect("a folder");
        std::fs::write(at("folder/a.py"), "1").expect("a file");
        std::fs::write(at("b.py"), "2").expect("a file");
        let files = [at("folder"), at("b.py")];
        let wanted = parcel(&[&files[0], &files[1]]);
        let home = Path::new("/nowhere");
        let one = read(&wanted, home, &cache).await.expect("read");
        let again = read(&wanted, home, &cache).await.expect("read");
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
        let other = read(&wanted, home, &cache).await.expect("read");
        assert_ne!(one, other);
        std::os::unix::fs::symlink("/etc", at("folder/link")).expect("a link");
        let refused = read(&wanted, home, &cache).await.expect_err("refused");
        assert!(refused.to_string().contains("link is a link"), "{refused}");
        let missing = parcel(&[&at("c.py")]);
        let refused = read(&missing, home, &cache).await.expect_err("refused");
        assert!(refused.to_string().contains("c.py"), "{refused}");
    }
}
