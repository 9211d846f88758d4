//! The receipt on disk: `<state>/<name>-<cloud>/`, mode 0700, with `receipt.json`, `secrets.json` (0600) and `keys/`.
//!
//! One process at a time changes it: the kernel holds its lock and drops it with the process, however that ends.

use std::fs::{DirBuilder, File, Permissions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::authority::AuthorityError;
use crate::receipt::{Receipt, Secrets};
use crate::topology::Topology;

mod format;
mod secrets;
mod upgrade;

const RECEIPT: &str = "receipt.json";
/// The file of the generated secrets in a deployment's directory.
pub const SECRETS_FILE: &str = "secrets.json";
const LOCK: &str = "lock";
/// Below it are the journals of deployments whose place a namesake has. Its name has no hyphen, so it is no deployment's.
const SALVAGE: &str = "salvage";

/// What to do where there is no receipt that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Begin one with a new id. It is on disk from the first [`Journal::change`] on.
    Create,
    /// Fail.
    Existing,
    /// Begin one with an id that a cloud or a manifest told, and keep a damaged one beside it: for the teardown of what has lost its
    /// receipt. Where a namesake with another id has its own, that stays as it is, and this one begins elsewhere.
    Salvage {
        /// The deployment's id.
        id: String,
    },
}

/// The open, locked journal of a deployment.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    receipt: Mutex<Receipt>,
    /// Held for its lock.
    _lock: File,
}

/// A deployment that has a receipt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its cloud.
    pub cloud: String,
    /// Its directory.
    pub directory: PathBuf,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another deployer is at work.
    #[error("the deployment {deployment} is in use by {owner}")]
    Locked {
        /// Name and cloud.
        deployment: String,
        /// Process, host and command, as it wrote them.
        owner: String,
    },
    /// There is no such deployment.
    #[error("there is no receipt {0}")]
    Missing(PathBuf),
    /// The passwords are gone; the deployment is not.
    #[error("{0} is gone, and CouchDB's passwords with it; `deployer up` makes new ones")]
    SecretsLost(PathBuf),
    /// The file was written by a newer deployer.
    #[error("{path} has format {found}; this deployer knows formats up to {known}")]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest known here.
        known: u32,
    },
    /// The file is not what a deployer writes. What it says is lost; clouds and manifests still know what is ours.
    #[error("{path} is damaged")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A certificate cannot be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A file or directory of the box.
    #[error("cannot read or write {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// Where the journal of a deployment lies.
pub fn directory(state_dir: &Path, name: &str, cloud: &str) -> PathBuf {
    state_dir.join(format!("{name}-{cloud}"))
}

/// All deployments that have a receipt, by name and cloud.
pub fn list(state_dir: &Path) -> Result<Vec<Entry>, JournalError> {
    let failed = |source| file_error(state_dir, source);
    let entries = match std::fs::read_dir(state_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let directory = entry.map_err(failed)?.path();
        let name = directory.file_name().and_then(|name| name.to_str());
        // A cloud's name has no hyphen, a deployment's may.
        if let Some((name, cloud)) = name.and_then(|name| name.rsplit_once('-'))
            && directory.join(RECEIPT).is_file()
        {
            found.push(Entry {
                name: name.into(),
                cloud: cloud.into(),
                directory: directory.clone(),
            });
        }
    }
    found.sort();
    Ok(found)
}

/// A deployment that has a receipt; `None`: there is none of that name on that cloud.
pub fn entry(state_dir: &Path, name: &str, cloud: &str) -> Option<Entry> {
    let directory = directory(state_dir, name, cloud);
    directory.join(RECEIPT).is_file().then(|| Entry {
        name: name.into(),
        cloud: cloud.into(),
        directory,
    })
}

/// Reads the receipt in a deployment's directory without the lock: for commands that change nothing.
pub fn read_receipt(directory: &Path) -> Result<Receipt, JournalError> {
    format::load(&directory.join(RECEIPT))
}

/// Reads the secrets in a deployment's directory without the lock.
pub fn read_secrets(directory: &Path) -> Result<Secrets, JournalError> {
    secrets::load(&directory.join(SECRETS_FILE)).map_err(|error| match error {
        JournalError::Missing(path) => JournalError::SecretsLost(path),
        error => error,
    })
}

impl Journal {
    /// Opens and locks the journal of a deployment.
    pub fn open(
        state_dir: &Path,
        name: &str,
        cloud: &str,
        mode: Mode,
    ) -> Result<Self, JournalError> {
        let mut directory = directory(state_dir, name, cloud);
        if let Mode::Salvage { id } = &mode
            && read_receipt(&directory).is_ok_and(|namesake| namesake.id != *id)
        {
            directory = state_dir.join(SALVAGE).join(id);
        }
        let path = directory.join(RECEIPT);
        if mode == Mode::Existing && !path.exists() {
            return Err(JournalError::Missing(path));
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(|error| file_error(&directory, error))?;
        let lock = lock(&directory, &format!("{name} on {cloud}"))?;
        let receipt = match (format::load(&path), mode) {
            (Err(JournalError::Missing(_)), Mode::Create) => new_receipt(name, cloud, &new_id()),
            (Err(JournalError::Missing(_)), Mode::Salvage { id }) => new_receipt(name, cloud, &id),
            (Err(JournalError::Damaged { .. }), Mode::Salvage { id }) => {
                let kept = directory.join("receipt.json.damaged");
                std::fs::rename(&path, &kept).map_err(|error| file_error(&kept, error))?;
                new_receipt(name, cloud, &id)
            }
            (result, _) => result?,
        };
        Ok(Self {
            directory,
            receipt: Mutex::new(receipt),
            _lock: lock,
        })
    }

    /// The deployment's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The receipt as it is now.
    pub fn receipt(&self) -> Receipt {
        self.receipt
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes the receipt, and returns when the change is safe on disk. A change that cannot be stored is not made.
    pub fn change(&self, change: impl FnOnce(&mut Receipt)) -> Result<(), JournalError> {
        let mut receipt = self.receipt.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = receipt.clone();
        change(&mut changed);
        store(&self.directory.join(RECEIPT), &changed)?;
        *receipt = changed;
        Ok(())
    }

    /// The deployment's secrets; generated when something of the topology first has none and then kept, but for certificates near
    /// their end.
    pub fn secrets(&self, topology: &Topology) -> Result<Secrets, JournalError> {
        secrets::load_or_generate(&self.directory.join(SECRETS_FILE), topology)
    }

    /// The same with others in the places of those with these names, which are not stored yet. Those whose change was begun and has
    /// not come to its end stay as they are.
    pub fn renewed_secrets(
        &self,
        names: &[String],
        topology: &Topology,
    ) -> Result<Secrets, JournalError> {
        secrets::renewed(&self.secrets(topology)?, names, topology)
    }

    /// Stores secrets that are going to be used.
    pub fn keep_secrets(&self, secrets: &Secrets) -> Result<(), JournalError> {
        let path = self.directory.join(SECRETS_FILE);
        if secrets::load(&path)? == *secrets {
            return Ok(());
        }
        secrets::keep(&path, secrets)
    }

    /// Lets go of the secrets in whose places others came: those are in use everywhere.
    pub fn end_changes_of_secrets(&self) -> Result<(), JournalError> {
        let path = self.directory.join(SECRETS_FILE);
        let mut secrets = secrets::load(&path)?;
        if secrets.all_former().next().is_none() {
            return Ok(());
        }
        secrets.end_changes();
        secrets::keep(&path, &secrets)
    }

    /// Puts the secrets of another laptop in place.
    pub fn restore_secrets(&self, secrets: &Secrets) -> Result<(), JournalError> {
        secrets::keep(&self.directory.join(SECRETS_FILE), secrets)
    }

    /// Removes the deployment's directory with all it holds: after a teardown that left nothing.
    pub fn remove(self) -> Result<(), JournalError> {
        // The receipt goes first: a directory without one is no deployment any more.
        let receipt = self.directory.join(RECEIPT);
        match std::fs::remove_file(&receipt) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(file_error(&receipt, error));
            }
            _ => {}
        }
        std::fs::remove_dir_all(&self.directory)
            .map_err(|error| file_error(&self.directory, error))?;
        if let Some(parent) = self.directory.parent().filter(|it| it.ends_with(SALVAGE)) {
            // Others may be in it.
            let _ = std::fs::remove_dir(parent);
        }
        Ok(())
    }
}

fn new_receipt(name: &str, cloud: &str, id: &str) -> Receipt {
    Receipt {
        created: jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string(),
        ..Receipt::bare(id, name, cloud)
    }
}

fn new_id() -> String {
    hex::encode(rand::random::<[u8; 6]>())
}

/// How long a child may have what was open when it was started.
const FORK: Duration = Duration::from_secs(1);

/// Takes the lock, and writes into it who has it.
fn lock(directory: &Path, deployment: &str) -> Result<File, JournalError> {
    let path = directory.join(LOCK);
    let failed = |error| file_error(&path, error);
    let start = Instant::now();
    loop {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut last = String::new();
                file.read_to_string(&mut last).map_err(failed)?;
                // We let it go, and a child that we started meanwhile holds it until it becomes its program.
                if last.trim() == owner() && start.elapsed() < FORK {
                    std::thread::sleep(FORK / 100);
                    continue;
                }
                return Err(JournalError::Locked {
                    deployment: deployment.into(),
                    owner: last.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Its last owner may have removed the file while we had it open: then others lock another one.
        let ours = file.metadata().map_err(failed)?.ino();
        if std::fs::metadata(&path).is_ok_and(|metadata| metadata.ino() == ours) {
            file.set_len(0).map_err(failed)?;
            file.rewind().map_err(failed)?;
            writeln!(file, "{}", owner()).map_err(failed)?;
            return Ok(file);
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed)?;
    }
}

/// This process, in words.
fn owner() -> String {
    let system = rustix::system::uname();
    let arguments: Vec<String> = std::env::args().collect();
    let command = arguments.join(" ");
    let host = system.nodename().to_string_lossy();
    format!("process {} on {host} (`{command}`)", std::process::id())
}

fn file_error(path: &Path, source: std::io::Error) -> JournalError {
    JournalError::File {
        path: path.into(),
        source,
    }
}

/// Writes a file that is there whole, old or new, whenever the box loses its power; mode 0600.
fn store(path: &Path, content: &impl serde::Serialize) -> Result<(), JournalError> {
    let failed = |error| file_error(path, error);
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(0o600))
        .map_err(failed)?;
    // In one go: the serialiser itself would write each word on its own.
    let mut text = serde_json::to_vec_pretty(content).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    file.write_all(&text).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed)
}
