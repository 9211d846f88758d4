//! The receipt: what we own and cannot ask for. Plain versioned data; its file is `run/journal.rs`'s business.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::machine::{Access, Machine};
use crate::secret::Secret;

/// What a deployment must remember between runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Format of this file.
    pub version: u32,
    /// The deployment's random id: 12 hex digits.
    pub id: String,
    /// The deployment's name.
    pub name: String,
    /// The cloud it was made for.
    pub cloud: String,
    /// When the first `up` began, RFC 3339.
    pub created: String,
    /// The inventory of the last `up`, as text.
    pub inventory: String,
    /// An inventory that says nothing of `security` meant `on`. To the deployers of before it meant `off`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secure_by_default: bool,
    /// Machines by node: those a cloud made for us, and the user's own that we use.
    pub machines: BTreeMap<String, MachineRecord>,
    /// Node → the host key that its machine made itself, in the place of one that every program there could read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub host_keys: BTreeMap<String, HostKey>,
    /// Component → node → its number, such as a broker's id; given once, never changed.
    pub numbers: ByComponent<BTreeMap<String, u32>>,
    /// Component → topic of it → a random word made with the topic, part of the ids of foreign events' documents.
    pub epochs: ByComponent<BTreeMap<String, String>>,
    /// Component → topics with an epoch that `--prune` let go: nobody reads them any more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pruned: ByComponent<BTreeSet<String>>,
    /// Component → topics that are read of which each key has one document: so it stays when the inventory names them no more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replaced: ByComponent<BTreeSet<String>>,
    /// Choices made once: what `auto` became.
    pub choices: Choices,
    /// The directory of the agents that `--agents` named; `None`: those beside the deployer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<String>,
    /// What a cloud keeps for itself, such as the local network's number.
    pub cloud_notes: BTreeMap<String, String>,
    /// Something was changed, and no canaries have proved since that events arrive: the next `up` owes that, even with nothing to do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unproven: bool,
    /// The newest state copy that this laptop wrote or took over; `None`: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied: Option<Copied>,
}

/// Which state copy it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copied {
    /// Its number.
    pub number: u64,
    /// The keyed hash of what is in it.
    pub digest: String,
}

impl Receipt {
    /// The newest format.
    pub const VERSION: u32 = 2;

    /// The receipt of a deployment of which nothing else is known.
    pub fn bare(id: &str, name: &str, cloud: &str) -> Self {
        Self {
            version: Self::VERSION,
            id: id.into(),
            name: name.into(),
            cloud: cloud.into(),
            created: String::new(),
            inventory: String::new(),
            secure_by_default: true,
            machines: BTreeMap::new(),
            host_keys: BTreeMap::new(),
            numbers: BTreeMap::new(),
            epochs: BTreeMap::new(),
            pruned: BTreeMap::new(),
            replaced: BTreeMap::new(),
            choices: Choices::default(),
            agents: None,
            cloud_notes: BTreeMap::new(),
            unproven: false,
            copied: None,
        }
    }
}

impl Receipt {
    /// The numbers of a component's nodes.
    pub fn numbers_of(&self, component: &str) -> &BTreeMap<String, u32> {
        static NONE: BTreeMap<String, u32> = BTreeMap::new();
        self.numbers.get(component).unwrap_or(&NONE)
    }

    /// The epochs of a component's topics.
    pub fn epochs_of(&self, component: &str) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.epochs.get(component).unwrap_or(&NONE)
    }

    /// The topics of a component that are read: all that were ever made, without those that were let go.
    pub fn read_topics(&self, component: &str) -> BTreeSet<String> {
        let pruned = self.pruned.get(component);
        let is_pruned = |topic: &String| pruned.is_some_and(|pruned| pruned.contains(topic));
        let made = self.epochs_of(component).keys();
        made.filter(|topic| !is_pruned(topic)).cloned().collect()
    }
}

impl Receipt {
    /// Whether a machine was seen to show a host key of its own.
    pub fn shows_own_key(&self, machine: &Machine) -> bool {
        self.own_key(machine).is_some_and(|own| own.alone)
    }

    /// A machine as it is trusted: by its own host key; as long as it may still show the one it was given, by either.
    #[must_use]
    pub fn trusting(&self, mut machine: Machine) -> Machine {
        let own = self.own_key(&machine).cloned();
        if let (Some(own), Access::Ssh(ssh)) = (own, &mut machine.access) {
            let known = ssh.host_key.take().unwrap_or_default();
            let given = known.lines().filter(|key| !own.alone && *key != own.key);
            let keys: Vec<&str> = std::iter::once(own.key.as_str()).chain(given).collect();
            ssh.host_key = Some(keys.join("\n"));
        }
        machine
    }

    fn own_key(&self, machine: &Machine) -> Option<&HostKey> {
        let own = self.host_keys.get(&machine.node);
        own.filter(|own| own.machine == machine.id)
    }
}

/// What is kept of each component, by its name.
pub type ByComponent<T> = BTreeMap<String, T>;

/// A machine of the deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineRecord {
    /// The cloud that gave it.
    pub cloud: String,
    /// What it gave; `None`: asked for, not yet answered.
    pub machine: Option<Machine>,
    /// The components whose data the node holds, by name, once their services were started.
    pub data: Vec<String>,
}

/// A host key that a machine made itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostKey {
    /// The cloud's id of the machine.
    pub machine: String,
    /// The public half: `ssh-ed25519 AAAA…`.
    pub key: String,
    /// The machine was seen to show it: no other is accepted.
    pub alone: bool,
}

/// Choices that are made once and then kept: component → choice → what was chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Choices(ByComponent<BTreeMap<String, String>>);

impl Choices {
    /// What was chosen; `None`: nothing yet.
    pub fn get(&self, component: &str, choice: &str) -> Option<&str> {
        self.0.get(component)?.get(choice).map(String::as_str)
    }

    /// Keeps what was chosen; `None` opens the choice again.
    pub fn set(&mut self, component: &str, choice: &str, chosen: Option<&str>) {
        let choices = self.0.entry(component.to_owned()).or_default();
        match chosen {
            Some(chosen) => choices.insert(choice.to_owned(), chosen.to_owned()),
            None => choices.remove(choice),
        };
        self.0.retain(|_, choices| !choices.is_empty());
    }
}

/// The generated secrets of a deployment, by component. Kept in a file of their own, mode 0600, beside the receipt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    known: ByComponent<BTreeMap<String, Secret>>,
    /// In whose places new ones came that are not in use everywhere yet.
    former: ByComponent<BTreeMap<String, Secret>>,
    /// When they were made, RFC 3339, where that is known.
    since: ByComponent<BTreeMap<String, String>>,
}

/// What stands for a secret in a plan before the first `up`, when there are none yet.
const PLACEHOLDER: &str = "made at the first up";

impl Secrets {
    /// No secrets: placeholders stand for all of them.
    pub fn placeholders() -> Self {
        Self::default()
    }

    /// A secret of a component, or the placeholder.
    pub fn get(&self, component: &str, key: &str) -> &str {
        self.known(component, key)
            .map_or(PLACEHOLDER, Secret::expose)
    }

    /// A secret of a component; `None`: it is not made yet.
    pub fn known(&self, component: &str, key: &str) -> Option<&Secret> {
        self.known.get(component)?.get(key)
    }

    /// Keeps a secret of a component.
    pub fn set(&mut self, component: &str, key: &str, secret: Secret) {
        let secrets = self.known.entry(component.to_owned()).or_default();
        secrets.insert(key.to_owned(), secret);
    }

    /// Lets go of those of a component whose keys are meant.
    pub fn forget(&mut self, component: &str, meant: impl Fn(&str) -> bool) {
        if let Some(secrets) = self.known.get_mut(component) {
            secrets.retain(|key, _| !meant(key));
        }
        self.known.retain(|_, secrets| !secrets.is_empty());
    }

    /// All of them: component, key and secret.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str, &Secret)> {
        each(&self.known)
    }

    /// Lets go of a secret that another one follows. It is kept until that one is in use everywhere.
    pub fn begin_change(&mut self, component: &str, key: &str) {
        let old = self.known(component, key).cloned();
        self.forget(component, |one| one == key);
        if let Some(old) = old {
            self.set_former(component, key, old);
        }
    }

    /// Keeps the one in whose place a secret came.
    pub fn set_former(&mut self, component: &str, key: &str, secret: Secret) {
        let former = self.former.entry(component.to_owned()).or_default();
        former.insert(key.to_owned(), secret);
    }

    /// The one in whose place a secret came that is not in use everywhere yet.
    pub fn former(&self, component: &str, key: &str) -> Option<&Secret> {
        self.former.get(component)?.get(key)
    }

    /// All of these: component, key and secret.
    pub fn all_former(&self) -> impl Iterator<Item = (&str, &str, &Secret)> {
        each(&self.former)
    }

    /// Lets go of these: the new ones are in use everywhere.
    pub fn end_changes(&mut self) {
        self.former.clear();
    }

    /// When a secret was made, RFC 3339; `None`: not known.
    pub fn since(&self, component: &str, key: &str) -> Option<&str> {
        self.since.get(component)?.get(key).map(String::as_str)
    }

    /// Keeps when a secret was made.
    pub fn set_since(&mut self, component: &str, key: &str, time: &str) {
        let since = self.since.entry(component.to_owned()).or_default();
        since.insert(key.to_owned(), time.to_owned());
    }
}

fn each(
    secrets: &ByComponent<BTreeMap<String, Secret>>,
) -> impl Iterator<Item = (&str, &str, &Secret)> {
    secrets.iter().flat_map(|(component, secrets)| {
        let own = secrets.iter();
        own.map(|(key, secret)| (component.as_str(), key.as_str(), secret))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Access, HostKey, Machine, Receipt};
    use crate::machine::SshAccess;

    #[test]
    fn a_machine_is_trusted_by_its_own_key_once_it_was_seen_to_show_it() {
        let machine = |key: &str| Machine {
            node: "vm1".into(),
            id: "i-1".into(),
            access: Access::Ssh(SshAccess {
                address: "10.0.0.1".into(),
                user: None,
                port: None,
                key: None,
                host_key: Some(key.into()),
                jump: None,
            }),
            networks: BTreeMap::new(),
            public: None,
            operator: None,
        };
        let trusted = |id: &str, alone: bool, key: &str| {
            let mut receipt = Receipt::bare("1", "x", "aws");
            let own = HostKey {
                machine: id.into(),
                key: "own".into(),
                alone,
            };
            receipt.host_keys.insert("vm1".into(), own);
            match receipt.trusting(machine(key)).access {
                Access::Ssh(ssh) => ssh.host_key.expect("a key"),
                Access::Here => String::new(),
            }
        };
        assert_eq!(trusted("i-1", true, "given"), "own");
        assert_eq!(trusted("i-1", false, "given"), "own\ngiven");
        // Once more: an earlier run stored it so.
        assert_eq!(
            trusted(
                "i-1",
                false,
                "own
given"
            ),
            "own
given"
        );
        // Another machine of the same node came up with the key that it was given.
        assert_eq!(trusted("i-2", true, "given"), "given");
    }
}
