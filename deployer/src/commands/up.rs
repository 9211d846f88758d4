//! `up`: makes it so, and proves it.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use crate::artifact::program::Program;
use crate::artifact::{couchdb, kafka};
use crate::cli::{Environment, Up};
use crate::component::artifact_key;
use crate::error::CommandError;
use crate::preflight::{self, AgentNeeds};
use crate::receipt::{MachineRecord, Receipt};
use crate::report::{Event, Reporter};
use crate::run::Failures;
use crate::run::journal::{Journal, Mode};
use crate::run::runner::{Runner, Stop};
use crate::step::Action;
use crate::topology::{CloudName, Distribution, Role};

use super::confirm::confirm;
use super::crew::{PATIENCE_FOR_NEW, PATIENCE_FOR_RUNNING};
use super::draft::Draft;
use super::look::{Look, Viewpoint, look};
use super::plan::text;
use super::verify;
use super::{clouds, last_words, steps, target};
use crate::run::keys::Keys;

/// Canaries that each producer sends when something changed.
const CANARIES: u32 = 20;

/// Where the time went, in the order of things.
#[derive(Default)]
struct Times(Vec<(String, f64)>);

impl Times {
    fn since(&mut self, what: &str, start: Instant) {
        self.0.push((what.into(), start.elapsed().as_secs_f64()));
    }

    fn words(&self) -> String {
        let parts: Vec<String> = self
            .0
            .iter()
            .map(|(what, seconds)| format!("{what} {seconds:.1}"))
            .collect();
        parts.join(", ")
    }
}

/// Brings the deployment to what the inventory says.
pub async fn run(
    options: &Up,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let started = Instant::now();
    let mut times = Times::default();

    // Everything that can be refused without asking anybody is refused here, before anything is made.
    let mut draft = Draft::new(
        &options.target,
        options.change.agents.as_deref(),
        environment,
    )
    .await?;
    provide(&draft, reporter).await?;
    draft.choose_couchdb().await?;

    let state_dir = target::state_dir(&options.target, environment);
    let (name, cloud) = (draft.topology.name.clone(), draft.topology.cloud);
    let journal = Journal::open(&state_dir, &name, cloud.name(), Mode::Create)?;
    let before = draft.adopt(&journal).await?;
    let keys = Keys::ensure(journal.directory(), draft.topology.nodes.keys())?;
    let mut viewpoint = Viewpoint {
        directory: journal.directory(),
        keys: Some(&keys),
        change: &options.change,
        environment,
        reporter,
        patience: PATIENCE_FOR_RUNNING,
    };
    times.since("begin", started);

    let looking = Instant::now();
    let mut seen = look(&mut draft, &viewpoint).await?;
    times.since("look", looking);
    if seen.is_settled() {
        journal.change(|receipt| {
            remember(receipt, &draft);
            hold(receipt, &draft, &seen, true);
        })?;
        let facts = match draft.topology.nodes.len() {
            1 => "1 node, nothing to do".to_owned(),
            nodes => format!("{nodes} nodes, nothing to do"),
        };
        reporter.event(&Event::Note(format!(
            "{facts} ({:.2} s)",
            started.elapsed().as_secs_f64()
        )));
        last_words::say(
            &draft,
            &seen,
            journal.directory(),
            options,
            None,
            reporter,
            out,
        )
        .await?;
        seen.crew.close(true).await?;
        return Ok(0);
    }
    consent(&draft, &seen, before.as_ref(), options, reporter)?;

    // Until here Ctrl-C ends the program as ever, questions included. From here on what was begun is finished first.
    let stop = Stop::on_interrupt();
    journal.change(|receipt| {
        remember(receipt, &draft);
        for look in &seen.clouds {
            for node in look.wanted.machines.keys() {
                intend(receipt, node, look.name);
            }
        }
    })?;

    // Machines are made while what will be sent to them is fetched.
    let making = Instant::now();
    let had_steps = seen.clouds.iter().any(|look| !look.plan.steps.is_empty());
    let identities = draft.artifacts.clone();
    let (made, fetched) = futures_util::join!(
        make_machines(&seen, &journal, reporter, &stop),
        stop.unless(1, fetch(&draft, &seen, reporter))
    );
    made?;
    let (paths, source) = fetched.ok_or_else(interrupted)??;
    if let Some(source) = source {
        draft.receipt.choices.kafka_source = Some(source.name().into());
        draft.refresh_artifacts().await?;
        journal.change(|receipt| remember(receipt, &draft))?;
    }
    times.since("machines and downloads", making);
    if had_steps || identities != draft.artifacts {
        let asking = Instant::now();
        seen.crew.close(true).await?;
        viewpoint.patience = PATIENCE_FOR_NEW;
        let looked = stop.unless(1, look(&mut draft, &viewpoint)).await;
        seen = looked.ok_or_else(interrupted)??;
        journal.change(|receipt| remember(receipt, &draft))?;
        times.since("connect and ask", asking);
    }
    let refused = seen.refused();
    if !refused.is_empty() {
        return Err(refusal(&refused));
    }
    check_nodes(&draft, &seen)?;

    seen.crew.set_artifacts(paths);
    journal.change(|receipt| hold(receipt, &draft, &seen, false))?;
    let runner = Runner::new(seen.crew.hands(), reporter, &stop);
    let ran = stop.unless(2, runner.run(&seen.plan, &|_| {})).await;
    let summary = ran
        .ok_or_else(interrupted)?
        .map_err(|failures| failed(&failures))?;
    if summary.left > 0 {
        return Err(interrupted());
    }
    journal.change(|receipt| hold(receipt, &draft, &seen, true))?;
    for (stage, took) in &summary.stages {
        times.0.push((stage.clone(), took.as_secs_f64()));
    }

    let proving = Instant::now();
    let proved = verify::prove(&seen.crew, &draft.topology, CANARIES, reporter);
    let proof = stop.unless(1, proved).await.ok_or_else(interrupted)??;
    times.since("proof", proving);
    let seconds = started.elapsed().as_secs_f64();
    reporter.event(&Event::Note(format!(
        "{}: done in {seconds:.1} s ({})",
        draft.topology.name,
        times.words()
    )));
    let said = last_words::say(
        &draft,
        &seen,
        journal.directory(),
        options,
        proof.as_ref(),
        reporter,
        out,
    );
    stop.unless(1, said).await.ok_or_else(interrupted)??;
    seen.crew.close(true).await?;
    Ok(0)
}

/// What Ctrl-C ends with: no step was left half done, unless it was pressed twice.
fn interrupted() -> CommandError {
    CommandError::interrupted("stopped before all was done")
        .hint("deployer up goes on from here; deployer teardown takes all away")
}

/// Gets what the box lacks, after saying so.
async fn provide(draft: &Draft, reporter: &dyn Reporter) -> Result<(), CommandError> {
    for name in clouds::names(&draft.topology, &draft.receipt) {
        let cloud = clouds::open(name, &draft.topology, Path::new(""));
        let needs = cloud.missing().await?;
        let (by_apt, by_user): (Vec<_>, Vec<_>) =
            needs.into_iter().partition(|need| need.package.is_some());
        if !by_user.is_empty() {
            let list: String = by_user
                .iter()
                .map(|need| format!("\n    {}", need.what))
                .collect();
            return Err(CommandError::usage(format!(
                "this box cannot carry the cloud `{name}`:{list}"
            )));
        }
        if !by_apt.is_empty() {
            let packages: Vec<&str> = by_apt
                .iter()
                .filter_map(|need| need.package.as_deref())
                .collect();
            reporter.event(&Event::Note(format!(
                "this box lacks {}: installing by apt",
                packages.join(", ")
            )));
            cloud.provide(&by_apt, &clouds::Shown(reporter)).await?;
        }
    }
    Ok(())
}

/// Shows the plan where it is not obvious, refuses what loses data, and asks where the user must decide.
fn consent(
    draft: &Draft,
    seen: &Look,
    before: Option<&Receipt>,
    options: &Up,
    reporter: &dyn Reporter,
) -> Result<(), CommandError> {
    let refused = seen.refused();
    let first = before.is_none();
    if first {
        let machines = seen
            .clouds
            .iter()
            .flat_map(|look| &look.plan.steps)
            .filter(|step| step.node.is_some())
            .count();
        let words = format!(
            "{}: new, {machines} machines to make, {}",
            draft.topology.name,
            seen.plan.summary()
        );
        reporter.event(&Event::Note(words));
    } else {
        reporter.event(&Event::Note(text(seen)));
    }
    if !refused.is_empty() {
        return Err(refusal(&refused));
    }
    let losses = seen.losses();
    if !losses.is_empty() {
        let list: String = losses.iter().map(|loss| format!("\n    {loss}")).collect();
        return confirm(&format!("This data is lost:{list}\nGo on?"), options.yes);
    }
    let other = before.is_some_and(|before| {
        before.inventory != draft.source.text && !before.inventory.is_empty()
    });
    if other {
        let question = format!(
            "The inventory of {} is another than at the last up. Change it as shown?",
            draft.topology.name
        );
        return confirm(&question, options.yes);
    }
    Ok(())
}

fn refusal(refused: &[String]) -> CommandError {
    let list: String = refused.iter().map(|loss| format!("\n    {loss}")).collect();
    let nodes: Vec<&str> = refused
        .iter()
        .filter_map(|loss| loss.split(':').next())
        .collect();
    let mut flags: Vec<String> = nodes
        .iter()
        .map(|node| format!("--destroy-data {node}"))
        .collect();
    flags.dedup();
    CommandError::usage(format!(
        "this would lose data, so nothing was changed:{list}"
    ))
    .hint(format!(
        "if that is what you want: deployer up {}",
        flags.join(" ")
    ))
}

/// What the receipt knows once the user agreed.
fn remember(receipt: &mut Receipt, draft: &Draft) {
    let Receipt {
        broker_ids,
        client_numbers,
        epochs,
        choices,
        ..
    } = draft.receipt.clone();
    *receipt = Receipt {
        inventory: draft.source.text.clone(),
        broker_ids,
        client_numbers,
        epochs,
        choices,
        ..receipt.clone()
    };
}

/// Records that a machine is about to be there.
fn intend(receipt: &mut Receipt, node: &str, cloud: CloudName) {
    receipt
        .machines
        .entry(node.into())
        .or_insert_with(|| MachineRecord {
            cloud: cloud.name().into(),
            machine: None,
            data: Vec::new(),
        });
}

/// Records the machines, and the kinds of data that nodes hold. While a run is not done that is what they held before and what is
/// there already: were it more, a run that is killed early would leave a receipt that misses data which never was.
fn hold(receipt: &mut Receipt, draft: &Draft, seen: &Look, done: bool) {
    for node in draft.topology.nodes.values() {
        intend(receipt, &node.name, node.cloud);
        let Some(record) = receipt.machines.get_mut(&node.name) else {
            continue;
        };
        record.machine = seen.machines.get(&node.name).cloned();
        let facts = seen.facts.get(&node.name);
        let holds = |role: Role| {
            let held = record.data.iter().any(|kind| kind == role.name());
            let there = facts.is_some_and(|facts| seen.desired.has_places(&node.name, role, facts));
            let holder = role.holds_data() && node.has(role);
            if done {
                holder
            } else {
                held || (holder && there)
            }
        };
        let roles = Role::ALL.into_iter().filter(|role| holds(*role));
        record.data = roles.map(|role| role.name().into()).collect();
    }
}

async fn make_machines(
    seen: &Look,
    journal: &Journal,
    reporter: &dyn Reporter,
    stop: &Stop,
) -> Result<(), CommandError> {
    for look in &seen.clouds {
        let record = |applied: crate::cloud::Applied| {
            journal.change(|receipt| {
                receipt.cloud_notes.extend(applied.notes);
                if let Some(machine) = applied.machine {
                    intend(receipt, &machine.node, look.name);
                    let node = machine.node.clone();
                    if let Some(record) = receipt.machines.get_mut(&node) {
                        record.machine = Some(machine);
                    }
                }
            })?;
            Ok(())
        };
        steps::apply(
            look.cloud.as_ref(),
            &look.wanted,
            &look.plan.steps,
            reporter,
            stop,
            &record,
        )
        .await?;
        // What was pruned is remembered no longer.
        let removed = look
            .wanted
            .remove
            .iter()
            .filter(|node| !look.wanted.machines.contains_key(*node));
        let removed: Vec<String> = removed.cloned().collect();
        if !removed.is_empty() {
            journal.change(|receipt| receipt.machines.retain(|node, _| !removed.contains(node)))?;
        }
    }
    Ok(())
}

type Paths = std::collections::BTreeMap<String, std::path::PathBuf>;

/// Fetches what the plan will send. Kafka's source is decided by it.
async fn fetch(
    draft: &Draft,
    seen: &Look,
    reporter: &dyn Reporter,
) -> Result<(Paths, Option<kafka::Source>), CommandError> {
    let line = |line: &str| {
        reporter.event(&Event::StepOutput {
            node: None,
            line: line.into(),
        });
    };
    let needs = |key: &str| {
        seen.plan.actions().any(|action| match action {
            Action::UnpackArchive { artifact, .. } | Action::UploadFile { artifact, .. } => {
                artifact == key
            }
            _ => false,
        })
    };
    let mut paths: Paths = [
        (
            artifact_key::PRODUCER.to_owned(),
            draft.agents.producer.path.clone(),
        ),
        (
            artifact_key::CONSUMER.to_owned(),
            draft.agents.consumer.path.clone(),
        ),
    ]
    .into();
    let mut source = None;
    if needs(artifact_key::KAFKA) {
        let settings = kafka::Settings::of(&draft.topology.kafka)?;
        let recorded = draft.receipt.choices.kafka_source.as_deref();
        let (from, path) = kafka::fetch(&draft.cache, &settings, recorded, &line).await?;
        paths.insert(artifact_key::KAFKA.into(), path);
        source = Some(from);
    }
    if needs(artifact_key::COUCHDB) {
        let path = match (draft.couchdb(), &draft.topology.couchdb.archive) {
            (Distribution::Archive, Some(file)) => file.into(),
            _ => couchdb::fetch_stand_in(&draft.cache, &Program::npm(), &line).await?,
        };
        paths.insert(artifact_key::COUCHDB.into(), path);
    }
    Ok((paths, source))
}

/// Refuses nodes that cannot carry their roles, before anything is changed on any of them.
fn check_nodes(draft: &Draft, seen: &Look) -> Result<(), CommandError> {
    let obstacles: Vec<String> = obstacles(draft, seen)
        .iter()
        .map(ToString::to_string)
        .collect();
    if obstacles.is_empty() {
        return Ok(());
    }
    Err(CommandError::failed(format!(
        "nodes cannot carry their roles; nothing was changed on them:\n    {}",
        obstacles.join("\n    ")
    ))
    .hint("deployer check shows all of it again"))
}

/// What stands in the way on the nodes that answered.
pub fn obstacles(draft: &Draft, seen: &Look) -> Vec<preflight::Obstacle> {
    let agents = AgentNeeds {
        architecture: draft.agents.consumer.machine.into(),
        libc: draft
            .agents
            .consumer
            .libc
            .max(draft.agents.producer.libc)
            .map_or("0".into(), |libc| libc.to_string()),
    };
    let nodes = draft.topology.nodes.values();
    let known = nodes.filter_map(|node| Some((node, seen.facts.get(&node.name)?)));
    known
        .flat_map(|(node, facts)| {
            preflight::obstacles(node, &facts.system, &agents, draft.couchdb())
        })
        .collect()
}

/// The error that stands for all failed steps of a run.
pub fn failed(failures: &Failures) -> CommandError {
    let blocks: Vec<String> = failures
        .iter()
        .map(|(node, (words, error))| format!("{node}: {words}: {}", chain(error)))
        .collect();
    let mut error = CommandError::failed(blocks.join("\n"));
    for node in failures.keys() {
        error = error.hint(format!("deployer logs {node}"));
    }
    error.hint("deployer up goes on from here; deployer teardown takes all away")
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}\n  because: {cause}");
        source = cause.source();
    }
    text
}
