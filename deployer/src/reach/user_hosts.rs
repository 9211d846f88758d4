//! The hosts that the user has: what lies there because of us is told by their manifests, and undone by them.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::future::join_all;

use crate::cli::Environment;
use crate::error::CommandError;
use crate::facts::{Facts, Query};
use crate::host::Connector;
use crate::machine::Machine;
use crate::plan::{self, Desired, Plan};
use crate::prepare::recorded;
use crate::reach::connections::{CONNECT_TIMEOUT_RUNNING, Connections};
use crate::reach::failure::failed;
use crate::receipt::{Receipt, Secrets};
use crate::report::{Event, Reporter};
use crate::run::Executor as _;
use crate::run::runner::{Runner, Stop};
use crate::step::{Action, Item, Manifest};
use crate::topology::CloudName;

/// How often to look for more: what one machine has under several names comes to light one name at a time.
const PASSES: usize = 3;

/// What a cleaning leaves.
#[derive(Default)]
pub struct Cleaned {
    /// What should be gone, in words.
    pub left: Vec<String>,
    /// The nodes that keep data because the user wants it so.
    pub kept: Vec<String>,
    /// The nodes that could not be reached; what is left of them is in `left`, too.
    pub unreachable: Vec<String>,
}

/// The machines of a receipt that are the user's own hosts.
pub fn hosts_of_the_user(receipt: &Receipt) -> BTreeMap<String, Machine> {
    let mut machines = recorded::machines(receipt);
    machines.retain(|node, _| {
        receipt
            .machines
            .get(node)
            .is_some_and(|record| CloudName::is_of_the_user_by_name(&record.cloud))
    });
    machines
}

/// Connects to them.
pub async fn connect(
    hosts: &BTreeMap<String, Machine>,
    directory: &Path,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<Connections, CommandError> {
    let connector = Connector::reading(
        hosts,
        directory,
        environment.runtime_dir.as_deref(),
        &environment.home,
    )?;
    Ok(Connections::connect(&connector, hosts, CONNECT_TIMEOUT_RUNNING, reporter).await)
}

/// Node → its manifest of this deployment, whichever id it has.
pub async fn manifests(
    connections: &Connections,
    deployment: &str,
) -> Result<BTreeMap<String, Manifest>, CommandError> {
    let query = Query {
        deployment: deployment.into(),
        ..Query::default()
    };
    let asked = connections.nodes().into_iter().map(|node| {
        let query = &query;
        async move {
            (
                node.to_owned(),
                connections.executor().ask(node, query).await,
            )
        }
    });
    let mut manifests = BTreeMap::new();
    for (node, facts) in join_all(asked).await {
        if let Some(manifest) = facts?.manifest {
            manifests.insert(node, manifest);
        }
    }
    Ok(manifests)
}

/// Undoes what the manifests list, and where a manifest is lost, what the last `up` was to put there. A host that cannot be reached is
/// left, the others are cleaned. Then looks whether it is gone.
pub async fn clean(
    hosts: &BTreeMap<String, Machine>,
    receipt: &Receipt,
    keep_data: bool,
    directory: &Path,
    environment: &Environment,
    reporter: &dyn Reporter,
    stop: &Stop,
) -> Result<Cleaned, CommandError> {
    let connections = connect(hosts, directory, environment, reporter).await?;
    let desired = by_receipt(receipt);
    let mut cleaned = Cleaned::default();
    let mut facts = ask(
        &connections,
        &receipt.name,
        desired.as_ref(),
        &Plan::default(),
    )
    .await?;
    for _ in 0..PASSES {
        let found = plan::to_undo(&receipt.id, &receipt.name, &facts, desired.as_ref());
        let plan = plan::teardown(&found, keep_data);
        for note in &plan.notes {
            reporter.event(&Event::Note(note.clone()));
        }
        let runner = Runner::new(connections.executor(), reporter, stop);
        let ran = stop.unless(2, runner.run(&plan, &|_| {})).await;
        let summary = ran
            .ok_or_else(interrupted)?
            .map_err(|failures| failed(&failures, "teardown"))?;
        if summary.left > 0 {
            return Err(interrupted());
        }
        let kept: BTreeMap<String, Manifest> = plan
            .actions()
            .filter_map(|action| match action {
                Action::WriteManifest { manifest } => {
                    Some((manifest.node.clone(), manifest.clone()))
                }
                _ => None,
            })
            .collect();
        facts = ask(&connections, &receipt.name, desired.as_ref(), &plan).await?;
        cleaned.left = plan::remains(&plan, &facts);
        cleaned.kept.extend(kept.keys().cloned());
        let mut more = plan::to_undo(&receipt.id, &receipt.name, &facts, desired.as_ref());
        more.retain(|_, manifest| !kept.values().any(|kept| kept == manifest));
        if more.is_empty() {
            break;
        }
        let things = more.iter().map(|(node, manifest)| {
            format!("{node}: {} things of its manifest", manifest.items.len())
        });
        cleaned.left.extend(things);
    }
    cleaned.kept.sort();
    cleaned.kept.dedup();
    let unreachable = connections.unreachable.values().map(ToString::to_string);
    cleaned.left.extend(unreachable);
    cleaned.unreachable = connections.unreachable.keys().cloned().collect();
    connections.close(false).await?;
    Ok(cleaned)
}

/// What the last `up` was to put on hosts; `None`: there was none, or its inventory is lost.
fn by_receipt(receipt: &Receipt) -> Option<Desired> {
    // A receipt that was made up for this teardown knows of no `up`.
    if receipt.created.is_empty() {
        return None;
    }
    let topology = recorded::topology(receipt).ok()?;
    let machines = recorded::machines(receipt);
    recorded::of_receipt(receipt, &topology, &Secrets::placeholders(), &machines).ok()
}

/// Asks all hosts for their manifest, for what should be there, and for what a plan has taken away.
async fn ask(
    connections: &Connections,
    deployment: &str,
    desired: Option<&Desired>,
    plan: &Plan,
) -> Result<BTreeMap<String, Facts>, CommandError> {
    let asked = connections.nodes().into_iter().map(|node| async move {
        let items = desired.map_or(Vec::new(), |desired| desired.items(node));
        let undone: Vec<Action> = items.iter().map(Item::undo).collect();
        let changes = plan.changes().filter(|change| change.step.node == node);
        let planned = changes.map(|change| &change.step.action);
        let query = plan::query(deployment, undone.iter().chain(planned));
        (
            node.to_owned(),
            connections.executor().ask(node, &query).await,
        )
    });
    let mut facts = BTreeMap::new();
    for (node, answer) in join_all(asked).await {
        facts.insert(node, answer?);
    }
    Ok(facts)
}

fn interrupted() -> CommandError {
    CommandError::interrupted("stopped before all was taken away")
        .hint("deployer teardown goes on from here")
}
