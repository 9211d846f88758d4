//! What is in a copy.

use std::collections::BTreeMap;
use std::path::Path;

use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::Seal;
use crate::machine::Access;
use crate::receipt::{Receipt, Secrets};
use crate::secret::Secret;

/// Under what the key of the digest is kept among the secrets.
pub const SECRETS: &str = "state_copy";
/// And how it is called there.
pub const DIGEST: &str = "digest";
/// Stands for the directory of a deployment's state, which is another on each laptop.
const DIRECTORY: &str = "<state>";

/// All that another laptop needs: the receipt, the secrets and the SSH keys. Credentials of clouds are the user's, and no part of it.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    version: u32,
    /// The receipt, without what is about one laptop.
    receipt: Receipt,
    /// The secrets by component, as [`Secret`] refuses to be written.
    secrets: ByComponent,
    /// When each of them was made, where that is known.
    since: ByComponent,
    /// The private SSH keys by the names of their files.
    keys: BTreeMap<String, String>,
}

type ByComponent = BTreeMap<String, BTreeMap<String, String>>;

/// Why there is no state in what was opened.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another deployer wrote it.
    #[error("the copy has format {found}; this deployer knows format {known}")]
    Version {
        /// Its format.
        found: u64,
        /// The one known here.
        known: u32,
    },
    /// It is not what a deployer writes.
    #[error("the copy is not what a deployer writes: {0}")]
    Format(#[from] serde_json::Error),
}

impl State {
    /// The format.
    pub const VERSION: u32 = 1;

    /// The state of a deployment whose directory this is.
    pub fn new(
        receipt: &Receipt,
        directory: &Path,
        secrets: &Secrets,
        keys: &BTreeMap<String, Secret>,
    ) -> Self {
        let keys = keys.iter();
        Self {
            version: Self::VERSION,
            receipt: portable(receipt, directory),
            secrets: plain(secrets, |_, _, secret| Some(secret.expose())),
            since: plain(secrets, |of, key, _| secrets.since(of, key)),
            keys: keys
                .map(|(name, key)| (name.clone(), key.expose().to_owned()))
                .collect(),
        }
    }

    /// The text that is closed.
    pub fn text(&self) -> Result<Secret, StateError> {
        Ok(Secret::new(serde_json::to_string(self)?))
    }

    /// What a text says that was opened.
    pub fn read(text: &Secret) -> Result<Self, StateError> {
        #[derive(Deserialize)]
        struct Head {
            version: u64,
        }
        let head: Head = serde_json::from_str(text.expose())?;
        if head.version != u64::from(Self::VERSION) {
            return Err(StateError::Version {
                found: head.version,
                known: Self::VERSION,
            });
        }
        Ok(serde_json::from_str(text.expose())?)
    }

    /// The receipt as it is in a directory of another laptop. That all arrives is yet to be proved by who goes on from here.
    pub fn receipt(&self, directory: &Path) -> Receipt {
        let mut receipt = self.receipt.clone();
        receipt.unproven = true;
        move_keys(&mut receipt, Path::new(DIRECTORY), directory);
        receipt
    }

    /// The secrets.
    pub fn secrets(&self) -> Secrets {
        let mut secrets = Secrets::default();
        for (component, own) in &self.secrets {
            for (key, secret) in own {
                secrets.set(component, key, Secret::new(secret));
            }
        }
        for (component, own) in &self.since {
            for (key, time) in own {
                secrets.set_since(component, key, time);
            }
        }
        secrets
    }

    /// The private SSH keys by the names of their files.
    pub fn keys(&self) -> impl Iterator<Item = (&str, Secret)> {
        let keys = self.keys.iter();
        keys.map(|(name, key)| (name.as_str(), Secret::new(key)))
    }
}

/// A hash of what a copy holds but for SSH keys, which are made once, and of who may read it. Without the key, which is one of the
/// secrets, it tells nothing.
pub fn digest(
    receipt: &Receipt,
    directory: &Path,
    secrets: &Secrets,
    seal: &Seal,
) -> Result<String, StateError> {
    let receipt = portable(receipt, directory);
    let secret = plain(secrets, |_, _, secret| Some(secret.expose()));
    let text = serde_json::to_vec(&(receipt, secret, seal.words()))?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secrets.get(SECRETS, DIGEST).as_bytes())
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.update(&text);
    Ok(hex::encode(mac.finalize().into_bytes()))
}

/// A receipt without what is about one laptop or one run.
fn portable(receipt: &Receipt, directory: &Path) -> Receipt {
    let mut portable = Receipt {
        agents: None,
        unproven: false,
        copied: None,
        ..receipt.clone()
    };
    move_keys(&mut portable, directory, Path::new(DIRECTORY));
    // A machine that was just made is recorded by the host key that it was given, until the next look.
    for record in portable.machines.values_mut() {
        record.machine = record
            .machine
            .take()
            .map(|machine| receipt.trusting(machine));
    }
    portable
}

/// Machines of clouds are opened by a key in the deployment's directory.
fn move_keys(receipt: &mut Receipt, from: &Path, to: &Path) {
    let machines = receipt.machines.values_mut();
    for machine in machines.filter_map(|record| record.machine.as_mut()) {
        let Access::Ssh(ssh) = &mut machine.access else {
            continue;
        };
        let inside = ssh.key.as_deref().map(Path::new);
        if let Some(inside) = inside.and_then(|key| key.strip_prefix(from).ok()) {
            ssh.key = Some(to.join(inside).display().to_string());
        }
    }
}

/// What is said of each secret. Those in whose places others came are none any more: a copy is written once these are in use.
fn plain<'a>(
    secrets: &'a Secrets,
    said: impl Fn(&'a str, &'a str, &'a Secret) -> Option<&'a str>,
) -> ByComponent {
    let mut plain = ByComponent::new();
    for (component, key, secret) in secrets.all() {
        if let Some(said) = said(component, key, secret) {
            let own = plain.entry(component.to_owned()).or_default();
            own.insert(key.to_owned(), said.to_owned());
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::{DIGEST, SECRETS, State, StateError, digest};
    use crate::machine::{Access, Machine, SshAccess};
    use crate::receipt::{Copied, HostKey, MachineRecord, Receipt, Secrets};
    use crate::secret::Secret;
    use crate::state_copy::Seal;

    fn receipt(key: &str) -> Receipt {
        let mut receipt = Receipt::bare("0123456789ab", "x", "aws");
        let machine = Machine {
            node: "vm1".into(),
            id: "i-1".into(),
            access: Access::Ssh(SshAccess {
                address: "10.0.0.1".into(),
                user: Some("ubuntu".into()),
                port: None,
                key: Some(key.into()),
                host_key: None,
                jump: None,
            }),
            networks: BTreeMap::new(),
            public: None,
            operator: None,
        };
        let record = MachineRecord {
            cloud: "aws".into(),
            machine: Some(machine),
            data: Vec::new(),
        };
        receipt.machines.insert("vm1".into(), record);
        receipt
    }

    fn key(receipt: &Receipt) -> String {
        let machine = receipt.machines["vm1"].machine.as_ref();
        match &machine.expect("a machine").access {
            Access::Ssh(ssh) => ssh.key.clone().expect("a key"),
            Access::Here => String::new(),
        }
    }

    #[test]
    fn another_laptop_has_it_in_a_directory_of_its_own() {
        let mut secrets = Secrets::default();
        secrets.set("couchdb", "admin_password", Secret::new("hunter2"));
        secrets.set_since("couchdb", "admin_password", "2026-01-01T00:00:00Z");
        let keys = BTreeMap::from([("user".to_owned(), Secret::new("PRIVATE"))]);
        let own = receipt("/home/ann/x-aws/keys/user");
        let state = State::new(&own, Path::new("/home/ann/x-aws"), &secrets, &keys);
        let read = State::read(&state.text().expect("a text")).expect("the same");
        let there = read.receipt(Path::new("/home/bob/x-aws"));
        assert_eq!(key(&there), "/home/bob/x-aws/keys/user");
        assert!(there.unproven);
        assert_eq!(read.secrets(), secrets);
        assert_eq!(read.keys().next().expect("a key").1.expose(), "PRIVATE");
        // A key of the user's own stays where it is.
        let own = receipt("/home/ann/.ssh/id");
        let state = State::new(&own, Path::new("/home/ann/x-aws"), &secrets, &keys);
        let there = state.receipt(Path::new("/home/bob/x-aws"));
        assert_eq!(key(&there), "/home/ann/.ssh/id");
    }

    #[test]
    fn the_digest_is_the_same_on_both_laptops_and_another_with_any_change() {
        let mut secrets = Secrets::default();
        secrets.set(SECRETS, DIGEST, Secret::new("key"));
        let seal = Seal::Recipients(vec!["age1x".into()]);
        let of = |receipt: &Receipt, directory: &str, secrets: &Secrets, seal: &Seal| {
            digest(receipt, Path::new(directory), secrets, seal).expect("a digest")
        };
        let own = receipt("/ann/keys/user");
        let first = of(&own, "/ann", &secrets, &seal);
        let mut there = receipt("/bob/keys/user");
        there.unproven = true;
        there.agents = Some("/bob/agents".into());
        there.copied = Some(Copied {
            number: 3,
            digest: first.clone(),
        });
        assert_eq!(of(&there, "/bob", &secrets, &seal), first);
        // The same machine, before and after a look by the host key that it made itself.
        let with_key = |given: &str| {
            let mut receipt = own.clone();
            let own = HostKey {
                machine: "i-1".into(),
                key: "own".into(),
                alone: true,
            };
            receipt.host_keys.insert("vm1".into(), own);
            let record = receipt.machines.get_mut("vm1").expect("a record");
            let machine = record.machine.as_mut().expect("a machine");
            if let Access::Ssh(ssh) = &mut machine.access {
                ssh.host_key = Some(given.into());
            }
            of(&receipt, "/ann", &secrets, &seal)
        };
        assert_eq!(with_key("given"), with_key("own"));
        let mut changed = own.clone();
        changed.inventory = "name: y".into();
        let mut more = secrets.clone();
        more.set("couchdb", "admin_password", Secret::new("hunter2"));
        let other = Seal::Passphrase(Secret::new("age1x"));
        assert_ne!(of(&changed, "/ann", &secrets, &seal), first);
        assert_ne!(of(&own, "/ann", &more, &seal), first);
        assert_ne!(of(&own, "/ann", &secrets, &other), first);
    }

    #[test]
    fn a_copy_of_another_format_is_refused() {
        let newer = State::read(&Secret::new("{\"version\": 9, \"more\": 1}"));
        assert!(matches!(newer, Err(StateError::Version { found: 9, .. })));
        let none = State::read(&Secret::new("{\"version\": 1}"));
        assert!(matches!(none, Err(StateError::Format(_))));
    }
}
