//! SSH keys of a deployment: one that opens its machines, and one host key per machine, made before its first boot so that the
//! first connection already knows whom it meets.

use std::fs::{DirBuilder, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ssh_key::{Algorithm, LineEnding, PrivateKey, rand_core::OsRng};

use crate::secret::Secret;

/// An ed25519 key.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// Where the private half lies, mode 0600.
    pub path: PathBuf,
    /// The private half in OpenSSH's own format.
    pub private: Secret,
    /// The public half: `ssh-ed25519 AAAA… comment`.
    pub public: String,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file or directory of the box.
    #[error("cannot read or write {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// What lies there is no key.
    #[error("{path} is not an OpenSSH private key")]
    Format {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ssh_key::Error,
    },
}

/// The key that opens the deployment's machines; made at the first call. `directory` is the deployment's `keys`.
pub fn user_key(directory: &Path, deployment: &str) -> Result<KeyPair, KeyError> {
    key(directory, "user", &format!("deployer-{deployment}"))
}

/// The host key of a node; made at the first call.
pub fn host_key(directory: &Path, node: &str) -> Result<KeyPair, KeyError> {
    key(directory, &format!("host-{node}"), node)
}

fn key(directory: &Path, name: &str, comment: &str) -> Result<KeyPair, KeyError> {
    let path = directory.join(name);
    let failed = |source| KeyError::File {
        path: path.clone(),
        source,
    };
    let wrong = |source| KeyError::Format {
        path: path.clone(),
        source,
    };
    let key = match std::fs::read_to_string(&path) {
        Ok(text) => PrivateKey::from_openssh(text).map_err(wrong)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(wrong)?;
            key.set_comment(comment);
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .map_err(failed)?;
            let text = key.to_openssh(LineEnding::LF).map_err(wrong)?;
            store(&path, text.as_bytes()).map_err(failed)?;
            key
        }
        Err(error) => return Err(failed(error)),
    };
    let private = key.to_openssh(LineEnding::LF).map_err(wrong)?;
    let public = key.public_key().to_openssh().map_err(wrong)?;
    Ok(KeyPair {
        path,
        private: Secret::new(private.as_str()),
        public,
    })
}

/// A key is there whole or not at all: a machine may have been made with it.
fn store(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    std::fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{host_key, user_key};

    #[test]
    fn keys_are_made_once() {
        let directory = tempfile::tempdir().expect("directory");
        let keys = directory.path().join("keys");
        let first = user_key(&keys, "utilization").expect("made");
        let again = user_key(&keys, "utilization").expect("read");
        assert_eq!(first.public, again.public);
        assert!(first.public.starts_with("ssh-ed25519 AAAA"));
        assert!(first.public.ends_with(" deployer-utilization"));
        assert_eq!(
            first.private.expose(),
            std::fs::read_to_string(&first.path).expect("file")
        );
        let host = host_key(&keys, "vm2").expect("made");
        assert_ne!(host.public, first.public);
        for path in [&first.path, &host.path] {
            let mode = std::fs::metadata(path).expect("file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn what_is_no_key_is_not_overwritten() {
        let directory = tempfile::tempdir().expect("directory");
        std::fs::write(directory.path().join("user"), "mine").expect("written");
        assert!(user_key(directory.path(), "x").is_err());
        assert_eq!(
            std::fs::read(directory.path().join("user")).expect("file"),
            b"mine"
        );
    }
}
