//! Files of this box that are there whole, old or new, whoever reads them meanwhile.

use std::io::Write as _;
use std::path::Path;

/// Replaces a file, readable by its owner alone. Its directory is there.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    // Of mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}
