//! A look at a deployment: what its clouds have, what its nodes say, and so what is to be done. Changes nothing.

pub mod couchdb_choice;
pub mod namesakes;
pub mod obstacles;
pub mod producers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use tempfile::TempDir;

use crate::cli::{Change, Environment};
use crate::cloud::{Cloud, CloudPlan, Wanted};
use crate::component;
use crate::error::CommandError;
use crate::facts::{Facts, Query, System};
use crate::host::{Connector, HostError, connector};
use crate::machine::Machine;
use crate::plan::{self, Desired, Plan, Situation};
use crate::preflight::{self, Obstacle};
use crate::prepare::ends::Ends;
use crate::prepare::prepared::Prepared;
use crate::reach::clouds;
use crate::reach::connections::{
    CONNECT_TIMEOUT_NEW, CONNECT_TIMEOUT_RUNNING, Connections, require_none,
};
use crate::report::{Event, Reporter, aloud};
use crate::run::Executor as _;
use crate::run::keys::{self, Keys};
use crate::topology::CloudName;

/// A cloud, what is wanted of it, and what it would do.
pub struct CloudState {
    /// Its name.
    pub name: CloudName,
    /// The cloud.
    pub cloud: Box<dyn Cloud>,
    /// What is wanted.
    pub wanted: Wanted,
    /// What it sees and would do.
    pub plan: CloudPlan,
}

/// What was seen.
pub struct Observation {
    /// The clouds.
    pub clouds: Vec<CloudState>,
    /// Machines that are there and run.
    pub machines: BTreeMap<String, Machine>,
    /// The connected ones.
    pub connections: Connections,
    /// What the nodes say.
    pub facts: BTreeMap<String, Facts>,
    /// What should be on the nodes.
    pub desired: Desired,
    /// What is to be done there.
    pub plan: Plan,
}

/// What looking needs beside what is prepared.
pub struct ObserveOptions<'a> {
    /// Where keys and the SSH configuration lie.
    pub directory: &'a Path,
    /// The keys; `None`: there are none yet, so there are no machines either.
    pub keys: Option<&'a Keys>,
    /// What the user allows.
    pub change: &'a Change,
    /// The environment.
    pub environment: &'a Environment,
    /// Shows progress.
    pub reporter: &'a dyn Reporter,
    /// The directory is locked for us.
    pub locked: bool,
    /// This command made machines already, as the inventory says: they may take longer to answer.
    pub made: bool,
}

/// Where to look from without a journal: the deployment's directory and keys, or before the first `up` an empty one and none.
pub struct Observer {
    directory: PathBuf,
    keys: Option<Keys>,
    /// Keeps the empty directory for as long.
    _nowhere: TempDir,
}

impl Observer {
    /// Finds the deployment of what is prepared.
    pub fn of(prepared: &Prepared) -> Result<Self, CommandError> {
        let nowhere = tempfile::tempdir()?;
        let entry = prepared.entry.as_ref();
        let keys = entry
            .map(|entry| Keys::read(&entry.directory))
            .transpose()?;
        let directory = entry.map_or(nowhere.path().into(), |entry| entry.directory.clone());
        Ok(Self {
            directory,
            keys,
            _nowhere: nowhere,
        })
    }

    /// Ends the connections of a look that failed, where no later command would take them up.
    pub async fn close(&self, environment: &Environment) -> Result<(), CommandError> {
        if self.keys.is_none() {
            connector::forget(&self.directory, environment.runtime_dir.as_deref()).await?;
        }
        Ok(())
    }

    /// What a look at machines that should run needs.
    pub fn observe_options<'a>(
        &'a self,
        change: &'a Change,
        environment: &'a Environment,
        reporter: &'a dyn Reporter,
    ) -> ObserveOptions<'a> {
        ObserveOptions {
            directory: &self.directory,
            keys: self.keys.as_ref(),
            change,
            environment,
            reporter,
            locked: false,
            made: false,
        }
    }
}

/// Looks at what is there. Renews in the prepared receipt the epochs of topics that will be made anew.
pub async fn observe(
    prepared: &mut Prepared,
    observe_options: &ObserveOptions<'_>,
) -> Result<Observation, CommandError> {
    let (clouds, machines, connections) = connect(prepared, observe_options).await?;
    connections.require_all()?;
    if let Some(node) = prepared.undecided_couchdb().map(|node| node.name.clone())
        && machines.contains_key(&node)
    {
        let query = Query {
            system: true,
            ..Query::default()
        };
        let system = connections.executor().ask(&node, &query).await?.system;
        let reporter = observe_options.reporter;
        prepared.choose_couchdb_for(&system, reporter).await?;
    }

    let ends = ends(&clouds);
    let all = with_left_alone(prepared, &machines, observe_options.change.prune);
    let desired = prepared.desired(&all, &ends)?;
    let facts = ask(&connections, &desired, &machines, observe_options.reporter).await?;
    let strict = strict(prepared);
    // Machines that a cloud made are not asked: each is its own.
    let identities = facts
        .iter()
        .filter(|(node, _)| strict.contains(*node))
        .map(|(node, facts)| (node, &facts.identity));
    none_of(&preflight::same_machines(identities))?;
    let orphans: BTreeSet<String> = clouds
        .iter()
        .flat_map(|state| state.plan.orphans.union(&state.wanted.remove).cloned())
        .collect();
    let lost = lost(&clouds);
    let destroy_data: BTreeSet<String> = observe_options
        .change
        .destroy_data
        .iter()
        .cloned()
        .collect();
    let (receipt, last) = (prepared.receipt.clone(), prepared.last_topology());
    let known = known(prepared, &machines);
    let situation = Situation {
        facts: &facts,
        receipt: &receipt,
        strict: &strict,
        known: &known,
        lost: &lost,
        orphans: &orphans,
        prune: observe_options.change.prune,
        destroy_data: &destroy_data,
        last: last.as_ref(),
    };
    let impossible = plan::impossible(&desired, &situation);
    if !impossible.is_empty() {
        let lines: Vec<&str> = impossible.iter().map(|one| one.what.as_str()).collect();
        let mut error = CommandError::usage(format!(
            "this cannot be done, so nothing was changed:\n    {}",
            lines.join("\n    ")
        ));
        let hints: BTreeSet<String> = impossible.into_iter().map(|one| one.hint).collect();
        error.hints.extend(hints);
        return Err(error);
    }
    let renewed = plan::epochs_to_renew(&desired, &prepared.topology.topics, &situation);
    let desired = if prepared.fill_epochs(&renewed) {
        prepared.desired(&all, &ends)?
    } else {
        desired
    };
    let plan = plan::compare(&desired, &situation).map_err(|conflicts| {
        let lines: Vec<String> = conflicts.iter().map(ToString::to_string).collect();
        let mut error = CommandError::failed(format!(
            "something is there that is not ours; nothing was changed:\n    {}",
            lines.join("\n    ")
        ));
        let hints: BTreeSet<String> = conflicts
            .into_iter()
            .map(|conflict| conflict.hint)
            .collect();
        error.hints.extend(hints);
        error
    })?;
    Ok(Observation {
        clouds,
        machines,
        connections,
        facts,
        desired,
        plan,
    })
}

/// Refuses what the inventory says of hosts and cannot be so.
fn none_of(obstacles: &[Obstacle]) -> Result<(), CommandError> {
    if obstacles.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
    Err(CommandError::usage(format!(
        "the hosts are not as the inventory says; nothing was changed:\n    {}",
        lines.join("\n    ")
    )))
}

/// Looks at the clouds and connects to the machines that are there, as far as they answer.
pub async fn connect(
    prepared: &Prepared,
    observe_options: &ObserveOptions<'_>,
) -> Result<(Vec<CloudState>, BTreeMap<String, Machine>, Connections), CommandError> {
    let clouds = look_at_clouds(prepared, observe_options).await?;
    if !observe_options.made {
        prepared.check_machines(&lost(&clouds))?;
    }
    let mut machines = BTreeMap::new();
    for state in &clouds {
        for machine in &state.plan.machines {
            machines.insert(machine.node.clone(), machine.clone());
        }
    }
    none_of(&preflight::mistaken_addresses(&machines))?;
    let environment = observe_options.environment;
    let prepare = if observe_options.locked {
        Connector::new
    } else {
        Connector::reading
    };
    let connector = prepare(
        &machines,
        observe_options.directory,
        environment.runtime_dir.as_deref(),
        &environment.home,
    )?;
    let connect_timeout = if observe_options.made {
        CONNECT_TIMEOUT_NEW
    } else {
        CONNECT_TIMEOUT_RUNNING
    };
    let connections = Connections::connect(
        &connector,
        &machines,
        connect_timeout,
        observe_options.reporter,
    )
    .await;
    explain_silence(&clouds, &connections, observe_options.reporter).await;
    Ok((clouds, machines, connections))
}

/// The nodes whose machines are gone with their data.
fn lost(clouds: &[CloudState]) -> BTreeSet<String> {
    let lost = clouds.iter().flat_map(|state| &state.plan.lost);
    lost.cloned().collect()
}

async fn look_at_clouds(
    prepared: &Prepared,
    observe_options: &ObserveOptions<'_>,
) -> Result<Vec<CloudState>, CommandError> {
    let context = prepared.context();
    let mut looks = Vec::new();
    for name in clouds::names(&prepared.topology, &prepared.receipt) {
        let cloud = clouds::open(
            name,
            &prepared.topology,
            observe_options.directory,
            observe_options.environment,
        )
        .await?;
        let nodes = prepared
            .topology
            .nodes
            .values()
            .filter(|node| node.cloud == name);
        let packages = nodes.flat_map(|node| component::packages(node, &context));
        let key = keys::user_path(observe_options.directory);
        let mut wanted = Wanted {
            packages: packages.collect(),
            user_key_path: Some(key.display().to_string()),
            prune: observe_options.change.prune,
            architecture: prepared.architecture_on(name),
            ..clouds::wanted(
                name,
                &prepared.topology,
                &prepared.receipt,
                observe_options.keys,
                observe_options.environment,
            )?
        };
        // Hosts of the user's own are not removed, so they are not forgotten either.
        if wanted.prune && name != CloudName::Existing {
            let kept = |node: &&String| !wanted.machines.contains_key(*node);
            wanted.remove = wanted.made.iter().filter(kept).cloned().collect();
        }
        looks.push((name, cloud, wanted));
    }
    let plans = join_all(looks.iter().map(|(name, cloud, wanted)| async move {
        let words = format!("look at what is there on {name}");
        aloud(observe_options.reporter, None, &words, cloud.plan(wanted)).await
    }))
    .await;
    let looks = looks.into_iter().zip(plans);
    looks
        .map(|((name, cloud, wanted), plan)| {
            Ok(CloudState {
                name,
                cloud,
                wanted,
                plan: plan?,
            })
        })
        .collect()
}

async fn ask(
    connections: &Connections,
    desired: &Desired,
    machines: &BTreeMap<String, Machine>,
    reporter: &dyn Reporter,
) -> Result<BTreeMap<String, Facts>, CommandError> {
    let queries = plan::queries(desired);
    let asked = queries
        .iter()
        .filter(|(node, _)| machines.contains_key(*node));
    let answers = join_all(asked.map(|(node, query)| async move {
        let asking = connections.executor().ask(node, query);
        let words = "ask how it is";
        (
            node.clone(),
            aloud(reporter, Some(node), words, asking).await,
        )
    }));
    let mut facts = BTreeMap::new();
    let mut failures = BTreeMap::new();
    for (node, answer) in answers.await {
        match answer {
            Ok(answer) => {
                facts.insert(node, answer);
            }
            Err(error) => {
                failures.insert(node, error);
            }
        }
    }
    require_none(&failures)?;
    Ok(facts)
}

/// The machines, with those of nodes that nobody wants any more and that stay: brokers there may hold partitions, and clients
/// go on to send.
fn with_left_alone(
    prepared: &Prepared,
    machines: &BTreeMap<String, Machine>,
    prune: bool,
) -> BTreeMap<String, Machine> {
    let left = prepared.receipt.machines.iter().filter(|(node, record)| {
        let stays = !prune || record.cloud == CloudName::Existing.name();
        stays && !prepared.topology.nodes.contains_key(*node)
    });
    let left = left.filter_map(|(node, record)| Some((node.clone(), record.machine.clone()?)));
    left.chain(machines.clone()).collect()
}

/// Node → when its machine powers itself off, of clouds where machines may do that.
fn ends(clouds: &[CloudState]) -> Ends {
    let mut ends = Ends::new();
    for state in clouds.iter().filter(|state| state.name == CloudName::Aws) {
        let nodes = state.wanted.machines.keys();
        ends.extend(nodes.map(|node| (node.clone(), state.plan.expires)));
    }
    ends
}

/// Where a machine does not answer at all, its cloud's own rules may be why.
async fn explain_silence(
    clouds: &[CloudState],
    connections: &Connections,
    reporter: &dyn Reporter,
) {
    for state in clouds {
        let silent = connections.unreachable.iter().any(|(node, error)| {
            state.wanted.machines.contains_key(node) && matches!(error, HostError::Timeout { .. })
        });
        if !silent {
            continue;
        }
        let warning = match state.cloud.why_no_ssh(&state.wanted.id).await {
            Ok(why) => why,
            Err(error) => Some(format!(
                "whether the rules of {} let this box in is not known: {error}",
                state.name
            )),
        };
        if let Some(warning) = warning {
            reporter.event(&Event::Warning(warning));
        }
    }
}

fn strict(prepared: &Prepared) -> BTreeSet<String> {
    let nodes = prepared
        .topology
        .nodes
        .values()
        .filter(|node| node.cloud == CloudName::Existing);
    nodes.map(|node| node.name.clone()).collect()
}

/// The nodes whose machine is the one that the receipt has.
fn known(prepared: &Prepared, machines: &BTreeMap<String, Machine>) -> BTreeSet<String> {
    let same = |node: &&String| {
        let record = prepared.receipt.machines.get(*node);
        let recorded = record.and_then(|record| record.machine.as_ref());
        recorded.is_some_and(|recorded| recorded.access == machines[*node].access)
    };
    machines.keys().filter(same).cloned().collect()
}

/// Asks the nodes with these facts what machines and systems they are, unless they said so already.
pub async fn learn_systems(
    connections: &Connections,
    facts: &mut BTreeMap<String, Facts>,
) -> Result<(), CommandError> {
    let query = Query {
        system: true,
        ..Query::default()
    };
    let (query, executor) = (&query, connections.executor());
    let unknown = facts
        .iter_mut()
        .filter(|(_, facts)| facts.system == System::default());
    let answers = join_all(unknown.map(|(node, facts)| async move {
        facts.system = executor.ask(node, query).await?.system;
        Ok::<_, CommandError>(())
    }));
    answers.await.into_iter().collect()
}

/// Refuses data to be destroyed of nodes that are not there. Before the first look: a later one no longer knows a node whose machine
/// is gone by then.
pub fn require_nodes(prepared: &Prepared, change: &Change) -> Result<(), CommandError> {
    let mut named = change.destroy_data.iter();
    let there = |node: &String| {
        prepared.topology.nodes.contains_key(node) || prepared.receipt.machines.contains_key(node)
    };
    match named.find(|node| !there(node)) {
        None => Ok(()),
        Some(node) => Err(CommandError::usage(format!(
            "--destroy-data {node}: there is no such node"
        ))),
    }
}

impl Observation {
    /// Asks the nodes what machines and systems they are, unless they said so already. Not a part of the one question: it takes
    /// about as long, and nothing hangs on the answer where nothing is to be done.
    pub async fn learn_systems(&mut self) -> Result<(), CommandError> {
        learn_systems(&self.connections, &mut self.facts).await
    }

    /// What clouds remark: what machines cost, what could not be looked at.
    pub fn remarks(&self) -> impl Iterator<Item = &String> {
        self.clouds.iter().flat_map(|state| &state.plan.remarks)
    }

    /// Whether there is nothing to do at all.
    pub fn is_settled(&self) -> bool {
        self.plan.is_empty() && self.clouds.iter().all(|state| state.plan.steps.is_empty())
    }

    /// What would be lost without the user's word.
    pub fn refused(&self) -> Vec<String> {
        let by_nodes = self
            .plan
            .refused()
            .map(|loss| format!("{}: {}", loss.node, loss.words));
        by_nodes.collect()
    }

    /// What is lost with the user's word.
    pub fn losses(&self) -> Vec<String> {
        let by_clouds = self
            .clouds
            .iter()
            .flat_map(|state| &state.plan.steps)
            .filter_map(|step| step.loses.clone());
        let by_nodes = self
            .plan
            .losses
            .iter()
            .map(|loss| format!("{}: {}", loss.node, loss.words));
        by_clouds.chain(by_nodes).collect()
    }
}
