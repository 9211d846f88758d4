//! `teardown`: takes a deployment away, by its receipt or without one, and checks that nothing is left.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use crate::carry_out::forget::{may_forget, stays};
use crate::carry_out::steps;
use crate::carry_out::turn::Turn;
use crate::cli::{Environment, Teardown};
use crate::cloud::Cloud;
use crate::component::pipeline::{self, STORE};
use crate::documents::export::export;
use crate::error::CommandError;
use crate::host::connector;
use crate::prepare::target;
use crate::reach::deployment::Deployment;
use crate::reach::teardown_target::{TeardownTarget, UNKNOWN, find};
use crate::reach::user_hosts::{Cleaned, clean, hosts_of_the_user};
use crate::reach::{clouds, root};
use crate::receipt::Receipt;
use crate::report::{Event, Reporter};
use crate::run::journal::{self, Journal, Mode};
use crate::run::runner::Stop;
use crate::tell::prompt::confirm;
use crate::topology::CloudName;

/// Takes it away; exit code 1 with the list when something is left.
pub async fn run(
    options: &Teardown,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<u8, CommandError> {
    let started = Instant::now();
    let mut teardown_target = find(options, environment, reporter).await?;
    let (name, id) = (
        teardown_target.receipt.name.clone(),
        teardown_target.receipt.id.clone(),
    );
    let forgotten = forget(options, &mut teardown_target, environment, reporter).await?;
    let hosts = hosts_of_the_user(&teardown_target.receipt);
    if options.keep_data && hosts.is_empty() {
        return Err(CommandError::usage(format!(
            "--keep-data: {name} has no host of yours, and machines of a cloud go with their disks"
        )));
    }
    let what = if options.keep_data {
        "its services, keeping data on your own hosts"
    } else {
        "its services and all its data"
    };
    let question = format!(
        "Take away {name} (id {id}) with {what}?{}{}",
        offer(options, &teardown_target),
        given_up(&forgotten)
    );
    confirm(&question, options.yes, reporter)?;

    let opened = opened(&teardown_target, options, environment).await?;
    if opened.iter().any(|(_, cloud)| cloud.needs_root()) {
        root::ensure("take its machines away", reporter).await?;
    }
    let state_dir = target::state_dir(&options.target, environment);
    if let Some(path) = &options.export {
        let deployment = recorded(&id, &state_dir)?;
        export(&deployment, path, environment, reporter)
            .await
            .map_err(|error| {
                error
                    .hint("nothing was taken away; without --export it goes with all its documents")
            })?;
    }
    let mode = Mode::Salvage { id: id.clone() };
    let journal = Journal::open(&state_dir, &name, &teardown_target.receipt.cloud, mode)?;
    let (receipt, directory) = (&teardown_target.receipt, journal.directory());
    let turn = Turn::of_receipt("teardown", receipt, directory, environment, reporter);
    let turn = Box::pin(turn).await?;
    let stop = Stop::on_interrupt();
    let mut cleaned = Cleaned::default();
    if !hosts.is_empty() {
        let cleaning = clean(
            &hosts,
            receipt,
            options.keep_data,
            directory,
            environment,
            reporter,
            &stop,
        );
        match cleaning.await {
            Ok(done) => cleaned = done,
            Err(error) => {
                if let Some(turn) = turn {
                    turn.end(reporter).await;
                }
                return Err(error);
            }
        }
    }
    let Cleaned {
        mut left,
        kept,
        unreachable,
    } = cleaned;
    for (cloud_name, cloud) in opened {
        let wanted = clouds::nothing(cloud_name, &teardown_target.receipt);
        let plan = cloud.plan(&wanted).await?;
        steps::apply(
            cloud.as_ref(),
            &wanted,
            &plan.steps,
            &clouds::Noted(&journal),
            reporter,
            &stop,
            &|_| Ok(()),
        )
        .await?;
        left.extend(cloud.leftovers(&id).await?);
    }
    match turn {
        Some(turn) if hosts.contains_key(turn.node()) => turn.end(reporter).await,
        Some(turn) => turn.drop_with_machine(),
        None => {}
    }
    if !left.is_empty() {
        let list: String = left.iter().map(|item| format!("\n    {item}")).collect();
        let error = CommandError::failed(format!("still there:{list}"));
        if unreachable.len() == left.len() {
            let nodes = unreachable.join(" --forget ");
            return Err(error
                .hint("run the same teardown again when all hosts answer; the others are clean")
                .hint(format!(
                    "a host that is dead for ever: deployer teardown --forget {nodes}"
                )));
        }
        return Err(
            error.hint("run the same teardown again; what stays then is held by another program")
        );
    }
    connector::forget(journal.directory(), environment.runtime_dir.as_deref()).await?;
    let words = if kept.is_empty() {
        journal.remove()?;
        "is gone and nothing is left".to_owned()
    } else {
        journal.change(|receipt| keep(receipt, &teardown_target.receipt))?;
        let nodes = kept.join(", ");
        format!(
            "is gone but for its data on {nodes}: `deployer up` takes it up again, `deployer teardown` removes it"
        )
    };
    for host in &forgotten {
        reporter.event(&Event::Warning(format!(
            "forgotten, not cleaned: should it ever come back, there are {host}"
        )));
    }
    let words = match forgotten.len() {
        0 => words,
        _ => words.replace(
            "nothing is left",
            "nothing is left on the hosts that answered",
        ),
    };
    let took = started.elapsed().as_secs_f64();
    reporter.event(&Event::Note(format!("{name} {words} ({took:.1} s)")));
    Ok(0)
}

/// Takes the hosts that are to be forgotten out of what is to be cleaned. Returns what stays on each, in words.
async fn forget(
    options: &Teardown,
    teardown_target: &mut TeardownTarget,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<Vec<String>, CommandError> {
    if options.forget.is_empty() {
        return Ok(Vec::new());
    }
    let nowhere = tempfile::tempdir()?;
    let receipt = &teardown_target.receipt;
    let directory = nowhere.path();
    let allowed = may_forget(&options.forget, receipt, directory, environment, reporter).await;
    // Nobody comes back to connections of a directory that goes at once.
    connector::forget(directory, environment.runtime_dir.as_deref()).await?;
    allowed?;
    let stays = options.forget.iter().map(|node| stays(node, receipt));
    let stays = stays.collect();
    for node in &options.forget {
        teardown_target.receipt.machines.remove(node);
    }
    Ok(stays)
}

/// The words that say what is given up.
fn given_up(forgotten: &[String]) -> String {
    if forgotten.is_empty() {
        return String::new();
    }
    let list: String = forgotten
        .iter()
        .map(|host| format!("\n    {host}"))
        .collect();
    format!(" These hosts are forgotten, with all that lies on them:{list}\n")
}

/// The words that offer to save the documents, where there are any to be lost.
fn offer(options: &Teardown, teardown_target: &TeardownTarget) -> &'static str {
    let topology = teardown_target.topology.as_ref();
    let documents = topology.is_some_and(pipeline::has_store);
    if documents && !options.keep_data && options.export.is_none() {
        " (`deployer export FILE`, or --export FILE here, saves the documents first.)"
    } else {
        ""
    }
}

/// The deployment with this id, by its receipt: without, there is no way to its documents.
fn recorded(id: &str, state_dir: &Path) -> Result<Deployment, CommandError> {
    for entry in journal::list(state_dir)? {
        if journal::read_receipt(&entry.directory).is_ok_and(|receipt| receipt.id == id) {
            return Deployment::open(entry);
        }
    }
    Err(CommandError::failed(format!(
        "--export: the receipt of {id} is lost, and with it the password of its {}",
        STORE.title()
    ))
    .hint("nothing was taken away; without --export it goes with all its documents"))
}

/// What stays known of a deployment whose data stays on hosts of the user: they, and what it is.
fn keep(receipt: &mut Receipt, teardown_target: &Receipt) {
    receipt.inventory.clone_from(&teardown_target.inventory);
    receipt.secure_by_default = teardown_target.secure_by_default;
    receipt.machines.clone_from(&teardown_target.machines);
    receipt
        .machines
        .retain(|_, record| CloudName::is_of_the_user_by_name(&record.cloud));
}

/// Clouds with their names.
type Opened = Vec<(CloudName, Box<dyn Cloud>)>;

async fn opened(
    teardown_target: &TeardownTarget,
    options: &Teardown,
    environment: &Environment,
) -> Result<Opened, CommandError> {
    let recorded = teardown_target
        .receipt
        .machines
        .values()
        .map(|record| record.cloud.as_str());
    let own = target::cloud_name(&teardown_target.receipt.cloud)?;
    let mut names: BTreeSet<CloudName> = recorded.filter_map(CloudName::find).collect();
    names.insert(own);
    // The cloud was looked at and has nothing of that name.
    if teardown_target.receipt.id == UNKNOWN {
        names.clear();
    }
    // The user's own hosts are cleaned by their manifests; there is no machine to give back.
    names.retain(|name| !name.is_of_the_user());
    let mut opened = Vec::new();
    for name in names {
        let cloud = match &teardown_target.topology {
            Some(topology) => clouds::open(name, topology, Path::new(""), environment).await?,
            None => clouds::without_topology(name, &options.target, environment).await?,
        };
        opened.push((name, cloud));
    }
    Ok(opened)
}
