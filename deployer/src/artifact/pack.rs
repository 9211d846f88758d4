//! Packing: a directory as an uncompressed tar that is the same whoever makes it, and whenever. Unpacking of archives
//! that were verified before.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use tar::{Archive, Builder, EntryType, Header};

use super::{ArtifactError, file_error};

/// The time of every file in a packed tar (2024-01-01): tar warns of files from 1970.
const MODIFIED: u64 = 1_704_067_200;

/// Packs the files below `root` for which `wanted` is true, by their paths below it, into the tar `into`. A directory
/// that is not wanted is not looked into.
pub fn pack(root: &Path, wanted: impl Fn(&Path) -> bool, into: &Path) -> Result<(), ArtifactError> {
    let mut found = BTreeMap::new();
    list(root, Path::new(""), &wanted, &mut found)?;
    let file = File::create(into).map_err(file_error("create", into))?;
    let mut builder = Builder::new(BufWriter::new(file));
    for (path, kind) in &found {
        append(&mut builder, root, path, *kind).map_err(file_error("pack", root.join(path)))?;
    }
    builder
        .into_inner()
        .and_then(|mut writer| writer.flush())
        .map_err(file_error("write", into))
}

#[derive(Clone, Copy)]
enum Kind {
    Directory,
    File { executable: bool },
}

fn list(
    root: &Path,
    below: &Path,
    wanted: &impl Fn(&Path) -> bool,
    found: &mut BTreeMap<PathBuf, Kind>,
) -> Result<(), ArtifactError> {
    let directory = root.join(below);
    let entries = std::fs::read_dir(&directory).map_err(file_error("read", &directory))?;
    for entry in entries {
        let entry = entry.map_err(file_error("read", &directory))?;
        let path = below.join(entry.file_name());
        if !wanted(&path) {
            continue;
        }
        let metadata = entry.metadata().map_err(file_error("read", entry.path()))?;
        if metadata.is_dir() {
            found.insert(path.clone(), Kind::Directory);
            list(root, &path, wanted, found)?;
        } else if metadata.is_file() {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            found.insert(path, Kind::File { executable });
        } else {
            return Err(ArtifactError::NotUsable {
                path: entry.path(),
                wanted: "a file or directory",
                why: "links and special files are not packed".into(),
            });
        }
    }
    Ok(())
}

fn append(
    builder: &mut Builder<impl Write>,
    root: &Path,
    path: &Path,
    kind: Kind,
) -> std::io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_mtime(MODIFIED);
    header.set_uid(0);
    header.set_gid(0);
    match kind {
        Kind::Directory => {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(0o755);
            header.set_size(0);
            builder.append_data(&mut header, path, std::io::empty())
        }
        Kind::File { executable } => {
            let file = File::open(root.join(path))?;
            header.set_mode(if executable { 0o755 } else { 0o644 });
            header.set_size(file.metadata()?.len());
            builder.append_data(&mut header, path, BufReader::new(file))
        }
    }
}

/// Opens a tar.gz.
pub fn open_gz(path: &Path) -> Result<Archive<GzDecoder<BufReader<File>>>, ArtifactError> {
    let file = File::open(path).map_err(file_error("read", path))?;
    Ok(Archive::new(GzDecoder::new(BufReader::new(file))))
}
