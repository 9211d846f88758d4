//! The receipt: what we own and cannot ask for. Plain versioned data; its file is `run/journal.rs`'s business.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
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
    /// Machines by node: those a cloud made for us, and the user's own that we use.
    pub machines: BTreeMap<String, MachineRecord>,
    /// Component → node → its number, such as a broker's id; given once, never changed.
    pub numbers: ByComponent<BTreeMap<String, u32>>,
    /// Component → topic of it → a random word made with the topic, part of the ids of foreign events' documents.
    pub epochs: ByComponent<BTreeMap<String, String>>,
    /// Component → topics with an epoch that `--prune` let go: nobody reads them any more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pruned: ByComponent<BTreeSet<String>>,
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
            machines: BTreeMap::new(),
            numbers: BTreeMap::new(),
            epochs: BTreeMap::new(),
            pruned: BTreeMap::new(),
            choices: Choices::default(),
            agents: None,
            cloud_notes: BTreeMap::new(),
            unproven: false,
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
pub struct Secrets(ByComponent<BTreeMap<String, Secret>>);

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
        self.0.get(component)?.get(key)
    }

    /// Keeps a secret of a component.
    pub fn set(&mut self, component: &str, key: &str, secret: Secret) {
        let secrets = self.0.entry(component.to_owned()).or_default();
        secrets.insert(key.to_owned(), secret);
    }

    /// Lets go of those of a component whose keys are meant.
    pub fn forget(&mut self, component: &str, meant: impl Fn(&str) -> bool) {
        if let Some(secrets) = self.0.get_mut(component) {
            secrets.retain(|key, _| !meant(key));
        }
        self.0.retain(|_, secrets| !secrets.is_empty());
    }

    /// All of them: component, key and secret.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str, &Secret)> {
        self.0.iter().flat_map(|(component, secrets)| {
            let own = secrets.iter();
            own.map(|(key, secret)| (component.as_str(), key.as_str(), secret))
        })
    }
}
