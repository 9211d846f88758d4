//! Reading this box's files and directories.

use std::io::ErrorKind;

use crate::cloud::CloudError;

/// The error for a path of the box that could not be read.
pub(super) fn unreadable(path: impl Into<String>) -> impl FnOnce(std::io::Error) -> CloudError {
    let path = path.into();
    move |source| CloudError::File {
        what: "cannot read".into(),
        path,
        source,
    }
}

/// The names in a directory; none where there is no such directory.
pub(super) fn entries(directory: &str) -> Result<Vec<String>, CloudError> {
    let found = match std::fs::read_dir(directory) {
        Ok(found) => found,
        Err(error) if absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(directory)(error)),
    };
    let mut names = Vec::new();
    for entry in found {
        let entry = entry.map_err(unreadable(directory))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

pub(super) fn absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
