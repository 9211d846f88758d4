//! The generated secrets and their file.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use rand::Rng as _;
use serde::{Deserialize, Serialize};

use super::{JournalError, format, store, upgrade};
use crate::authority;
use crate::component::users::{self, PASSWORDS};
use crate::component::{self, Form};
use crate::receipt::Secrets;
use crate::secret::Secret;
use crate::topology::Topology;

const VERSION: u32 = 2;

/// The secrets as they lie on disk: [`Secret`] refuses to be written.
#[derive(Serialize, Deserialize)]
struct OnDisk {
    version: u32,
    #[serde(flatten)]
    secrets: BTreeMap<String, BTreeMap<String, String>>,
}

pub(super) fn load(path: &Path) -> Result<Secrets, JournalError> {
    read(path).map(|(_, known)| known)
}

/// The file's format, and the secrets in it.
fn read(path: &Path) -> Result<(u64, Secrets), JournalError> {
    let (format, file): (u64, OnDisk) = format::load_as(path, VERSION, upgrade::secrets)?;
    let mut known = Secrets::default();
    for (component, secrets) in file.secrets {
        for (key, secret) in secrets {
            known.set(&component, &key, Secret::new(secret));
        }
    }
    Ok((format, known))
}

/// The secrets of the file, and those that components lack in it, generated and stored.
pub(super) fn load_or_generate(path: &Path, topology: &Topology) -> Result<Secrets, JournalError> {
    let (format, known) = match read(path) {
        Err(JournalError::Missing(_)) => (0, Secrets::default()),
        read => read?,
    };
    let mut complete = completed(known.clone());
    if topology.security.is_on() {
        let services = component::services(topology);
        complete = with_passwords(complete, topology);
        complete = authority::complete(&complete, &topology.name, &services, Timestamp::now())?;
    }
    if format != u64::from(VERSION) || complete != known {
        store(path, &on_disk(&complete))?;
    }
    Ok(complete)
}

fn on_disk(known: &Secrets) -> OnDisk {
    let mut secrets = BTreeMap::<String, BTreeMap<String, String>>::new();
    for (component, key, secret) in known.all() {
        let own = secrets.entry(component.to_owned()).or_default();
        own.insert(key.to_owned(), secret.expose().to_owned());
    }
    OnDisk {
        version: VERSION,
        secrets,
    }
}

/// These secrets, and new ones where components have none yet.
fn completed(mut secrets: Secrets) -> Secrets {
    for component in component::ALL {
        let name = component.name();
        for new in component.secrets() {
            if secrets.known(name, new.key).is_none() {
                let secret = match new.form {
                    Form::Password => password(),
                    Form::Hex => hex(),
                    Form::Hash { of, by } => by(secrets.get(name, of), &hex()),
                };
                secrets.set(name, new.key, Secret::new(secret));
            }
        }
    }
    secrets
}

/// These secrets, with a password for each who logs in. Of those who left the inventory they go with `--prune`.
fn with_passwords(mut secrets: Secrets, topology: &Topology) -> Secrets {
    let names = users::names(topology);
    if topology.former.topics.is_empty() {
        secrets.forget(PASSWORDS, |user| !names.contains(user));
    }
    for name in &names {
        if secrets.known(PASSWORDS, name).is_none() {
            secrets.set(PASSWORDS, name, Secret::new(password()));
        }
    }
    secrets
}

fn password() -> String {
    rand::rng()
        .sample_iter(rand::distr::Alphanumeric)
        .take(32)
        .map(char::from)
        .collect()
}

fn hex() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

#[cfg(test)]
mod tests {
    use super::completed;
    use crate::component::{self, Form};
    use crate::receipt::Secrets;
    use crate::secret::Secret;

    /// A hash is of a secret that is made before it.
    #[test]
    fn each_component_gets_its_secrets_once() {
        let made = completed(Secrets::default());
        for component in component::ALL {
            let mut earlier = Vec::new();
            for new in component.secrets() {
                let secret = made.known(component.name(), new.key).expect("it is made");
                assert!(secret.expose().len() >= 32, "{}", new.key);
                if let Form::Hash { of, .. } = new.form {
                    assert!(earlier.contains(&of), "{} comes before {of}", new.key);
                }
                earlier.push(new.key);
            }
        }
        assert_eq!(completed(made.clone()), made);
    }

    #[test]
    fn what_is_there_stays() {
        let mut known = Secrets::default();
        known.set("couchdb", "admin_password", Secret::new("mine"));
        let complete = completed(known);
        assert_eq!(complete.get("couchdb", "admin_password"), "mine");
        assert!(complete.known("couchdb", "cookie").is_some());
    }
}
