//! SSH keys of a deployment: one that opens its machines, and one host key per machine, made before its first boot so that the
//! first connection already knows whom it meets.

use std::collections::BTreeMap;
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

/// The keys of a deployment.
#[derive(Debug)]
pub struct Keys {
    directory: PathBuf,
    user: KeyPair,
}

/// Where the key lies that opens a deployment's machines.
pub fn user_path(deployment: &Path) -> PathBuf {
    deployment.join("keys").join(USER)
}

/// The private keys of a deployment by the names of their files.
pub fn texts(deployment: &Path) -> Result<BTreeMap<String, Secret>, KeyError> {
    let directory = deployment.join("keys");
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| KeyError::File { path, source }
    };
    let mut texts = BTreeMap::new();
    for entry in std::fs::read_dir(&directory).map_err(failed(&directory))? {
        let entry = entry.map_err(failed(&directory))?;
        let text = std::fs::read_to_string(entry.path()).map_err(failed(&entry.path()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        texts.insert(name, Secret::new(text));
    }
    Ok(texts)
}

/// Puts a key of another laptop in place, whatever is there.
pub fn restore(deployment: &Path, name: &str, key: &Secret) -> Result<(), KeyError> {
    let path = deployment.join("keys").join(name);
    let wrong = |source| KeyError::Format {
        path: path.clone(),
        source,
    };
    PrivateKey::from_openssh(key.expose()).map_err(wrong)?;
    if name.contains('/') {
        let source = std::io::ErrorKind::InvalidFilename.into();
        return Err(KeyError::File { path, source });
    }
    let removed = match std::fs::remove_file(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    let stored = removed.and_then(|()| store(&path, key.expose().as_bytes()));
    stored.map_err(|source| KeyError::File { path, source })
}

impl Keys {
    /// The keys below a deployment's directory for these nodes; what is missing is made and stored.
    pub fn ensure<'a>(
        deployment: &Path,
        nodes: impl IntoIterator<Item = &'a String>,
    ) -> Result<Self, KeyError> {
        let directory = deployment.join("keys");
        let user = load_or(&directory, USER, store)?;
        for node in nodes {
            load_or(&directory, &host_name(node), store)?;
        }
        Ok(Self { directory, user })
    }

    /// The keys below a deployment's directory, for looking: what is missing is made up and not stored, so it may be planned with but
    /// no machine may be made with it.
    pub fn read(deployment: &Path) -> Result<Self, KeyError> {
        let directory = deployment.join("keys");
        let user = load_or(&directory, USER, forget)?;
        Ok(Self { directory, user })
    }

    /// The key that opens the machines.
    pub fn user(&self) -> &KeyPair {
        &self.user
    }

    /// Its public half.
    pub fn user_public(&self) -> String {
        self.user.public.clone()
    }

    /// A node's host key.
    pub fn host(&self, node: &str) -> Result<KeyPair, KeyError> {
        load_or(&self.directory, &host_name(node), forget)
    }
}

const USER: &str = "user";

fn host_name(node: &str) -> String {
    format!("host-{node}")
}

/// Loads a key, or makes one and lets `keep` do with it what is to be done.
fn load_or(
    directory: &Path,
    name: &str,
    keep: fn(&Path, &[u8]) -> std::io::Result<()>,
) -> Result<KeyPair, KeyError> {
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
            key.set_comment(format!("deployer-{name}"));
            let text = key.to_openssh(LineEnding::LF).map_err(wrong)?;
            keep(&path, text.as_bytes()).map_err(failed)?;
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
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    std::fs::File::open(directory)?.sync_all()
}

#[expect(clippy::unnecessary_wraps, reason = "stands where `store` could")]
fn forget(_: &Path, _: &[u8]) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::Keys;

    #[test]
    fn keys_are_made_once() {
        let directory = tempfile::tempdir().expect("directory");
        let nodes = ["vm2".to_owned()];
        let first = Keys::ensure(directory.path(), &nodes).expect("made");
        let again = Keys::read(directory.path()).expect("read");
        assert_eq!(first.user_public(), again.user_public());
        assert!(first.user_public().starts_with("ssh-ed25519 AAAA"));
        let file = std::fs::read_to_string(&first.user().path).expect("file");
        assert_eq!(first.user().private.expose(), file);
        let host = first.host("vm2").expect("made");
        assert_ne!(host.public, first.user_public());
        assert_eq!(host.public, again.host("vm2").expect("read").public);
        for path in [&first.user().path, &host.path] {
            let mode = std::fs::metadata(path).expect("file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn looking_stores_nothing() {
        let directory = tempfile::tempdir().expect("directory");
        let keys = Keys::read(directory.path()).expect("made up");
        keys.host("vm2").expect("made up");
        assert_eq!(
            std::fs::read_dir(directory.path())
                .expect("directory")
                .count(),
            0
        );
    }

    #[test]
    fn what_is_no_key_is_not_overwritten() {
        let directory = tempfile::tempdir().expect("directory");
        let keys = directory.path().join("keys");
        std::fs::create_dir(&keys).expect("made");
        std::fs::write(keys.join("user"), "mine").expect("written");
        assert!(Keys::ensure(directory.path(), []).is_err());
        assert_eq!(std::fs::read(keys.join("user")).expect("file"), b"mine");
    }
}
