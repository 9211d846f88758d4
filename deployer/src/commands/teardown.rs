//! `teardown`: takes a deployment away, by its receipt or without one, and checks that nothing is left.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use futures_util::future::join_all;

use crate::cli::{Environment, Teardown};
use crate::cloud::{Cloud, Found};
use crate::error::CommandError;
use crate::facts::Query;
use crate::host::{Connector, connector};
use crate::machine::Machine;
use crate::plan;
use crate::receipt::{MachineRecord, Receipt};
use crate::report::{Event, Reporter};
use crate::run::Executor as _;
use crate::run::journal::{self, Journal, JournalError, Mode};
use crate::run::runner::{Runner, Stop};
use crate::step::Manifest;
use crate::topology::{CloudName, Ids, Options, Topology};

use super::confirm::confirm;
use super::crew::{Crew, PATIENCE_FOR_RUNNING};
use super::up::failed;
use super::{clouds, deployment, steps, target};

/// A deployment to be taken away.
struct Doomed {
    /// What is known of it: its receipt, or what clouds and manifests told.
    receipt: Receipt,
    /// Its topology; `None`: its inventory is lost.
    topology: Option<Topology>,
}

/// Takes it away; exit code 1 with the list when something is left.
pub async fn run(
    options: &Teardown,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<u8, CommandError> {
    let started = Instant::now();
    let doomed = find(options, environment, reporter).await?;
    let (name, id) = (doomed.receipt.name.clone(), doomed.receipt.id.clone());
    let what = if options.keep_data {
        "its services, keeping data on your own hosts"
    } else {
        "its services and all its data"
    };
    confirm(
        &format!("Take away {name} (id {id}) with {what}?"),
        options.yes,
    )?;

    let state_dir = target::state_dir(&options.target, environment);
    let mode = Mode::Salvage { id: id.clone() };
    let journal = Journal::open(&state_dir, &name, &doomed.receipt.cloud, mode)?;
    let stop = Stop::on_interrupt();
    let mut left = Vec::new();
    let hosts = hosts_of_the_user(&doomed.receipt);
    if !hosts.is_empty() {
        let directory = journal.directory();
        left.extend(
            clean(
                &hosts,
                &doomed.receipt,
                options.keep_data,
                directory,
                environment,
                reporter,
                &stop,
            )
            .await?,
        );
    }
    for (cloud_name, cloud) in opened(&doomed)? {
        let wanted = clouds::nothing(cloud_name, &doomed.receipt);
        let plan = cloud.plan(&wanted).await?;
        steps::apply(
            cloud.as_ref(),
            &wanted,
            &plan.steps,
            reporter,
            &stop,
            &|_| Ok(()),
        )
        .await?;
        left.extend(cloud.leftovers(&id).await?);
    }
    if !left.is_empty() {
        let list: String = left.iter().map(|item| format!("\n    {item}")).collect();
        return Err(CommandError::failed(format!("still there:{list}"))
            .hint("run the same teardown again; what stays then is held by another program"));
    }
    connector::forget(journal.directory(), environment.runtime_dir.as_deref()).await?;
    journal.remove()?;
    let took = started.elapsed().as_secs_f64();
    reporter.event(&Event::Note(format!(
        "{name} is gone and nothing is left ({took:.1} s)"
    )));
    Ok(0)
}

/// By id, by receipt, or, with the receipt lost or damaged, by what clouds and manifests tell.
async fn find(
    options: &Teardown,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<Doomed, CommandError> {
    if let Some(id) = &options.id {
        return by_id(id, options, environment).await;
    }
    let entry = match target::existing(&options.target, environment) {
        Ok(entry) => entry,
        Err(error) if options.target.inventory.is_none() => {
            let found = found_on_this_box().await?;
            let list = found
                .iter()
                .map(|found| format!("{} --id {}", found.deployment, found.id));
            return Err(list.fold(error, |error, line| {
                error.hint(format!("without a receipt there is {line}"))
            }));
        }
        Err(_) => return by_manifests(options, environment, reporter).await,
    };
    match journal::read_receipt(&entry.directory) {
        Ok(receipt) => {
            let topology = topology_of(&receipt);
            Ok(Doomed { receipt, topology })
        }
        Err(error @ JournalError::Damaged { .. }) => {
            reporter.event(&Event::Warning(format!("{error}; going by what is there")));
            let cloud = target::cloud_name(&entry.cloud)?;
            if cloud == CloudName::Existing || options.target.inventory.is_some() {
                return by_manifests(options, environment, reporter).await;
            }
            let found = found_on_this_box().await?;
            let mut same = found
                .into_iter()
                .filter(|found| found.deployment == entry.name);
            match (same.next(), same.next()) {
                (Some(found), None) => Ok(bare(&found, cloud)),
                (None, _) => Ok(bare(
                    &Found {
                        id: "-".into(),
                        deployment: entry.name,
                        nodes: [].into(),
                    },
                    cloud,
                )),
                (Some(one), Some(other)) => Err(CommandError::usage(format!(
                    "several deployments are called {}: {}, {} …",
                    entry.name, one.id, other.id
                ))
                .hint("say which with --id")),
            }
        }
        Err(error) => Err(error.into()),
    }
}

async fn by_id(
    id: &str,
    options: &Teardown,
    environment: &Environment,
) -> Result<Doomed, CommandError> {
    for entry in journal::list(&target::state_dir(&options.target, environment))? {
        if let Ok(receipt) = journal::read_receipt(&entry.directory)
            && receipt.id == id
        {
            let topology = topology_of(&receipt);
            return Ok(Doomed { receipt, topology });
        }
    }
    let found = found_on_this_box().await?;
    match found.iter().find(|found| found.id == id) {
        Some(found) => Ok(bare(found, CloudName::Local)),
        None => Err(CommandError::usage(format!("nothing on this box has the id {id}"))
            .hint("for hosts of your own name their inventory: deployer teardown --inventory FILE --cloud existing")),
    }
}

async fn found_on_this_box() -> Result<Vec<Found>, CommandError> {
    Ok(clouds::local_without_inventory().deployments().await?)
}

fn bare(found: &Found, cloud: CloudName) -> Doomed {
    Doomed {
        receipt: Receipt::bare(&found.id, &found.deployment, cloud.name()),
        topology: None,
    }
}

/// The hosts that the inventory names; their manifests tell the id.
async fn by_manifests(
    options: &Teardown,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<Doomed, CommandError> {
    let source = target::read_inventory(&options.target)?;
    let choice = Options {
        cloud: options.target.cloud,
        name: options.target.name.clone(),
    };
    let (topology, _) =
        Topology::new(&source.inventory, &choice, &Ids::default()).map_err(CommandError::usage)?;
    let mut receipt = Receipt::bare("-", &topology.name, topology.cloud.name());
    receipt.inventory.clone_from(&source.text);
    let cloud = clouds::open(CloudName::Existing, &topology, Path::new(""));
    let mut wanted = clouds::nothing(CloudName::Existing, &receipt);
    wanted.machines = clouds::bare_machines(&topology, CloudName::Existing);
    for machine in cloud.plan(&wanted).await?.machines {
        let record = MachineRecord {
            cloud: CloudName::Existing.name().into(),
            machine: Some(machine.clone()),
            data: Vec::new(),
        };
        receipt.machines.insert(machine.node, record);
    }
    let hosts = hosts_of_the_user(&receipt);
    let nowhere = tempfile::tempdir()?;
    let crew = connect(&hosts, nowhere.path(), environment, reporter).await?;
    let manifests = manifests(&crew, &receipt.name).await?;
    crew.close(true).await?;
    let mut ids: Vec<String> = manifests
        .into_values()
        .map(|manifest| manifest.id)
        .collect();
    ids.sort();
    ids.dedup();
    match ids.as_slice() {
        [id] => {
            receipt.id.clone_from(id);
            Ok(Doomed {
                receipt,
                topology: Some(topology),
            })
        }
        [] => Err(CommandError::failed(format!(
            "none of the hosts has anything of a deployment called {}",
            topology.name
        ))),
        _ => Err(CommandError::failed(format!(
            "the hosts belong to several deployments: {}",
            ids.join(", ")
        ))
        .hint("name an inventory with the hosts of one of them only")),
    }
}

fn topology_of(receipt: &Receipt) -> Option<Topology> {
    deployment::topology(receipt).ok()
}

/// Clouds with their names.
type Opened = Vec<(CloudName, Box<dyn Cloud>)>;

fn opened(doomed: &Doomed) -> Result<Opened, CommandError> {
    let recorded = doomed
        .receipt
        .machines
        .values()
        .map(|record| record.cloud.as_str());
    let own = target::cloud_name(&doomed.receipt.cloud)?;
    let mut names: Vec<CloudName> = CloudName::ALL
        .into_iter()
        .filter(|cloud| recorded.clone().any(|name| name == cloud.name()))
        .collect();
    if !names.contains(&own) {
        names.push(own);
    }
    // The user's own hosts are cleaned by their manifests; there is no machine to give back.
    names.retain(|name| *name != CloudName::Existing);
    let open = |name| match &doomed.topology {
        Some(topology) => clouds::open(name, topology, Path::new("")),
        None => clouds::local_without_inventory(),
    };
    Ok(names.into_iter().map(|name| (name, open(name))).collect())
}

fn hosts_of_the_user(receipt: &Receipt) -> BTreeMap<String, Machine> {
    let mut machines = deployment::machines(receipt);
    machines.retain(|node, _| {
        receipt
            .machines
            .get(node)
            .is_some_and(|record| record.cloud == CloudName::Existing.name())
    });
    machines
}

async fn connect(
    hosts: &BTreeMap<String, Machine>,
    directory: &Path,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<Crew, CommandError> {
    let connector = Connector::new(
        hosts,
        directory,
        environment.runtime_dir.as_deref(),
        &environment.home,
    )?;
    Ok(Crew::connect(&connector, hosts, PATIENCE_FOR_RUNNING, reporter).await)
}

async fn manifests(
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

/// Undoes what the manifests list; returns what is left, in words. A host that cannot be reached is left, the others are
/// cleaned.
async fn clean(
    hosts: &BTreeMap<String, Machine>,
    receipt: &Receipt,
    keep_data: bool,
    directory: &Path,
    environment: &Environment,
    reporter: &dyn Reporter,
    stop: &Stop,
) -> Result<Vec<String>, CommandError> {
    let crew = connect(hosts, directory, environment, reporter).await?;
    let mut found = manifests(&crew, &receipt.name).await?;
    // Nothing that lacks our id is touched.
    found.retain(|_, manifest| manifest.id == receipt.id);
    let plan = plan::teardown(&found, keep_data);
    for note in &plan.notes {
        reporter.event(&Event::Note(note.clone()));
    }
    let packages: Vec<String> = found
        .iter()
        .filter(|(_, manifest)| !manifest.packages.is_empty())
        .map(|(node, manifest)| {
            let names: Vec<&str> = manifest.packages.iter().map(String::as_str).collect();
            format!("{node}: these Debian packages stay: {}", names.join(" "))
        })
        .collect();
    let runner = Runner::new(crew.hands(), reporter, stop);
    let ran = stop.unless(2, runner.run(&plan, &|_| {})).await;
    let summary = ran
        .ok_or_else(interrupted)?
        .map_err(|failures| failed(&failures))?;
    if summary.left > 0 {
        return Err(interrupted());
    }
    for line in packages {
        reporter.event(&Event::Note(line));
    }
    let mut left: Vec<String> = manifests(&crew, &receipt.name)
        .await?
        .into_iter()
        .filter(|(_, manifest)| manifest.id == receipt.id)
        .map(|(node, manifest)| format!("{node}: {} things of its manifest", manifest.items.len()))
        .collect();
    left.extend(crew.unreachable.values().map(ToString::to_string));
    crew.close(false).await?;
    Ok(left)
}

fn interrupted() -> CommandError {
    CommandError::interrupted("stopped before all was taken away")
        .hint("deployer teardown goes on from here")
}
