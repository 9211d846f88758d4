//! `teardown`: takes a deployment away, by its receipt or without one, and checks that nothing is left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use crate::cli::{Environment, Teardown};
use crate::cloud::Cloud;
use crate::error::CommandError;
use crate::facts::Query;
use crate::host::Connector;
use crate::machine::Machine;
use crate::plan;
use crate::receipt::Receipt;
use crate::report::{Event, Reporter};
use crate::run::Executor as _;
use crate::run::journal::{self, Journal};
use crate::run::runner::{Runner, Stop};
use crate::step::Manifest;
use crate::topology::{CloudName, Ids, Options, Topology};

use super::confirm::confirm;
use super::crew::{Crew, PATIENCE_FOR_RUNNING};
use super::{clouds, deployment, steps, target};

/// A deployment to be taken away: what is known of it, by whichever way.
struct Doomed {
    name: String,
    id: String,
    /// Hosts of the user's to be cleaned.
    hosts: BTreeMap<String, Machine>,
    /// The clouds that may have something of it.
    clouds: Vec<(CloudName, Box<dyn Cloud>)>,
    notes: BTreeMap<String, String>,
    /// Where keys are; a fresh directory when the receipt is lost.
    directory: PathBuf,
    journal: Option<Journal>,
    /// It holds documents or events.
    data: bool,
}

/// Takes it away; exit code 1 with the list when something is left.
pub async fn run(
    options: &Teardown,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<u8, CommandError> {
    let started = Instant::now();
    let doomed = match &options.id {
        Some(id) => by_id(options, id, environment).await?,
        None => by_receipt(options, environment)?,
    };
    if doomed.data || options.id.is_some() {
        let what = if options.keep_data { "its services" } else { "its services and all its data" };
        let question = format!("Take away {} (id {}): {what}?", doomed.name, doomed.id);
        confirm(&question, options.yes)?;
    }
    let stop = Stop::on_interrupt();
    if !doomed.hosts.is_empty() {
        clean_hosts(&doomed, options.keep_data, environment, reporter, &stop).await?;
    }
    let mut left = Vec::new();
    for (name, cloud) in &doomed.clouds {
        let wanted = clouds::nothing(doomed.name.clone(), &doomed.id, String::new(), &doomed.notes);
        let plan = cloud.plan(&wanted).await?;
        steps::apply(*name, cloud.as_ref(), &wanted, &plan.steps, reporter, &stop, &|_, _| Ok(())).await?;
        left.extend(cloud.leftovers(&doomed.id).await?);
    }
    if !left.is_empty() {
        let list: String = left.iter().map(|item| format!("\n    {item}")).collect();
        return Err(CommandError::failed(format!("{} things are still there:{list}", left.len()))
            .hint("run the same teardown again; what stays then is not ours to remove or is held by another program"));
    }
    if let Some(journal) = doomed.journal {
        journal.remove()?;
    }
    let took = started.elapsed().as_secs_f64();
    reporter.event(&Event::Note(format!("{} is gone, nothing is left ({took:.1} s)", doomed.name)));
    Ok(0)
}

/// With a receipt, or with a damaged one: then from the inventory and what clouds and manifests tell.
fn by_receipt(options: &Teardown, environment: &Environment) -> Result<Doomed, CommandError> {
    let entry = target::existing(&options.target, environment)?;
    let journal = Journal::open(&entry.directory)?;
    let receipt = journal.receipt();
    let cloud = target::cloud_name(&receipt.cloud)?;
    let topology = topology_of(&receipt, cloud)?;
    let used: BTreeSet<CloudName> = clouds::names(&topology);
    let mut opened = Vec::new();
    for name in used {
        opened.push((name, clouds::open(name, &topology)?));
    }
    let hosts = deployment::machines(&receipt)
        .into_iter()
        .filter(|(node, _)| receipt.machines.get(node).is_some_and(|record| record.cloud == CloudName::Existing.name()))
        .collect();
    Ok(Doomed {
        name: receipt.name.clone(),
        id: receipt.id.clone(),
        hosts,
        clouds: opened,
        notes: receipt.cloud_notes.clone(),
        directory: entry.directory,
        data: receipt.machines.values().any(|record| !record.data.is_empty()),
        journal: Some(journal),
    })
}

fn topology_of(receipt: &Receipt, cloud: CloudName) -> Result<Topology, CommandError> {
    let inventory = crate::inventory::parse(receipt.inventory.as_bytes(), "the receipt's inventory")
        .map_err(CommandError::failed)?;
    let options = Options { cloud: Some(cloud), name: Some(receipt.name.clone()) };
    let ids = Ids { broker_ids: receipt.broker_ids.clone(), client_numbers: receipt.client_numbers.clone() };
    Ok(Topology::new(&inventory, &options, &ids).map_err(CommandError::failed)?.0)
}
