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
use crate::state_copy::{self, DIGEST};
use crate::topology::Topology;

const VERSION: u32 = 2;

/// The secrets as they lie on disk: [`Secret`] refuses to be written.
#[derive(Serialize, Deserialize)]
struct OnDisk {
    version: u32,
    /// Whose a secret is, `/` and its key → the one in whose place it came.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    former: BTreeMap<String, String>,
    /// The same → when it was made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    since: BTreeMap<String, String>,
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
    for (place, secret) in file.former {
        if let Some((component, key)) = place.split_once('/') {
            known.set_former(component, key, Secret::new(secret));
        }
    }
    for (place, time) in file.since {
        if let Some((component, key)) = place.split_once('/') {
            known.set_since(component, key, &time);
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
    let complete = complete(&known, known.clone(), topology)?;
    if format != u64::from(VERSION) || complete != known {
        keep(path, &complete)?;
    }
    Ok(complete)
}

/// Stores secrets.
pub(super) fn keep(path: &Path, secrets: &Secrets) -> Result<(), JournalError> {
    store(path, &on_disk(secrets))
}

/// These secrets with others in the places of those with these names. Nothing is stored.
pub(super) fn renewed(
    known: &Secrets,
    names: &[String],
    topology: &Topology,
) -> Result<Secrets, JournalError> {
    let mut renewed = component::secrets::without(known, names, topology);
    // Brokers tell a mark of each password: one with the old one's would never be brought to them.
    let begun: Vec<(String, Secret)> = renewed
        .all_former()
        .filter(|(of, user, _)| *of == PASSWORDS && renewed.known(PASSWORDS, user).is_none())
        .map(|(_, user, old)| (user.to_owned(), old.clone()))
        .collect();
    for (user, old) in begun {
        let mut new = password();
        while !users::are_told_apart(&user, &new, old.expose()) {
            new = password();
        }
        renewed.set(PASSWORDS, &user, Secret::new(new));
    }
    complete(known, renewed, topology)
}

/// The same with all that is missing, and with the time of what was not known before.
fn complete(
    known: &Secrets,
    secrets: Secrets,
    topology: &Topology,
) -> Result<Secrets, JournalError> {
    let now = Timestamp::now();
    let mut complete = completed(secrets);
    if topology.security.is_on() {
        let services = component::services(topology);
        complete = with_passwords(complete, topology);
        complete = authority::complete(&complete, &topology.name, &services, now)?;
    }
    if topology.state_copy.is_some() && complete.known(state_copy::SECRETS, DIGEST).is_none() {
        complete.set(state_copy::SECRETS, DIGEST, Secret::new(hex()));
    }
    let is_new = |(of, key, secret): &(&str, &str, &Secret)| known.known(of, key) != Some(*secret);
    let new: Vec<(String, String)> = complete
        .all()
        .filter(is_new)
        .map(|(of, key, _)| (of.to_owned(), key.to_owned()))
        .collect();
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    for (of, key) in new {
        complete.set_since(&of, &key, &now);
    }
    Ok(complete)
}

fn on_disk(known: &Secrets) -> OnDisk {
    let mut secrets = BTreeMap::<String, BTreeMap<String, String>>::new();
    let mut since = BTreeMap::new();
    for (component, key, secret) in known.all() {
        let own = secrets.entry(component.to_owned()).or_default();
        own.insert(key.to_owned(), secret.expose().to_owned());
        if let Some(time) = known.since(component, key) {
            since.insert(format!("{component}/{key}"), time.to_owned());
        }
    }
    let former = known.all_former();
    OnDisk {
        version: VERSION,
        former: former
            .map(|(of, key, secret)| (format!("{of}/{key}"), secret.expose().to_owned()))
            .collect(),
        since,
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
