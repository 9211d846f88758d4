//! Files of the user's that hold a secret: nobody else may be able to read them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What is wrong with a file, and what to do about it.
pub(super) type Fault = (String, String);

/// Reads such a file. `first` says what to do where it cannot be read.
pub(super) fn read(path: &Path, first: &str) -> Result<String, Fault> {
    let shown = path.display();
    let unreadable =
        |error: std::io::Error| (format!("cannot read {shown}: {error}"), first.to_owned());
    let mode = std::fs::metadata(path).map_err(unreadable)?;
    let mode = mode.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let open = format!("{shown} can be read by others (mode {mode:04o})");
        return Err((open, format!("chmod 600 {shown}")));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::read;

    #[test]
    fn what_others_may_read_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("secret");
        let (message, hint) = read(&path, "write it first").expect_err("it is not there");
        assert!(message.contains("cannot read"), "{message}");
        assert_eq!(hint, "write it first");
        std::fs::write(&path, "geheim\n").expect("written");
        for mode in [0o644, 0o640, 0o602] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
            let (message, hint) = read(&path, "").expect_err("it is open");
            let words = format!("can be read by others (mode {mode:04o})");
            assert!(message.ends_with(&words), "{message}");
            assert_eq!(hint, format!("chmod 600 {}", path.display()));
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("set");
        assert_eq!(read(&path, "").expect("a secret"), "geheim\n");
    }
}
