//! `up`: makes it so, and proves it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::carry_out::beside::beside;
use crate::carry_out::fetch::{Fetched, fetch, relays};
use crate::carry_out::forget::{may_forget, stays};
use crate::carry_out::machines::{authorize, make_machines, provide};
use crate::carry_out::outcome::Outcome;
use crate::carry_out::prove::{self, Proof};
use crate::carry_out::reboot;
use crate::carry_out::record::{
    keep_choices, record_holdings, record_planned, shows_choice, update_receipt,
};
use crate::carry_out::times::Times;
use crate::cli::{Environment, Up};
use crate::component::artifact::SOURCE;
use crate::component::pipeline;
use crate::error::CommandError;
use crate::host::connector;
use crate::observe::ask::Systems;
use crate::observe::observer::ObserveOptions;
use crate::observe::obstacles::check_nodes;
use crate::observe::{Planned, namesakes, observe, require_nodes, senders};
use crate::preflight;
use crate::prepare::prepared::Prepared;
use crate::prepare::target;
use crate::reach::clouds::Clouds;
use crate::reach::connections::Connections;
use crate::reach::failure::{failed, with_password_hint};
use crate::receipt::Receipt;
use crate::report::{Event, Reporter, aloud};
use crate::run::Failures;
use crate::run::journal::{self, Journal, JournalError, Mode, SECRETS_FILE};
use crate::run::keys::Keys;
use crate::run::runner::{Runner, Stop, Summary};
use crate::step::Step;
use crate::tell::prompt::{confirm, confirm_plan, refusal};
use crate::tell::summary;

/// Canaries that each sender sends when something changed.
const CANARIES: u32 = 20;

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

    // Everything that can be refused without asking anybody is refused here, before anything is made.
    let prepared = Prepared::new(
        &options.target,
        options.change.agents.as_deref(),
        options.change.prune,
        environment,
    )
    .await?;
    if options.wait {
        let clients: Vec<&str> = pipeline::senders(&prepared.topology)
            .map(|node| node.name.as_str())
            .collect();
        senders::require_end(&prepared.topology, &clients)?;
    }
    let state_dir = target::state_dir(&options.target, environment);
    let (name, cloud) = (prepared.topology.name.clone(), prepared.topology.cloud);
    let directory = journal::directory(&state_dir, &name, cloud.name());
    let clouds = Clouds::open(
        &prepared.topology,
        &prepared.receipt,
        &directory,
        environment,
    )
    .await?;
    provide(&clouds, reporter).await?;
    let asking = format!("ask for {}", pipeline::STORE.title());
    let choosing = Box::pin(prepared.with_choices(reporter));
    let prepared = aloud(reporter, None, &asking, choosing).await?;
    prepared.remark(reporter);

    let journal = Journal::open(&state_dir, &name, cloud.name(), Mode::Create)?;
    forget(options, &journal, &prepared, environment, reporter).await?;
    let (prepared, before) = prepared.adopted(&journal)?;
    let prepared = prepared.seen_from_outside(environment).await?;
    let keys = Keys::ensure(journal.directory(), prepared.topology.nodes.keys())?;
    let mut observe_options = ObserveOptions {
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

    let looking = Instant::now();
    require_nodes(&prepared, &options.change)?;
    let (mut connections, mut planned) = observe(&prepared, &observe_options).await?;
    times.since("look", looking);
    if planned.is_settled() {
        journal.change(|receipt| {
            update_receipt(receipt, &planned.prepared);
            record_holdings(receipt, &planned, true);
        })?;
        let owed = journal.receipt().unproven;
        let nodes = match prepared.topology.nodes.len() {
            1 => "1 node".to_owned(),
            nodes => format!("{nodes} nodes"),
        };
        let but = if owed {
            " but to prove what an earlier `up` changed"
        } else {
            ""
        };
        // What is full breaks soon, though nothing is to be done by us.
        for node in prepared.topology.nodes.values() {
            let facts = planned.seen.facts.get(&node.name);
            let full = facts.map_or(Vec::new(), |facts| preflight::full_disks(node, facts));
            for obstacle in full {
                reporter.event(&Event::Warning(obstacle.to_string()));
            }
        }
        for remark in planned.seen.remarks() {
            reporter.event(&Event::Warning(remark.clone()));
        }
        for note in &planned.plan.notes {
            reporter.event(&Event::Note(note.clone()));
        }
        for trouble in &planned.plan.troubles {
            reporter.event(&Event::Warning(trouble.clone()));
        }
        let nothing = if planned.plan.troubles.is_empty() {
            "nothing to do"
        } else {
            "nothing that `up` can do"
        };
        reporter.event(&Event::Note(format!(
            "{nodes}, {nothing}{but} ({:.2} s)",
            started.elapsed().as_secs_f64()
        )));
        let proof = if owed {
            prove(&connections, &planned, &journal, reporter).await?
        } else {
            None
        };
        let outcome = Outcome::of(planned, proof, options.wait, &connections, reporter);
        let outcome = Box::pin(outcome).await?;
        summary::say(&outcome, journal.directory(), out)?;
        connections.close(true).await?;
        return Ok(0);
    }
    // Hosts that are there already are looked at before any other is made for them.
    let mut systems = check_nodes(&connections, &planned, &Systems::new()).await?;
    if before.is_none() {
        namesakes::warn(&planned.seen, &name, reporter).await;
    }
    confirm_plan(&planned, before.as_ref(), options, reporter)?;
    authorize(&planned.seen, reporter).await?;

    // Until here Ctrl-C ends the program as ever, questions included. From here on what was begun is finished first.
    let stop = Stop::on_interrupt();
    journal.change(|receipt| {
        update_receipt(receipt, &planned.prepared);
        receipt.unproven = true;
        for state in &planned.seen.clouds {
            for node in state.wanted.machines.keys() {
                record_planned(receipt, node, state.name);
            }
        }
    })?;

    // Machines are made while what will be sent to them is fetched.
    let making = Instant::now();
    let fetched = beside(
        make_machines(&planned.seen, &journal, reporter, &stop),
        stop.unless(1, Box::pin(fetch(&planned, reporter))),
    )
    .await?;
    let Fetched { paths, sources } = fetched.ok_or_else(interrupted)??;
    let now = planned.prepared.with(|receipt| {
        for (component, source) in &sources {
            receipt.choices.set(component, SOURCE, Some(source));
        }
        let Receipt {
            machines,
            cloud_notes,
            ..
        } = journal.receipt();
        (receipt.machines, receipt.cloud_notes) = (machines, cloud_notes);
    })?;
    if !sources.is_empty() {
        journal.change(|receipt| update_receipt(receipt, &now))?;
    }
    times.since("machines and downloads", making);
    if planned.seen.machines_change() || now.artifacts != planned.prepared.artifacts {
        let asking = Instant::now();
        connections.close(true).await?;
        observe_options.made = true;
        let looked = stop.unless(1, observe(&now, &observe_options)).await;
        (connections, planned) = looked.ok_or_else(interrupted)??;
        systems.clear();
        journal.change(|receipt| update_receipt(receipt, &planned.prepared))?;
        times.since("connect and ask", asking);
    }
    let work = Work {
        journal: &journal,
        paths,
        reporter,
        stop: &stop,
    };
    let mut ran = work.run(&mut connections, &planned, &systems).await?;
    if let Err(failures) = &ran
        && let down = reboot::only_went_down(&connections, failures, reporter)
        && stop.unless(1, down).await == Some(true)
    {
        let waiting = Instant::now();
        // What is left of connections to hosts that are down is of no use, however it ends.
        let _ = connections.close(false).await;
        observe_options.made = true;
        let looked = stop
            .unless(1, observe(&planned.prepared, &observe_options))
            .await;
        (connections, planned) = looked.ok_or_else(interrupted)??;
        systems.clear();
        times.since("wait for hosts that went down", waiting);
        ran = work.run(&mut connections, &planned, &systems).await?;
    }
    let summary = ran.map_err(|failures| {
        let secrets = journal.directory().join(SECRETS_FILE);
        with_password_hint(failed(&failures, "up"), &secrets)
    })?;
    if summary.left > 0 {
        return Err(interrupted());
    }
    journal.change(|receipt| record_holdings(receipt, &planned, true))?;
    for (stage, took) in &summary.stages {
        times.took(stage, *took);
    }

    let proving = Instant::now();
    let proved = prove(&connections, &planned, &journal, reporter);
    let proof = stop.unless(1, proved).await.ok_or_else(interrupted)??;
    times.since("proof", proving);
    let seconds = started.elapsed().as_secs_f64();
    reporter.event(&Event::Note(format!(
        "{}: done in {seconds:.1} s: {}",
        name,
        times.words()
    )));
    let outcome = Outcome::of(planned, proof, options.wait, &connections, reporter);
    let outcome = stop.unless(1, Box::pin(outcome)).await;
    let outcome = outcome.ok_or_else(interrupted)??;
    summary::say(&outcome, journal.directory(), out)?;
    connections.close(true).await?;
    Ok(0)
}

/// What steps need besides what is prepared and what is there.
struct Work<'a> {
    journal: &'a Journal,
    paths: BTreeMap<String, PathBuf>,
    reporter: &'a dyn Reporter,
    stop: &'a Stop,
}

impl Work<'_> {
    /// Runs the plan of what was seen, unless something there is refused.
    async fn run(
        &self,
        connections: &mut Connections,
        planned: &Planned,
        systems: &Systems,
    ) -> Result<Result<Summary, Failures>, CommandError> {
        let refused = planned.refused();
        if !refused.is_empty() {
            return Err(refusal(&refused));
        }
        check_nodes(connections, planned, systems).await?;
        connections.set_artifacts(self.paths.clone());
        connections.set_relays(relays(planned));
        self.journal
            .change(|receipt| record_holdings(receipt, planned, false))?;
        let prepared = &planned.prepared;
        let runner = Runner::new(connections.executor(), self.reporter, self.stop);
        let unrecorded = Mutex::new(None);
        let record = |step: &Step| {
            if shows_choice(step, prepared)
                && let Err(error) = self
                    .journal
                    .change(|receipt| keep_choices(receipt, prepared))
            {
                *unrecorded.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        };
        let ran = self
            .stop
            .unless(2, runner.run(&planned.plan, &record))
            .await;
        if let Some(error) = unrecorded
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
        {
            return Err(error.into());
        }
        ran.ok_or_else(interrupted)
    }
}

/// Takes hosts that are dead for ever out of the receipt.
async fn forget(
    options: &Up,
    journal: &Journal,
    prepared: &Prepared,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<(), CommandError> {
    if options.forget.is_empty() {
        return Ok(());
    }
    let mut wanted = prepared.topology.nodes.keys();
    if let Some(node) = wanted.find(|node| options.forget.contains(node)) {
        return Err(CommandError::usage(format!(
            "--forget {node}: the inventory names it, so it would be made again"
        ))
        .hint("take it out of the inventory first, or give it another host's address, without --forget"));
    }
    let receipt = journal.receipt();
    let directory = journal.directory();
    may_forget(&options.forget, &receipt, directory, environment, reporter).await?;
    let list: String = options
        .forget
        .iter()
        .map(|node| format!("\n    {}", stays(node, &receipt)))
        .collect();
    let question = format!("These hosts are forgotten, with all that lies on them:{list}\nGo on?");
    confirm(&question, options.yes, reporter)?;
    journal.change(|receipt| {
        receipt
            .machines
            .retain(|node, _| !options.forget.contains(node));
    })?;
    Ok(())
}

/// Proves that events arrive, and notes that nothing is owed any more.
async fn prove(
    connections: &Connections,
    planned: &Planned,
    journal: &Journal,
    reporter: &dyn Reporter,
) -> Result<Option<Proof>, CommandError> {
    let topology = &planned.prepared.topology;
    let proof = prove::prove(connections, topology, CANARIES, reporter).await?;
    journal.change(|receipt| receipt.unproven = false)?;
    Ok(proof)
}

/// What Ctrl-C ends with: no step was left half done, unless it was pressed twice.
fn interrupted() -> CommandError {
    CommandError::interrupted("stopped before all was done")
        .hint("deployer up goes on from here; deployer teardown takes all away")
}
