//! What is prepared: all that is decided before anything is asked or done. Made by `up`, `plan`, `check` and `render`, so that bad input is
//! refused by all of them in the same words.

use std::collections::{BTreeMap, BTreeSet};
use std::env::consts::ARCH;
use std::path::Path;

use crate::artifact::agents::Agents;
use crate::artifact::cache::Cache;
use crate::artifact::{self, agents, couchdb};
use crate::cli::{Environment, Target};
use crate::cloud::registry;
use crate::component::couchdb::{Distribution, ENGINE, QUICKJS};
use crate::component::repository_key::Keys;
use crate::component::{self, Artifact, Context, artifact_key, kafka};
use crate::error::CommandError;
use crate::inventory::{Inventory, Problems};
use crate::layout::{self, Made};
use crate::machine::Machine;
use crate::plan::Desired;
use crate::prepare::ends::Ends;
use crate::prepare::target::{self, Source};
use crate::prepare::{cloud_sections, images, login_keys, outside, recorded, repository_keys};
use crate::receipt::{Receipt, Secrets};
use crate::report::{Event, Reporter};
use crate::run::journal::{self, Entry, Journal, JournalError};
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
    /// The keys of package repositories.
    keys: Keys,
    /// The agents' binaries.
    pub agents: Agents,
    /// What would be sent to nodes, by key.
    pub artifacts: BTreeMap<String, Artifact>,
    /// Where fetched things are kept.
    pub cache: Cache,
    /// What lies on this box already: the agents, and the archive that the inventory names.
    on_this_box: BTreeMap<String, Artifact>,
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
        images::check(&source.inventory, &topology).map_err(CommandError::usage)?;
        login_keys::check(&source.inventory, &topology, &environment.home)
            .await
            .map_err(CommandError::usage)?;
        let known = known.transpose()?;
        let mut remarks = Vec::new();
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
        let mut pruned = receipt.pruned.remove(kafka::NAME).unwrap_or_default();
        pruned.retain(|topic| !wanted(topic));
        if prune {
            let former = std::mem::take(&mut topology.former.topics);
            pruned.extend(former.into_keys());
        }
        if !pruned.is_empty() {
            receipt.pruned.insert(kafka::NAME.into(), pruned);
        }
        let secrets = match entry.as_ref() {
            Some(entry) => match journal::read_secrets(&entry.directory) {
                // A run that was killed in its first moment has not made them yet.
                Err(lost @ JournalError::SecretsLost(_)) => {
                    remarks.push(Event::Warning(lost.to_string()));
                    Secrets::placeholders()
                }
                read => read?,
            },
            None => Secrets::placeholders(),
        };
        let keys = repository_keys::read(&source.inventory, &topology, &environment.home)
            .map_err(CommandError::usage)?;
        let agents = choose_agents(agents, &topology, &mut receipt, &mut remarks)?;
        let mut on_this_box = BTreeMap::new();
        // Plain machines get none.
        if topology.nodes.values().any(|node| !node.roles.is_empty()) {
            on_this_box.extend(agents.artifacts()?);
        }
        if let Some(archive) = read_archive(&source.inventory, &topology).await? {
            on_this_box.insert(artifact_key::COUCHDB.into(), archive.artifact);
            // Nobody installs SpiderMonkey's library for an archive: without it there would be no views, and CouchDB would
            // start their engine again and again.
            let engine = archive.quickjs.then(|| QUICKJS.to_owned());
            component::couchdb::prefer_engine(&mut topology, engine.as_deref());
            let choices = &mut receipt.choices;
            choices.set(component::couchdb::NAME, ENGINE, engine.as_deref());
        }
        // Until the journal is ours nothing random is made up: what is shown twice must be the same.
        let epochs = receipt.epochs.entry(kafka::NAME.into()).or_default();
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
            keys,
            agents,
            artifacts: BTreeMap::new(),
            cache: Cache::new(&environment.cache_dir),
            on_this_box,
            remarks,
        };
        prepared.with(|_| ())
    }

    /// The same with other decisions in the receipt, and with what would be sent by them.
    pub fn with(&self, decide: impl FnOnce(&mut Receipt)) -> Result<Self, CommandError> {
        let mut other = self.clone();
        decide(&mut other.receipt);
        other.artifacts = other.sent()?;
        Ok(other)
    }

    /// What would be sent to nodes.
    fn sent(&self) -> Result<BTreeMap<String, Artifact>, CommandError> {
        let settings = artifact::kafka::Settings::of(kafka::section(&self.topology))?;
        let recorded = self.receipt.choices.get(kafka::NAME, kafka::SOURCE);
        let source = artifact::kafka::likely(&self.cache, &settings, recorded)?;
        let mut sent = self.on_this_box.clone();
        sent.insert(artifact_key::KAFKA.into(), settings.artifact(source));
        match self.couchdb() {
            Distribution::Pouchdb => {
                sent.insert(artifact_key::COUCHDB.into(), couchdb::stand_in_identity());
            }
            Distribution::Archive => {}
            Distribution::Apache | Distribution::Auto => {
                sent.remove(artifact_key::COUCHDB);
            }
        }
        Ok(sent)
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

    /// Refuses what the machines that are there cannot become; those that the clouds have lost do not count.
    pub fn check_machines(&self, lost: &BTreeSet<String>) -> Result<(), CommandError> {
        let (recorded, receipt) = (self.recorded.as_ref(), &self.receipt);
        with_made(recorded, &self.topology, receipt, lost, |made| {
            layout::check_machines(made, &self.source.inventory)
        })
    }

    /// Which CouchDB it is, as far as that is decided.
    pub fn couchdb(&self) -> Distribution {
        component::couchdb::distribution(&self.topology, &self.receipt.choices)
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
                choices,
                agents,
                ..
            } = receipt.clone();
            *receipt = Receipt {
                numbers,
                pruned,
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
            secrets: journal.secrets()?,
            ..adopted.with_epochs(&BTreeSet::new())?
        };
        Ok((adopted, known.then_some(before)))
    }

    /// The same with an epoch for each topic that has none, and new ones for those to be renewed.
    pub fn with_epochs(&self, renew: &BTreeSet<String>) -> Result<Self, CommandError> {
        self.with(|receipt| {
            let epochs = receipt.epochs.entry(kafka::NAME.into()).or_default();
            for topic in self.topology.topics.keys() {
                if renew.contains(topic) || !epochs.contains_key(topic) {
                    let epoch = hex::encode(rand::random::<[u8; 4]>());
                    epochs.insert(topic.clone(), epoch);
                }
            }
        })
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
        has_agents(&self.topology, cloud).then(|| self.agents.machine().into())
    }

    /// The same with the addresses by which hosts of the user's are seen from a cloud.
    pub async fn seen_from_outside(&self, environment: &Environment) -> Result<Self, CommandError> {
        let mut notes = self.receipt.cloud_notes.clone();
        outside::find(&self.topology, &mut notes, &environment.home, false).await?;
        self.with(|receipt| receipt.cloud_notes = notes)
    }
}

/// Reads the archive of CouchDB that the inventory names, if it does.
async fn read_archive(
    inventory: &Inventory,
    topology: &Topology,
) -> Result<Option<couchdb::Release>, CommandError> {
    let couchdb = component::couchdb::section(topology);
    let Some(file) =
        (couchdb.archive.as_ref()).filter(|_| couchdb.distribution == Distribution::Archive)
    else {
        return Ok(None);
    };
    let read = couchdb::archive(file.into()).await;
    read.map(Some).map_err(|error| {
        let problem = inventory.problem("couchdb.archive", error.to_string(), None);
        CommandError::usage(Problems::from(problem))
    })
}

/// What the receipt of a new deployment begins with; its id is made by the journal.
fn provisional(topology: &Topology, ids: Ids, inventory: &str) -> Receipt {
    Receipt {
        inventory: inventory.into(),
        numbers: ids.numbers,
        ..Receipt::bare(NOT_YET, &topology.name, topology.cloud.name())
    }
}

/// Whether agents go onto machines of a cloud.
fn has_agents(topology: &Topology, cloud: CloudName) -> bool {
    let mut nodes = topology.nodes.values();
    nodes.any(|node| node.cloud == cloud && component::has_agents(node, topology))
}

/// The agents that were named, else those named at an earlier `up`, else those beside the deployer.
fn choose_agents(
    named: Option<&Path>,
    topology: &Topology,
    receipt: &mut Receipt,
    remarks: &mut Vec<Event>,
) -> Result<Agents, CommandError> {
    let executable = std::env::current_exe()?;
    // What machines of other clouds are is seen when they are there.
    let mut said = CloudName::all().filter_map(|cloud| {
        let provider = registry::provider(cloud).ok()?;
        let machine = provider.architecture(&topology.clouds)?;
        has_agents(topology, cloud).then_some(machine)
    });
    let machine = said.next().unwrap_or(ARCH);
    let find = |directory: Option<&Path>| agents::find(directory, &executable, machine);
    if let Some(directory) = named {
        let agents = find(Some(directory)).map_err(CommandError::usage)?;
        let usual = find(None).is_ok_and(|usual| usual == agents);
        let directory = std::path::absolute(directory)?;
        receipt.agents = (!usual).then(|| directory.display().to_string());
        return Ok(agents);
    }
    if let Some(directory) = receipt.agents.clone() {
        match find(Some(Path::new(&directory))) {
            Ok(agents) => {
                remarks.push(Event::Note(format!(
                    "agents: those of {directory}, which `--agents` named at an earlier up"
                )));
                return Ok(agents);
            }
            Err(error) => remarks.push(Event::Warning(format!(
                "the agents that `--agents` named at an earlier up are gone, those beside the deployer are used: {error}"
            ))),
        }
        receipt.agents = None;
    }
    find(None).map_err(CommandError::usage)
}

/// The inventory of the last `up` and its topology, as far as they can be read.
fn of_last_up(receipt: &Receipt) -> (Option<Inventory>, Option<Topology>) {
    let inventory = recorded::inventory(receipt).ok();
    let topology = inventory
        .as_ref()
        .and_then(|inventory| recorded::topology_of(inventory, receipt).ok());
    (inventory, topology)
}

/// Asks something of what the machines of the receipt were made with, by its inventory, but for those that are gone.
fn with_made(
    recorded: Option<&Inventory>,
    topology: &Topology,
    receipt: &Receipt,
    gone: &BTreeSet<String>,
    check: impl FnOnce(&Made<'_>) -> Result<(), Problems>,
) -> Result<(), CommandError> {
    // One that an older deployer took is not held against its words of today.
    let Some(inventory) = recorded else {
        return Ok(());
    };
    let machines: Vec<(String, CloudName)> = receipt
        .machines
        .iter()
        .filter(|(node, record)| record.machine.is_some() && !gone.contains(*node))
        .filter_map(|(node, record)| Some((node.clone(), target::cloud_name(&record.cloud).ok()?)))
        .collect();
    let made = Made {
        inventory,
        cloud: topology.cloud,
        machines: &machines,
    };
    check(&made).map_err(CommandError::usage)
}

/// Other deployments of the same nodes on the same cloud: a new name in the inventory makes a second one.
fn beside(
    source: &Source,
    topology: &Topology,
    state_dir: &Path,
) -> Result<Vec<Event>, CommandError> {
    let same = |entry: &Entry| {
        let receipt = journal::read_receipt(&entry.directory).ok()?;
        let other = layout::parse(receipt.inventory.as_bytes(), "").ok()?;
        let nodes = other.nodes.keys().eq(source.inventory.nodes.keys());
        nodes.then(|| entry.name.clone())
    };
    let others = journal::list(state_dir)?;
    let others = others
        .iter()
        .filter(|entry| entry.cloud == topology.cloud.name())
        .filter_map(same);
    Ok(others
        .map(|name| {
            Event::Warning(format!(
                "`{}` will be a second deployment of these nodes: `{name}` is there and goes on beside it; `deployer teardown --name {name}` takes it away",
                topology.name
            ))
        })
        .collect())
}
