//! `extend`: lets machines live longer that would power themselves off, and leases that would end.

use jiff::Timestamp;

use crate::carry_out::{state_copy, steps};
use crate::cli::{Environment, Extend};
use crate::cloud::{Cloud, CloudStep, Extension, ends};
use crate::error::CommandError;
use crate::prepare::ends::end_file;
use crate::prepare::target;
use crate::reach::clouds;
use crate::reach::connections::CONNECT_TIMEOUT_RUNNING;
use crate::reach::deployment::Deployment;
use crate::report::{Event, Reporter};
use crate::run::Executor as _;
use crate::run::journal::Journal;
use crate::run::runner::Stop;
use crate::tell::lease_end;
use crate::topology::{CloudName, End};

/// Tells machines that power themselves off first, for their own file counts, then everybody else; prolongs leases.
pub async fn run(
    options: &Extend,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    let ends = |cloud: CloudName| cloud.end() != End::Never;
    let clouds = deployment.clouds_that("machines end by themselves", ends)?;
    let name = &deployment.entry.name;
    let journal = target::journal(&options.target, environment, &deployment.entry)?;
    let now = Timestamp::now();
    let end = match options.time.0 {
        Some(time) => {
            let end = now.checked_add(time)?.as_second();
            Some(Timestamp::from_second(end - end % 60)?)
        }
        None => None,
    };
    for cloud in &clouds {
        refuse(*cloud, end, now, &journal)?;
    }
    for cloud in clouds {
        if cloud.end() == End::PowerOff {
            tell_machines(cloud, &deployment, end, environment, reporter).await?;
        }
        let (topology, directory) = (&deployment.topology, journal.directory());
        let opened = clouds::open(cloud, topology, directory, environment).await?;
        for Extension { step, vital } in opened.extend(&journal.receipt().id, end).await? {
            let done = carry_out(opened.as_ref(), cloud, step, &journal, reporter).await;
            match done {
                // It says itself what is so now; asking once more changes nothing.
                Err(mut error) if vital && cloud.end() == End::Lease => {
                    error.hints = vec!["`deployer export FILE` saves the documents".into()];
                    return Err(error);
                }
                Err(error) if vital => return Err(error),
                // Documents do not hang on it.
                Err(error) => reporter.event(&Event::Warning(error.cause.to_string())),
                Ok(()) => {}
            }
        }
        // Somebody else may have prolonged a lease further.
        let leased = lease_end::of(&journal.receipt()).or(end);
        let words = match (cloud.end(), leased) {
            (End::Lease, Some(end)) => ends::lease(end, now),
            _ => ends::power_off(end, now),
        };
        reporter.event(&Event::Note(format!("{name}: {words}")));
    }
    state_copy::renew("extend", &journal, environment, reporter).await?;
    Ok(0)
}

/// Refuses an end that machines of a cloud cannot have, before anybody is told.
fn refuse(
    cloud: CloudName,
    end: Option<Timestamp>,
    now: Timestamp,
    journal: &Journal,
) -> Result<(), CommandError> {
    if cloud.end() != End::Lease {
        return Ok(());
    }
    let end = end.ok_or_else(|| CommandError::usage("a lease cannot last for ever"))?;
    let receipt = journal.receipt();
    match lease_end::of(&receipt).filter(|old| *old > end) {
        None => Ok(()),
        Some(old) => Err(CommandError::usage(format!(
            "{}: nothing to prolong: {}",
            receipt.name,
            ends::lease(old, now)
        ))),
    }
}

/// Writes the end into the file on each machine of a cloud.
async fn tell_machines(
    cloud: CloudName,
    deployment: &Deployment,
    end: Option<Timestamp>,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<(), CommandError> {
    let nodes = deployment.topology.nodes.values();
    let nodes: Vec<&str> = nodes
        .filter(|node| node.cloud == cloud)
        .map(|node| node.name.as_str())
        .collect();
    let reached = nodes.iter().copied();
    let connections = deployment
        .connect(reached, CONNECT_TIMEOUT_RUNNING, environment, reporter)
        .await?;
    connections.require_all()?;
    let action = end_file(end);
    for node in &nodes {
        connections.executor().apply(node, &action, &|_| {}).await?;
    }
    connections.close(true).await?;
    Ok(())
}

async fn carry_out(
    cloud: &dyn Cloud,
    name: CloudName,
    step: CloudStep,
    journal: &Journal,
    reporter: &dyn Reporter,
) -> Result<(), CommandError> {
    let wanted = clouds::nothing(name, &journal.receipt());
    let (notes, stop) = (clouds::Noted(journal), Stop::on_interrupt());
    steps::apply(
        cloud,
        &wanted,
        &[step],
        &notes,
        reporter,
        &stop,
        &|_| Ok(()),
    )
    .await
}
