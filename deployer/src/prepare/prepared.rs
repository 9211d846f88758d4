//! What is prepared: all that is decided before anything is asked or done. Made by `up`, `plan`, `check` and `render`, so that bad input is
//! refused by all of them in the same words.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;

use crate::artifact::agents::Agents;
use crate::artifact::cache::Cache;
use crate::authority;
use crate::cli::{Environment, Target};
use crate::component::pipeline::LOG;
use crate::component::repository_key::Keys;
use crate::component::{self, Artifacts, Context};
use crate::error::CommandError;
use crate::inventory::Inventory;
use crate::layout;
use crate::machine::Machine;
use crate::plan::Desired;
use crate::prepare::earlier::{beside, of_last_up, with_made};
use crate::prepare::ends::Ends;
use crate::prepare::target::{self, Source};
use crate::prepare::{
    agents, artifacts, bucket_keys, cloud_sections, images, login_keys, mail, outside, plain_text,
    recorded, repository_keys, state_copy, stream_programs,
};
use crate::receipt::{Receipt, Secrets};
use crate::report::{Event, Reporter};
use crate::run::journal::{self, Entry, Journal, JournalError};
use crate::secret::Secret;
use crate::state_copy::Seal;
use crate::topology::{CloudName, Ids, Options, Topology};

/// Stands for what is made up at the first `up`: the id, a topic's epoch.
const NOT_YET: &str = "new";

/// What is decided. Never edited: another decision makes another one ([`Prepared::with`]).
#[derive(Clone)]
pub struct Prepared {
    /// The inventory.
    pub source: Source,
    /// The topology, with the ids of the receipt where there is one.
    pub topology: Topology,
    /// The inventory of the last `up`; `None`: there is none that can be read.
    recorded: Option<Inventory>,
    /// Its topology.
    pub last: Option<Topology>,
    /// Where the receipt lies; `None`: there is none yet.
    pub entry: Option<Entry>,
    /// The receipt, or what it would begin with.
    pub receipt: Receipt,
    /// The secrets, or placeholders.
    pub secrets: Secrets,
    /// The password by which mail is sent; `None`: nobody logs in for that.
    mail: Option<Secret>,
    /// The keys of buckets that are read.
    bucket_keys: bucket_keys::Keys,
    /// Who may read the copy of the state; `None`: the inventory asks for none.
    pub seal: Option<Seal>,
    /// The keys of package repositories.
    keys: Keys,
    /// The agents' binaries.
    pub agents: Agents,
    /// What would be sent to nodes.
    pub artifacts: Artifacts,
    /// What of it lies on this box already.
    on_this_box: Artifacts,
    /// Where fetched things are kept.
    pub cache: Cache,
    /// What the user should know before anything else.
    remarks: Vec<Event>,
}

impl Prepared {
    /// Reads the inventory, the receipt if there is one, and looks for the agents. Asks nobody. With `prune` what earlier
    /// inventories had is let go: of topics that means that nobody reads them any more.
    pub async fn new(
        target: &Target,
        agents: Option<&Path>,
        prune: bool,
        environment: &Environment,
    ) -> Result<Self, CommandError> {
        let source = target::read_inventory(target)?;
        let options = Options {
            cloud: target.cloud,
            name: target.name.clone(),
        };
        let name = options.name.as_ref().unwrap_or(&source.inventory.name);
        let cloud = options.cloud.unwrap_or(source.inventory.cloud);
        let state_dir = target::state_dir(target, environment);
        let entry = journal::entry(&state_dir, name, cloud.name());
        let known = entry
            .as_ref()
            .map(|entry| journal::read_receipt(&entry.directory));
        let ids = match &known {
            Some(Ok(receipt)) => recorded::ids(receipt),
            _ => Ids::default(),
        };
        // Problems of the inventory come first, with no receipt in the way.
        let (mut topology, ids) =
            Topology::new(&source.inventory, &options, &ids).map_err(CommandError::usage)?;
        cloud_sections::check(&source.inventory, &topology).map_err(CommandError::usage)?;
        plain_text::check(&source.inventory, &topology).map_err(CommandError::usage)?;
        images::check(&source.inventory, &topology).map_err(CommandError::usage)?;
        login_keys::check(&source.inventory, &topology, &environment.home)
            .await
            .map_err(CommandError::usage)?;
        let seal = state_copy::read(&source.inventory, &environment.home);
        let seal = seal.map_err(CommandError::usage)?;
        let mail_password = mail::read(&source.inventory, &environment.home);
        let mail_password = mail_password.map_err(CommandError::usage)?;
        let of_buckets = bucket_keys::read(&source.inventory, &topology, &environment.home);
        let of_buckets = of_buckets.map_err(CommandError::usage)?;
        stream_programs::check(&source.inventory, &environment.home)
            .map_err(CommandError::usage)?;
        let known = known.transpose()?;
        let mut remarks: Vec<Event> = Vec::new();
        remarks.extend(state_copy::remark(&source.inventory, &topology));
        let said = component::ALL.iter().flat_map(|one| one.remarks(&topology));
        remarks.extend(said.map(Event::Note));
        let (mut recorded, mut last) = (None, None);
        let mut receipt = if let Some(known) = known {
            (recorded, last) = of_last_up(&known);
            let none = BTreeSet::new();
            with_made(recorded.as_ref(), &topology, &known, &none, |made| {
                layout::check_places(made, &source.inventory)
            })?;
            Receipt {
                numbers: ids.numbers,
                ..known
            }
        } else {
            remarks.extend(beside(&source, &topology, &state_dir)?);
            provisional(&topology, ids, &source.text)
        };
        // One that is wanted again is read again.
        let wanted = |topic: &String| topology.topics.contains_key(topic);
        let mut pruned = receipt.pruned.remove(LOG.name()).unwrap_or_default();
        pruned.retain(|topic| !wanted(topic));
        if prune {
            let former = std::mem::take(&mut topology.former.topics);
            pruned.extend(former.into_keys());
            topology.former.replaced.clear();
        }
        if !pruned.is_empty() {
            receipt.pruned.insert(LOG.name().into(), pruned);
        }
        let replaced = topology.topics.values().filter(|topic| topic.replaced);
        let replaced = replaced.map(|topic| &topic.name);
        let replaced: BTreeSet<String> =
            replaced.chain(&topology.former.replaced).cloned().collect();
        receipt
            .replaced
            .retain(|component, _| component != LOG.name());
        if !replaced.is_empty() {
            receipt.replaced.insert(LOG.name().into(), replaced);
        }
        let secrets = match entry.as_ref() {
            Some(entry) => match journal::read_secrets(&entry.directory) {
                // A run that was killed in its first moment has not made them yet.
                Err(lost @ JournalError::SecretsLost(_)) => {
                    remarks.push(Event::Warning(lost.to_string()));
                    Secrets::placeholders()
                }
                read => authority::without_due(&read?, Timestamp::now()),
            },
            None => Secrets::placeholders(),
        };
        let secrets = mail::kept(secrets, mail_password.as_ref());
        let secrets = bucket_keys::kept(secrets, &of_buckets);
        let keys = repository_keys::read(&source.inventory, &topology, &environment.home)
            .map_err(CommandError::usage)?;
        let agents = agents::choose(agents, &topology, &mut receipt, &mut remarks)?;
        let (cache, choices) = (Cache::new(&environment.cache_dir), &mut receipt.choices);
        let on_this_box = artifacts::on_this_box(
            &source.inventory,
            &topology,
            &agents,
            &environment.home,
            &cache,
            choices,
        )
        .await?;
        // Until the journal is ours nothing random is made up: what is shown twice must be the same.
        let epochs = receipt.epochs.entry(LOG.name().into()).or_default();
        for topic in topology.topics.keys() {
            let epoch = epochs.entry(topic.clone());
            epoch.or_insert_with(|| NOT_YET.into());
        }
        let prepared = Self {
            source,
            topology,
            recorded,
            last,
            entry,
            receipt,
            secrets,
            mail: mail_password,
            bucket_keys: of_buckets,
            seal,
            keys,
            agents,
            artifacts: Artifacts::new(),
            cache,
            on_this_box,
            remarks,
        };
        prepared.with(|_| ())
    }

    /// The same with other decisions in the receipt, and with what would be sent by them.
    pub fn with(&self, decide: impl FnOnce(&mut Receipt)) -> Result<Self, CommandError> {
        let mut other = self.clone();
        decide(&mut other.receipt);
        let choices = &other.receipt.choices;
        other.artifacts =
            artifacts::sent(&other.topology, choices, &other.cache, &other.on_this_box)?;
        Ok(other)
    }

    /// Says what the user should know, and what of the inventory will have no effect. Once distributions are chosen.
    pub fn remark(&self, reporter: &dyn Reporter) {
        self.remarks.iter().for_each(|event| reporter.event(event));
        let (inventory, choices) = (&self.source.inventory, &self.receipt.choices);
        for component in component::ALL {
            for doubt in component.without_effect(inventory, &self.topology, choices) {
                reporter.event(&Event::Warning(doubt.to_string()));
            }
        }
    }

    /// What is said where the same inventory means another security than at the last `up`.
    pub fn plain_text_ends(&self) -> Option<String> {
        let last = self.last.as_ref()?;
        plain_text::ends(&self.source.inventory, last, &self.topology)
    }

    /// The keys by which a node reads its bucket, as they stand in the user's file; `None`: it reads none by keys.
    pub fn bucket_keys(&self, node: &str) -> Option<&str> {
        self.bucket_keys.get(node).map(Secret::expose)
    }

    /// Refuses what the machines that are there cannot become; those that the clouds have lost do not count.
    pub fn check_machines(&self, lost: &BTreeSet<String>) -> Result<(), CommandError> {
        let (recorded, receipt) = (self.recorded.as_ref(), &self.receipt);
        with_made(recorded, &self.topology, receipt, lost, |made| {
            layout::check_machines(made, &self.source.inventory)
        })
    }

    /// The same with what the journal has, which nobody else can change any more, and what the receipt of an earlier `up` was;
    /// `None`: this is the first.
    pub fn adopted(&self, journal: &Journal) -> Result<(Self, Option<Receipt>), CommandError> {
        let before = journal.receipt();
        let known = !before.inventory.is_empty();
        if known && self.entry.is_none() {
            return Err(CommandError::failed(format!(
                "{} was made by another deployer just now",
                before.name
            ))
            .hint("run the same command again"));
        }
        let adopted = self.with(|receipt| {
            let Receipt {
                numbers,
                pruned,
                replaced,
                choices,
                agents,
                ..
            } = receipt.clone();
            *receipt = Receipt {
                numbers,
                pruned,
                replaced,
                choices,
                agents,
                ..before.clone()
            };
        })?;
        // Another run may have ended since the receipt was read.
        let (recorded, last) = if before.inventory == self.receipt.inventory {
            (self.recorded.clone(), self.last.clone())
        } else {
            of_last_up(&before)
        };
        let adopted = Self {
            recorded,
            last,
            secrets: self.with_users(journal.secrets(&self.topology)?),
            ..adopted.with_epochs(&BTreeSet::new())?
        };
        Ok((adopted, known.then_some(before)))
    }

    /// These secrets, with those that are in files of the user's.
    fn with_users(&self, secrets: Secrets) -> Secrets {
        bucket_keys::kept(mail::kept(secrets, self.mail.as_ref()), &self.bucket_keys)
    }

    /// The same with an epoch for each topic that has none, and new ones for those to be renewed.
    pub fn with_epochs(&self, renew: &BTreeSet<String>) -> Result<Self, CommandError> {
        self.with(|receipt| {
            let epochs = receipt.epochs.entry(LOG.name().into()).or_default();
            for topic in self.topology.topics.keys() {
                if renew.contains(topic) || !epochs.contains_key(topic) {
                    let epoch = hex::encode(rand::random::<[u8; 4]>());
                    epochs.insert(topic.clone(), epoch);
                }
            }
        })
    }

    /// The same with others in the places of the secrets with these names; the journal stores them once they are to be used.
    pub fn renewing(self, names: &[String], journal: &Journal) -> Result<Self, CommandError> {
        let secrets = match names {
            [] => self.secrets,
            names => {
                let renewed = journal.renewed_secrets(names, &self.topology)?;
                self.with_users(renewed)
            }
        };
        Ok(Self { secrets, ..self })
    }

    /// What components look at.
    pub fn context(&self) -> Context<'_> {
        Context {
            topology: &self.topology,
            receipt: &self.receipt,
            secrets: &self.secrets,
            choices: &self.receipt.choices,
            keys: &self.keys,
            artifacts: &self.artifacts,
            ipv6: false,
        }
    }

    /// What should be on the nodes.
    pub fn desired(
        &self,
        machines: &BTreeMap<String, Machine>,
        ends: &Ends,
    ) -> Result<Desired, CommandError> {
        recorded::desired(self.context(), machines, ends)
    }

    /// What the agents are for that go onto machines of a cloud, as `uname -m` says it; `None`: none go there.
    pub fn architecture_on(&self, cloud: CloudName) -> Option<String> {
        agents::go_to(cloud, &self.topology).then(|| self.agents.machine().into())
    }

    /// The same with the addresses by which hosts of the user's are seen from a cloud.
    pub async fn seen_from_outside(&self, environment: &Environment) -> Result<Self, CommandError> {
        let mut notes = self.receipt.cloud_notes.clone();
        outside::find(&self.topology, &mut notes, &environment.home, false).await?;
        self.with(|receipt| receipt.cloud_notes = notes)
    }
}

/// What the receipt of a new deployment begins with; its id is made by the journal.
fn provisional(topology: &Topology, ids: Ids, inventory: &str) -> Receipt {
    Receipt {
        inventory: inventory.into(),
        numbers: ids.numbers,
        ..Receipt::bare(NOT_YET, &topology.name, topology.cloud.name())
    }
}
