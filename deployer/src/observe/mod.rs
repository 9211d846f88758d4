//! A look at a deployment, and what follows from it: what is prepared ([`Prepared`]) → what its clouds have and its nodes say
//! ([`Observed`]) → what is to be done ([`Planned`]). Each is made once and never edited; nothing here changes what it looks at.

pub mod ask;
mod buckets;
pub mod choices;
pub mod namesakes;
pub mod observer;
pub mod obstacles;
pub mod older;
pub mod reach;
pub mod record;
pub mod senders;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::cli::Change;
use crate::cloud::{Cloud, CloudPlan, Wanted};
use crate::error::CommandError;
use crate::facts::Facts;
use crate::machine::Machine;
use crate::plan::{self, Conflict, Desired, Impossible, Plan, Situation};
use crate::preflight;
use crate::prepare::ends::Ends;
use crate::prepare::prepared::Prepared;
use crate::reach::connections::Connections;
use crate::receipt::Receipt;
use crate::state_copy;
use crate::topology::{CloudName, End};

use observer::ObserveOptions;
use reach::{connect, none_of};
use record::{record_holdings, update_receipt};

/// A cloud, what is wanted of it, and what it would do.
pub struct CloudState {
    /// Its name.
    pub name: CloudName,
    /// The cloud.
    pub cloud: Arc<dyn Cloud>,
    /// What is wanted.
    pub wanted: Wanted,
    /// What it sees and would do.
    pub plan: CloudPlan,
}

/// What was seen.
pub struct Observed {
    /// The clouds.
    pub clouds: Vec<CloudState>,
    /// Machines that are there and run.
    pub machines: BTreeMap<String, Machine>,
    /// What the nodes say.
    pub facts: BTreeMap<String, Facts>,
}

/// What is to be done, by all that was decided and seen.
pub struct Planned {
    /// What is decided, with what only a look could decide.
    pub prepared: Prepared,
    /// What was seen.
    pub seen: Observed,
    /// What should be on the nodes.
    pub desired: Desired,
    /// What is to be done there.
    pub plan: Plan,
}

/// Looks at what is there and plans what is to be done, and gives the connections by which it looked.
pub async fn observe(
    prepared: &Prepared,
    observe_options: &ObserveOptions<'_>,
) -> Result<(Connections, Planned), CommandError> {
    let (clouds, machines, connections) = connect(prepared, observe_options).await?;
    connections.require_all()?;
    let reporter = observe_options.reporter;
    let choosing = Box::pin(prepared.with_choices_there(&connections, &machines, reporter));
    let prepared = choosing.await?;
    let ends = ends(&clouds);
    let change = observe_options.change;
    let all = with_left_alone(&prepared, &machines, change.prune);
    let desired = prepared.desired(&all, &ends)?;
    let facts = ask::ask(
        &connections,
        &desired,
        &prepared.receipt,
        &machines,
        reporter,
    )
    .await?;
    older::refuse(&prepared.receipt, &facts)?;
    let seen = Observed {
        clouds,
        machines,
        facts,
    };
    let planned = plan(&prepared, seen, desired, &all, &ends, observe_options)?;
    Ok((connections, planned))
}

/// Plans by what was seen. Topics that will begin anew get new epochs, and with these what should be on the nodes is another.
fn plan(
    prepared: &Prepared,
    seen: Observed,
    desired: Desired,
    all: &BTreeMap<String, Machine>,
    ends: &Ends,
    observe_options: &ObserveOptions<'_>,
) -> Result<Planned, CommandError> {
    let (strict, change) = (strict(prepared), observe_options.change);
    // Machines that a cloud made are not asked: each is its own.
    let identities = seen
        .facts
        .iter()
        .filter(|(node, _)| strict.contains(*node))
        .map(|(node, facts)| (node, &facts.identity));
    none_of(&preflight::same_machines(identities))?;
    let orphans: BTreeSet<String> = seen
        .clouds
        .iter()
        .flat_map(|state| state.plan.orphans.union(&state.wanted.remove).cloned())
        .collect();
    let lost = lost(&seen.clouds);
    let destroy_data: BTreeSet<String> = change.destroy_data.iter().cloned().collect();
    let known = known(prepared, &seen.machines);
    let situation = Situation {
        facts: &seen.facts,
        receipt: &prepared.receipt,
        strict: &strict,
        known: &known,
        lost: &lost,
        orphans: &orphans,
        prune: change.prune,
        destroy_data: &destroy_data,
        last: prepared.last.as_ref(),
    };
    let impossible = plan::impossible(&desired, &situation);
    if !impossible.is_empty() {
        return Err(cannot_be_done(impossible));
    }
    let renewed = plan::epochs_to_renew(&desired, &prepared.topology.topics, &situation);
    let decided = prepared.with_epochs(&renewed)?;
    let desired = if decided.receipt.epochs == prepared.receipt.epochs {
        desired
    } else {
        decided.desired(all, ends)?
    };
    let desired = with_state(&decided, &seen, desired, observe_options.directory)?;
    let mut plan = plan::compare(&desired, &situation).map_err(not_ours)?;
    plan.notes.splice(0..0, decided.plain_text_ends());
    Ok(Planned {
        prepared: decided,
        seen,
        desired,
        plan,
    })
}

/// What should be, with what should be in the copy of the state: the receipt as it will be when all is done.
fn with_state(
    prepared: &Prepared,
    seen: &Observed,
    desired: Desired,
    directory: &Path,
) -> Result<Desired, CommandError> {
    let Some(seal) = &prepared.seal else {
        return Ok(desired);
    };
    let mut receipt = prepared.receipt.clone();
    update_receipt(&mut receipt, prepared);
    record_holdings(&mut receipt, prepared, seen, &desired, true);
    let digest = state_copy::digest(&receipt, directory, &prepared.secrets, seal)?;
    Ok(desired.with_state(&digest))
}

fn cannot_be_done(impossible: Vec<Impossible>) -> CommandError {
    let lines: Vec<&str> = impossible.iter().map(|one| one.what.as_str()).collect();
    let mut error = CommandError::usage(format!(
        "this cannot be done, so nothing was changed:\n    {}",
        lines.join("\n    ")
    ));
    let hints: BTreeSet<String> = impossible.into_iter().map(|one| one.hint).collect();
    error.hints.extend(hints);
    error
}

fn not_ours(conflicts: Vec<Conflict>) -> CommandError {
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
}

/// The nodes whose machines are gone with their data.
fn lost(clouds: &[CloudState]) -> BTreeSet<String> {
    let lost = clouds.iter().flat_map(|state| &state.plan.lost);
    lost.cloned().collect()
}

/// The machines, with those of nodes that nobody wants any more and that stay: brokers there may hold partitions, and clients
/// go on to send.
fn with_left_alone(
    prepared: &Prepared,
    machines: &BTreeMap<String, Machine>,
    prune: bool,
) -> BTreeMap<String, Machine> {
    let left = prepared.receipt.machines.iter().filter(|(node, record)| {
        let stays = !prune || CloudName::is_of_the_user_by_name(&record.cloud);
        stays && !prepared.topology.nodes.contains_key(*node)
    });
    let left = left.filter_map(|(node, record)| Some((node.clone(), record.machine.clone()?)));
    left.chain(machines.clone()).collect()
}

/// Node → when its machine powers itself off, of clouds where machines may do that.
fn ends(clouds: &[CloudState]) -> Ends {
    let mut ends = Ends::new();
    let powered_off = |state: &&CloudState| state.name.end() == End::PowerOff;
    for state in clouds.iter().filter(powered_off) {
        let nodes = state.wanted.machines.keys();
        ends.extend(nodes.map(|node| (node.clone(), state.plan.expires)));
    }
    ends
}

fn strict(prepared: &Prepared) -> BTreeSet<String> {
    let nodes = prepared
        .topology
        .nodes
        .values()
        .filter(|node| node.cloud.is_of_the_user());
    nodes.map(|node| node.name.clone()).collect()
}

/// The nodes whose machine is the one that the receipt has.
fn known(prepared: &Prepared, machines: &BTreeMap<String, Machine>) -> BTreeSet<String> {
    let same = |node: &&String| {
        let record = prepared.receipt.machines.get(*node);
        let recorded = record.and_then(|record| record.machine.clone());
        let recorded = recorded.map(|machine| prepared.receipt.trusting(machine));
        recorded.is_some_and(|recorded| recorded.access == machines[*node].access)
    };
    machines.keys().filter(same).cloned().collect()
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

impl Observed {
    /// What clouds remark: what machines cost, what could not be looked at.
    pub fn remarks(&self) -> impl Iterator<Item = &String> {
        self.clouds.iter().flat_map(|state| &state.plan.remarks)
    }

    /// Whether any cloud has something to do.
    pub fn machines_change(&self) -> bool {
        self.clouds.iter().any(|state| !state.plan.steps.is_empty())
    }
}

impl Planned {
    /// Records the machines, and the kinds of data that nodes hold, or where all is done will hold.
    pub fn record_holdings(&self, receipt: &mut Receipt, done: bool) {
        record_holdings(receipt, &self.prepared, &self.seen, &self.desired, done);
    }

    /// Whether there is nothing to do at all.
    pub fn is_settled(&self) -> bool {
        self.plan.is_empty() && !self.seen.machines_change()
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
            .seen
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
