//! The files beside the followed one: its rotations, its copies, and strangers.

use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::super::position::{self, Position};
use super::super::rotation::{Kin, kin};
use super::followed::Followed;

/// A file in the directory of the followed one.
pub(super) struct Sibling {
    path: PathBuf,
    pub(super) metadata: Metadata,
    pub(super) kin: Kin,
    pub(super) age: SystemTime,
}

impl Sibling {
    /// Returns whether it is this file.
    pub(super) fn is(&self, followed: &Followed) -> bool {
        let open = followed.file.metadata();
        open.is_ok_and(|open| is_same(&open, &self.metadata))
    }

    /// Opens it, unless another has its name by now.
    fn open(&self) -> std::io::Result<Option<File>> {
        match File::open(&self.path) {
            Ok(file) => Ok(is_same(&file.metadata()?, &self.metadata).then_some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens it at its beginning.
    pub(super) fn begin(&self) -> std::io::Result<Option<Followed>> {
        let start = Position::start(position::id(&self.metadata));
        Ok(self
            .open()?
            .map(|file| Followed::new(file, &self.path, start)))
    }
}

/// Returns whether both are of one file.
pub(super) fn is_same(left: &Metadata, right: &Metadata) -> bool {
    (left.dev(), left.ino()) == (right.dev(), right.ino())
}

/// Returns the file and everything beside it, the oldest first. Strangers are there as well: a file that was read is
/// read on by whatever name.
pub(super) fn siblings(path: &Path) -> std::io::Result<Vec<Sibling>> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(Vec::new());
    };
    let name = name.to_string_lossy();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kin = kin(&name, &entry.file_name().to_string_lossy());
        // The file itself may be a link to what it is today.
        let metadata = match kin {
            Kin::Itself => std::fs::metadata(path),
            _ => entry.metadata(),
        };
        let metadata = match metadata {
            Ok(metadata) => metadata,
            // Renamed or deleted at this moment.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if let (true, Some(age)) = (metadata.is_file(), age(&metadata)) {
            found.push(Sibling {
                path: entry.path(),
                metadata,
                kin,
                age,
            });
        }
    }
    found.sort_by(|left, right| (left.age, &left.path).cmp(&(right.age, &right.path)));
    Ok(found)
}

/// Returns when a file was made, or was written last where the file system does not know.
pub(super) fn age(metadata: &Metadata) -> Option<SystemTime> {
    metadata.created().or_else(|_| metadata.modified()).ok()
}

/// A file that was read, found again.
pub(super) struct Found<'a> {
    pub(super) sibling: &'a Sibling,
    pub(super) followed: Followed,
}

/// Finds a file that was read: itself, or else a copy of it.
pub(super) fn find<'a>(
    known: Position,
    candidates: &[&'a Sibling],
) -> std::io::Result<Option<Found<'a>>> {
    let mark = known.mark();
    for sibling in candidates {
        let id = position::id(&sibling.metadata);
        let is_former = position::former_id(&sibling.metadata) == mark[0];
        if id != known.id && !is_former {
            continue;
        }
        let Some(file) = sibling.open()? else {
            continue;
        };
        let mut position = known;
        if is_former {
            position = Position::start(id);
            position.go_to(mark[1], &position::head(&file)?);
        }
        let followed = Followed::new(file, &sibling.path, position);
        return Ok(Some(Found { sibling, followed }));
    }
    copy(known, candidates)
}

/// Finds a copy of what was read.
pub(super) fn copy<'a>(
    known: Position,
    candidates: &[&'a Sibling],
) -> std::io::Result<Option<Found<'a>>> {
    for sibling in candidates {
        if !matches!(sibling.kin, Kin::Itself | Kin::Rotated) {
            continue;
        }
        let Some(file) = sibling.open()? else {
            continue;
        };
        if known.is_copied_in(&file)? {
            let id = position::id(&sibling.metadata);
            let followed = Followed::new(file, &sibling.path, known.of(id));
            return Ok(Some(Found { sibling, followed }));
        }
    }
    Ok(None)
}
