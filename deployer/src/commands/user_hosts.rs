//! The hosts that the user has: what lies there because of us is told by their manifests, and undone by them.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::future::join_all;

use crate::cli::Environment;
use crate::error::CommandError;
use crate::facts::Query;
use crate::host::Connector;
use crate::machine::Machine;
use crate::plan;
use crate::receipt::Receipt;
use crate::report::{Event, Reporter};
use crate::run::Executor as _;
use crate::run::runner::{Runner, Stop};
use crate::step::{Action, Manifest};
use crate::topology::CloudName;

use super::crew::{Crew, PATIENCE_FOR_RUNNING};
use super::deployment;
use super::failure::failed;

/// What a cleaning leaves.
#[derive(Default)]
pub struct Cleaned {
    /// What should be gone, in words.
    pub left: Vec<String>,
    /// The nodes that keep data because the user wants it so.
    pub kept: Vec<String>,
}

/// The machines of a receipt that are the user's own hosts.
pub fn hosts_of_the_user(receipt: &Receipt) -> BTreeMap<String, Machine> {
    let mut machines = deployment::machines(receipt);
    machines.retain(|node, _| {
        receipt
            .machines
            .get(node)
            .is_some_and(|record| record.cloud == CloudName::Existing.name())
    });
    machines
}

/// Connects to them.
pub async fn connect(
    hosts: &BTreeMap<String, Machine>,
    directory: &Path,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<Crew, CommandError> {
    let connector = Connector::reading(
        hosts,
        directory,
        environment.runtime_dir.as_deref(),
        &environment.home,
    )?;
    Ok(Crew::connect(&connector, hosts, PATIENCE_FOR_RUNNING, reporter).await)
}

/// Node → its manifest of this deployment, whichever id it has.
pub async fn manifests(
    crew: &Crew,
    deployment: &str,
) -> Result<BTreeMap<String, Manifest>, CommandError> {
    let query = Query {
        deployment: deployment.into(),
        ..Query::default()
    };
    let asked = crew.nodes().into_iter().map(|node| {
        let query = &query;
        async move { (node.to_owned(), crew.hands().ask(node, query).await) }
    });
    let mut manifests = BTreeMap::new();
    for (node, facts) in join_all(asked).await {
        if let Some(manifest) = facts?.manifest {
            manifests.insert(node, manifest);
        }
    }
    Ok(manifests)
}

/// Undoes what the manifests list. A host that cannot be reached is left, the others are
/// cleaned.
pub async fn clean(
    hosts: &BTreeMap<String, Machine>,
    receipt: &Receipt,
    keep_data: bool,
    directory: &Path,
    environment: &Environment,
    reporter: &dyn Reporter,
    stop: &Stop,
) -> Result<Cleaned, CommandError> {
    let crew = connect(hosts, directory, environment, reporter).await?;
    let mut found = manifests(&crew, &receipt.name).await?;
    // Nothing that lacks our id is touched.
    found.retain(|_, manifest| manifest.id == receipt.id);
    let plan = plan::teardown(&found, keep_data);
    for note in &plan.notes {
        reporter.event(&Event::Note(note.clone()));
    }
    let kept: BTreeMap<&str, &Manifest> = plan
        .actions()
        .filter_map(|action| match action {
            Action::WriteManifest { manifest } => Some((manifest.node.as_str(), manifest)),
            _ => None,
        })
        .collect();
    let runner = Runner::new(crew.hands(), reporter, stop);
    let ran = stop.unless(2, runner.run(&plan, &|_| {})).await;
    let summary = ran
        .ok_or_else(interrupted)?
        .map_err(|failures| failed(&failures, "teardown"))?;
    if summary.left > 0 {
        return Err(interrupted());
    }
    let mut left: Vec<String> = manifests(&crew, &receipt.name)
        .await?
        .into_iter()
        .filter(|(_, manifest)| manifest.id == receipt.id)
        .filter(|(node, manifest)| kept.get(node.as_str()) != Some(&manifest))
        .map(|(node, manifest)| format!("{node}: {} things of its manifest", manifest.items.len()))
        .collect();
    left.extend(crew.unreachable.values().map(ToString::to_string));
    let kept = kept.into_keys().map(String::from).collect();
    crew.close(false).await?;
    Ok(Cleaned { left, kept })
}

fn interrupted() -> CommandError {
    CommandError::interrupted("stopped before all was taken away")
        .hint("deployer teardown goes on from here")
}
