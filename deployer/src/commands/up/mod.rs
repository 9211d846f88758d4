//! `up`: makes it so, and proves it.

use std::io::Write;
use std::time::Instant;

use self::begin::{forget, prepare};
use self::proof::prove;
use self::settled::settled;
use self::work::{View, Work, interrupted};
use crate::carry_out::host_keys;
use crate::carry_out::machines::authorize;
use crate::carry_out::outcome::Outcome;
use crate::carry_out::times::Times;
use crate::carry_out::turn::Turn;
use crate::cli::{Environment, Up};
use crate::error::CommandError;
use crate::host::connector;
use crate::observe::ask::Systems;
use crate::observe::observer::ObserveOptions;
use crate::observe::obstacles::check_nodes;
use crate::observe::{Planned, namesakes, observe, require_nodes};
use crate::prepare::target;
use crate::report::{Event, Reporter};
use crate::run::journal::{self, Journal, JournalError, Mode};
use crate::run::keys::Keys;
use crate::run::runner::Stop;
use crate::tell::prompt::confirm_plan;
use crate::tell::summary;

mod begin;
mod proof;
mod settled;
mod work;

/// Brings the deployment to what the inventory says.
pub async fn run(
    options: &Up,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let ended = Box::pin(bring(options, environment, reporter, out)).await;
    if ended.is_err()
        && let Err(error) = close_what_nobody_knows(options, environment).await
    {
        reporter.event(&Event::Warning(error.cause.to_string()));
    }
    ended
}

/// Ends the connections of a first `up` that was refused: without a receipt no later command would take them up.
async fn close_what_nobody_knows(
    options: &Up,
    environment: &Environment,
) -> Result<(), CommandError> {
    let Ok(source) = target::read_inventory(&options.target) else {
        return Ok(());
    };
    let name = options
        .target
        .name
        .as_ref()
        .unwrap_or(&source.inventory.name);
    let cloud = options.target.cloud.unwrap_or(source.inventory.cloud);
    let state_dir = target::state_dir(&options.target, environment);
    let directory = journal::directory(&state_dir, name, cloud.name());
    let receipt = journal::read_receipt(&directory);
    if !directory.is_dir() || !matches!(receipt, Err(JournalError::Missing(_))) {
        return Ok(());
    }
    // Another run may be at work here by now: then the connections are its.
    if let Ok(journal) = Journal::open(&state_dir, name, cloud.name(), Mode::Create) {
        connector::forget(journal.directory(), environment.runtime_dir.as_deref()).await?;
    }
    Ok(())
}

async fn bring(
    options: &Up,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let started = Instant::now();
    let mut times = Times::default();
    let (prepared, clouds) = prepare(options, environment, reporter).await?;
    let (name, cloud) = (prepared.topology.name.clone(), prepared.topology.cloud);
    let state_dir = target::state_dir(&options.target, environment);
    let journal = Journal::open(&state_dir, &name, cloud.name(), Mode::Create)?;
    forget(options, &journal, &prepared, environment, reporter).await?;
    let (prepared, before) = prepared.adopted(&journal)?;
    let prepared = prepared.renewing(&options.renew, &journal)?;
    let prepared = prepared.seen_from_outside(environment).await?;
    let keys = Keys::ensure(journal.directory(), prepared.topology.nodes.keys())?;
    let looking = ObserveOptions {
        directory: journal.directory(),
        clouds: &clouds,
        keys: Some(&keys),
        change: &options.change,
        environment,
        reporter,
        locked: true,
        made: false,
    };
    times.since("begin", started);

    let began = Instant::now();
    require_nodes(&prepared, &options.change)?;
    let (connections, planned) = observe(&prepared, &looking).await?;
    times.since("look", began);
    if planned.is_settled() {
        journal.keep_secrets(&planned.prepared.secrets)?;
        let replaced = host_keys::replace(&connections, planned, &looking, &journal);
        let planned = Box::pin(replaced).await?;
        let settled = settled(
            planned,
            &connections,
            &journal,
            options.wait,
            started,
            reporter,
        );
        let outcome = Box::pin(settled).await?;
        summary::say(&outcome, journal.directory(), out)?;
        connections.close(true).await?;
        return Ok(0);
    }
    // Hosts that are there already are looked at before any other is made for them.
    let systems = check_nodes(&connections, &planned, &Systems::new()).await?;
    if before.is_none() {
        namesakes::warn(&planned.seen, &name, reporter).await;
    }
    confirm_plan(&planned, before.as_ref(), options, reporter)?;
    authorize(&planned.seen, reporter).await?;

    let turn = if several(&planned) {
        let directory = journal.directory().to_owned();
        let receipt = journal.receipt();
        Turn::take(
            "up",
            &receipt,
            &planned.seen.machines,
            directory,
            environment,
        )
        .await?
    } else {
        None
    };
    let view = View {
        connections,
        planned,
        systems,
    };
    let bringing = carry_out(options, &journal, &looking, view, (started, times), out);
    let brought = Box::pin(bringing).await;
    if let Some(turn) = turn {
        turn.end(reporter).await;
    }
    brought
}

/// Whether others may change the deployment from their laptops.
fn several(planned: &Planned) -> bool {
    let prepared = &planned.prepared;
    prepared.topology.state_copy.is_some() || prepared.receipt.copied.is_some()
}

/// Does what is planned, and proves it.
async fn carry_out(
    options: &Up,
    journal: &Journal,
    looking: &ObserveOptions<'_>,
    view: View,
    (started, mut times): (Instant, Times),
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let reporter = looking.reporter;
    // Until here Ctrl-C ends the program as ever, questions included. From here on what was begun is finished first.
    let stop = Stop::on_interrupt();
    let work = Work {
        journal,
        looking,
        reporter,
        stop: &stop,
    };
    work.begin(&view.planned)?;
    let (view, paths) = Box::pin(work.make(view, &mut times)).await?;
    let carrying = Box::pin(work.carry_out(view, &paths, &mut times));
    let View {
        connections,
        planned,
        ..
    } = carrying.await?;

    let proving = Instant::now();
    let proved = prove(&connections, &planned, journal, reporter);
    let proof = stop.unless(1, proved).await.ok_or_else(interrupted)??;
    times.since("proof", proving);
    let seconds = started.elapsed().as_secs_f64();
    reporter.event(&Event::Note(format!(
        "{}: done in {seconds:.1} s: {}",
        planned.prepared.topology.name,
        times.words()
    )));
    let outcome = Outcome::of(planned, proof, options.wait, &connections, reporter);
    let outcome = stop.unless(1, Box::pin(outcome)).await;
    let outcome = outcome.ok_or_else(interrupted)??;
    summary::say(&outcome, journal.directory(), out)?;
    connections.close(true).await?;
    Ok(0)
}
