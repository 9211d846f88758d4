//! What is prepared: all that is decided before anything is asked or done. Made by `up`, `plan`, `check` and `render`, so that bad input is
//! refused by all of them in the same words.

use std::collections::{BTreeMap, BTreeSet};
use std::env::consts::ARCH;
use std::path::Path;

use crate::artifact::agents::Agents;
use crate::artifact::cache::Cache;
use crate::artifact::{ArtifactError, agents, couchdb, kafka};
use crate::cli::{Environment, Target};
use crate::component::couchdb::QUICKJS;
use crate::component::{self, Artifact, Context, artifact_key};
use crate::error::CommandError;
use crate::inventory::{self, Problems};
use crate::machine::Machine;
use crate::plan::Desired;
use crate::prepare::ends::Ends;
use crate::prepare::target::{self, Source};
use crate::prepare::{cloud_sections, couchdb_packages, login_keys, outside, recorded};
use crate::receipt::{Receipt, Secrets};
use crate::report::{Event, Reporter};
use crate::run::journal::{self, Entry, Journal, JournalError};
use crate::settings::{self, Refusal};
use crate::signing_key::SigningKey;
use crate::topology::{self, CloudName, Distribution, Ids, Made, Options, Topology};

/// Stands for what is made up at the first `up`: the id, a topic's epoch.
const NOT_YET: &str = "new";

/// What is decided.
pub struct Prepared {
    /// The inventory.
    pub source: Source,
    /// The topology, with the ids of the receipt where there is one.
    pub topology: Topology,
    /// Where the receipt lies; `None`: there is none yet.
    pub entry: Option<Entry>,
    /// The receipt, or what it would begin with.
    pub receipt: Receipt,
    /// The secrets, or placeholders.
    pub secrets: Secrets,
    /// The key of CouchDB's package repository.
    pub couchdb_key: SigningKey,
    /// The agents' binaries.
    pub agents: Agents,
    /// What would be sent to nodes, by key.
    pub artifacts: BTreeMap<String, Artifact>,
    /// Where fetched things are kept.
    pub cache: Cache,
    /// What the user should know before anything else.
    remarks: Vec<Event>,
}

impl Prepared {
    /// Reads the inventory, the receipt if there is one, and looks for the agents. Asks nobody.
    pub async fn new(
        target: &Target,
        agents: Option<&Path>,
        environment: &Environment,
    ) -> Result<Self, CommandError> {
        let source = target::read_inventory(target)?;
        let options = Options {
            cloud: target.cloud,
            name: target.name.clone(),
        };
        // Problems of the inventory come first, with no receipt in the way.
        let (topology, ids) = Topology::new(&source.inventory, &options, &Ids::default())
            .map_err(CommandError::usage)?;
        cloud_sections::check(&source.inventory, &topology).map_err(CommandError::usage)?;
        couchdb_packages::check_images(&source.inventory, &topology)
            .map_err(CommandError::usage)?;
        login_keys::check(&source.inventory, &topology, &environment.home)
            .map_err(CommandError::usage)?;
        let state_dir = target::state_dir(target, environment);
        let entry = journal::list(&state_dir)?
            .into_iter()
            .find(|entry| entry.name == topology.name && entry.cloud == topology.cloud.name());
        let mut remarks = Vec::new();
        if entry.is_none() {
            remarks.extend(beside(&source, &topology, &state_dir)?);
        }
        let (topology, mut receipt, secrets) = if let Some(entry) = &entry {
            let mut receipt = journal::read_receipt(&entry.directory)?;
            with_made(&topology, &receipt, &BTreeSet::new(), |made| {
                topology::check_places(made, &source.inventory)
            })?;
            let ids = Ids {
                broker_ids: receipt.broker_ids.clone(),
                client_numbers: receipt.client_numbers.clone(),
                topics: receipt.read_topics(),
            };
            let (topology, ids) =
                Topology::new(&source.inventory, &options, &ids).map_err(CommandError::usage)?;
            receipt.broker_ids = ids.broker_ids;
            receipt.client_numbers = ids.client_numbers;
            // One that is wanted again is read again.
            let wanted = |topic: &String| topology.topics.contains_key(topic);
            receipt.pruned_topics.retain(|topic| !wanted(topic));
            let secrets = match journal::read_secrets(&entry.directory) {
                // A run that was killed in its first moment has not made them yet.
                Err(lost @ JournalError::SecretsLost(_)) => {
                    remarks.push(Event::Warning(lost.to_string()));
                    Secrets::placeholders()
                }
                read => read?,
            };
            (topology, receipt, secrets)
        } else {
            let receipt = provisional(&topology, ids, &source.text);
            (topology, receipt, Secrets::placeholders())
        };
        let couchdb_key = couchdb_packages::key(&source.inventory, &topology, &environment.home)
            .map_err(CommandError::usage)?;
        let agents = choose_agents(agents, &topology, &mut receipt, &mut remarks)?;
        let cache = Cache::new(&environment.cache_dir);
        let mut prepared = Self {
            source,
            topology,
            entry,
            receipt,
            secrets,
            couchdb_key,
            agents,
            artifacts: BTreeMap::new(),
            cache,
            remarks,
        };
        // Until the journal is ours nothing random is made up: what is shown twice must be the same.
        for topic in prepared.topology.topics.keys() {
            let epoch = prepared.receipt.epochs.entry(topic.clone());
            epoch.or_insert_with(|| NOT_YET.into());
        }
        prepared.refresh_artifacts().await?;
        Ok(prepared)
    }

    /// Says what the user should know, and what of the inventory will have no effect. Once CouchDB is chosen.
    pub fn remark(&self, reporter: &dyn Reporter) {
        self.remarks.iter().for_each(|event| reporter.event(event));
        let inventory = &self.source.inventory;
        let warn = |key: String, doubt: Refusal| {
            let problem = inventory.problem(key, doubt.message, doubt.hint);
            reporter.event(&Event::Warning(problem.to_string()));
        };
        let settings = &inventory.couchdb.settings;
        if self.couchdb() == Distribution::Pouchdb && !settings.is_empty() {
            let message = "the stand-in for CouchDB takes no settings: they have no effect".into();
            warn(
                "couchdb.settings".into(),
                Refusal {
                    message,
                    hint: None,
                },
            );
            return;
        }
        for (section, keys) in settings {
            for key in keys.keys() {
                if let Some(doubt) = settings::couchdb::doubt(section, key) {
                    warn(format!("couchdb.settings.{section}.{key}"), doubt);
                }
            }
        }
    }

    /// Lets go of what earlier inventories had: what `--prune` means for topics.
    pub fn prune(&mut self) {
        let former = std::mem::take(&mut self.topology.former.topics);
        self.receipt.pruned_topics.extend(former.into_keys());
    }

    /// The topology of the last `up`; `None`: there is none that can be read.
    pub fn last_topology(&self) -> Option<Topology> {
        self.entry.as_ref()?;
        recorded::topology(&self.receipt).ok()
    }

    /// Says anew what would be sent, after a choice was made.
    pub async fn refresh_artifacts(&mut self) -> Result<(), CommandError> {
        let settings = kafka::Settings::of(&self.topology.kafka)?;
        let source = kafka::likely(
            &self.cache,
            &settings,
            self.receipt.choices.kafka_source.as_deref(),
        )?;
        let mut artifacts: BTreeMap<String, Artifact> =
            [(artifact_key::KAFKA.to_owned(), settings.artifact(source))].into();
        // The agents' binaries stay what they are while this program runs; plain machines get none.
        if self
            .topology
            .nodes
            .values()
            .any(|node| !node.roles.is_empty())
        {
            for key in [artifact_key::PRODUCER, artifact_key::CONSUMER] {
                let known = self.artifacts.remove_entry(key);
                artifacts.extend(known);
            }
            if !artifacts.contains_key(artifact_key::CONSUMER) {
                artifacts.extend(self.agents.artifacts()?);
            }
        }
        match self.couchdb() {
            Distribution::Pouchdb => {
                artifacts.insert(artifact_key::COUCHDB.into(), couchdb::stand_in_identity());
            }
            Distribution::Archive => {
                if let Some(file) = &self.topology.couchdb.archive {
                    let archive = couchdb::archive(file.into())
                        .await
                        .map_err(|error| self.archive_problem(&error))?;
                    artifacts.insert(artifact_key::COUCHDB.into(), archive.artifact);
                    // Nobody installs SpiderMonkey's library for an archive: without it there would be no views, and CouchDB would
                    // start their engine again and again.
                    let engine = archive.quickjs.then(|| QUICKJS.to_owned());
                    self.topology.couchdb.prefer_engine(engine.as_deref());
                    self.receipt.choices.couchdb_js_engine = engine;
                }
            }
            Distribution::Apache | Distribution::Auto => {}
        }
        self.artifacts = artifacts;
        Ok(())
    }

    fn archive_problem(&self, error: &ArtifactError) -> CommandError {
        let problem = self
            .source
            .inventory
            .problem("couchdb.archive", error.to_string(), None);
        CommandError::usage(Problems::from(problem))
    }

    /// Refuses what the machines that are there cannot become; those that the clouds have lost do not count.
    pub fn check_machines(&self, lost: &BTreeSet<String>) -> Result<(), CommandError> {
        with_made(&self.topology, &self.receipt, lost, |made| {
            topology::check_machines(made, &self.source.inventory)
        })
    }

    /// Which CouchDB it is, as far as that is decided.
    pub fn couchdb(&self) -> Distribution {
        component::couchdb::distribution(&self.topology, &self.receipt.choices)
    }

    /// Takes over what the journal has, which nobody else can change any more. Returns what the receipt of an earlier `up`
    /// was; `None`: this is the first.
    pub async fn adopt(&mut self, journal: &Journal) -> Result<Option<Receipt>, CommandError> {
        let before = journal.receipt();
        self.secrets = journal.secrets()?;
        let known = !before.inventory.is_empty();
        if known && self.entry.is_none() {
            return Err(CommandError::failed(format!(
                "{} was made by another deployer just now",
                before.name
            ))
            .hint("run the same command again"));
        }
        let Receipt {
            broker_ids,
            client_numbers,
            pruned_topics,
            choices,
            ..
        } = self.receipt.clone();
        self.receipt = Receipt {
            broker_ids,
            client_numbers,
            pruned_topics,
            choices,
            ..before.clone()
        };
        self.fill_epochs(&BTreeSet::new());
        self.refresh_artifacts().await?;
        Ok(known.then_some(before))
    }

    /// Gives an epoch to each topic that has none and to those to be renewed. Returns whether any was given.
    pub fn fill_epochs(&mut self, renew: &BTreeSet<String>) -> bool {
        let mut given = false;
        for topic in self.topology.topics.keys() {
            if renew.contains(topic) || !self.receipt.epochs.contains_key(topic) {
                let epoch = hex::encode(rand::random::<[u8; 4]>());
                self.receipt.epochs.insert(topic.clone(), epoch);
                given = true;
            }
        }
        given
    }

    /// What components look at.
    pub fn context(&self) -> Context<'_> {
        Context {
            topology: &self.topology,
            receipt: &self.receipt,
            secrets: &self.secrets,
            choices: &self.receipt.choices,
            couchdb_key: &self.couchdb_key,
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
        has_agents(&self.topology, cloud).then(|| self.agents.consumer.machine.into())
    }

    /// Finds the addresses by which hosts of the user's are seen from a cloud.
    pub async fn find_outside(&mut self, environment: &Environment) -> Result<(), CommandError> {
        let notes = &mut self.receipt.cloud_notes;
        outside::find(&self.topology, notes, &environment.home, false).await
    }
}

/// What the receipt of a new deployment begins with; its id is made by the journal.
fn provisional(topology: &Topology, ids: Ids, inventory: &str) -> Receipt {
    Receipt {
        inventory: inventory.into(),
        broker_ids: ids.broker_ids,
        client_numbers: ids.client_numbers,
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
    let machine = if has_agents(topology, CloudName::Aws) {
        topology.aws.architecture.machine()
    } else {
        ARCH
    };
    let find = |directory: Option<&Path>| agents::find(directory, &executable, machine);
    if let Some(directory) = named {
        let agents = find(Some(directory)).map_err(CommandError::usage)?;
        let usual = find(None).is_ok_and(|usual| usual == agents);
        let directory = std::path::absolute(directory)?;
        receipt.choices.agents = (!usual).then(|| directory.display().to_string());
        return Ok(agents);
    }
    if let Some(directory) = receipt.choices.agents.clone() {
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
        receipt.choices.agents = None;
    }
    find(None).map_err(CommandError::usage)
}

/// Asks something of what the machines of the receipt were made with, but for those that are gone.
fn with_made(
    topology: &Topology,
    receipt: &Receipt,
    gone: &BTreeSet<String>,
    check: impl FnOnce(&Made<'_>) -> Result<(), Problems>,
) -> Result<(), CommandError> {
    // One that an older deployer took is not held against its words of today.
    let Ok(inventory) = inventory::parse(receipt.inventory.as_bytes(), "the receipt's inventory")
    else {
        return Ok(());
    };
    let machines: Vec<(String, CloudName)> = receipt
        .machines
        .iter()
        .filter(|(node, record)| record.machine.is_some() && !gone.contains(*node))
        .filter_map(|(node, record)| Some((node.clone(), target::cloud_name(&record.cloud).ok()?)))
        .collect();
    let made = Made {
        inventory: &inventory,
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
        let other = inventory::parse(receipt.inventory.as_bytes(), "").ok()?;
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
