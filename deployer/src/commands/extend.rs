//! `extend`: lets machines live longer that would power themselves off, and leases that would end.

use jiff::Timestamp;

use crate::carry_out::steps;
use crate::cli::{Environment, Extend};
use crate::cloud::aws::{Aws, ttl};
use crate::cloud::chameleon::marks::Purpose;
use crate::cloud::chameleon::operation::Operation as Chameleon;
use crate::cloud::{Cloud, CloudStep, Operation};
use crate::error::CommandError;
use crate::prepare::ends::end_file;
use crate::prepare::target;
use crate::reach::clouds;
use crate::reach::connections::CONNECT_TIMEOUT_RUNNING;
use crate::reach::deployment::Deployment;
use crate::report::{Event, Reporter};
use crate::run::Executor as _;
use crate::run::journal::{Journal, Mode};
use crate::run::runner::Stop;
use crate::tell::lease_end;
use crate::topology::CloudName;

/// Tells machines of AWS first, for their own file counts, then everybody else; prolongs the lease of those on Chameleon.
pub async fn run(
    options: &Extend,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    deployment.require_sold()?;
    let state_dir = target::state_dir(&options.target, environment);
    let (name, cloud) = (&deployment.entry.name, &deployment.entry.cloud);
    let journal = Journal::open(&state_dir, name, cloud, Mode::Existing)?;
    let now = Timestamp::now();
    let end = match options.time.0 {
        Some(time) => {
            let end = now.checked_add(time)?.as_second();
            Some(Timestamp::from_second(end - end % 60)?)
        }
        None => None,
    };
    if deployment.has(CloudName::Chameleon) {
        let end = end.ok_or_else(|| CommandError::usage("a lease cannot last for ever"))?;
        let old = lease_end::of(&journal.receipt());
        if let Some(old) = old.filter(|old| *old > end) {
            let words = lease_end::words(old, now);
            return Err(CommandError::usage(format!(
                "{name}: nothing to prolong: {words}"
            )));
        }
        let chameleon = clouds::chameleon(&deployment.topology.chameleon, environment)?;
        let steps = chameleon.extend(&journal.receipt().id, end).await?;
        for step in steps {
            let vital = is_of_machines(&step);
            let done = carry_out(&chameleon, CloudName::Chameleon, step, &journal, reporter).await;
            match done {
                // It says itself what is so now; asking once more changes nothing.
                Err(mut error) if vital => {
                    error.hints = vec!["`deployer export FILE` saves the documents".into()];
                    return Err(error);
                }
                // Documents do not hang on it.
                Err(error) => reporter.event(&Event::Warning(error.cause.to_string())),
                Ok(()) => {}
            }
        }
        // Somebody else may have prolonged it further.
        let end = lease_end::of(&journal.receipt()).unwrap_or(end);
        let words = lease_end::words(end, now);
        reporter.event(&Event::Note(format!("{name}: {words}")));
    }
    if deployment.has(CloudName::Aws) {
        tell_machines(&deployment, end, environment, reporter).await?;
        let aws = Aws::connect(deployment.topology.aws.clone()).await?;
        let step = aws.extend(&journal.receipt().id, end).await?;
        carry_out(&aws, CloudName::Aws, step, &journal, reporter).await?;
        reporter.event(&Event::Note(format!("{name}: {}", ttl::left(end, now))));
    }
    Ok(0)
}

/// Whether a step is about the leases that machines run under.
fn is_of_machines(step: &CloudStep) -> bool {
    !matches!(
        &step.operation,
        Operation::Chameleon(Chameleon::Extend {
            purpose: Purpose::Address,
            ..
        })
    )
}

/// Writes the end into the file on each machine of AWS.
async fn tell_machines(
    deployment: &Deployment,
    end: Option<Timestamp>,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<(), CommandError> {
    let nodes = deployment.topology.nodes.values();
    let nodes: Vec<&str> = nodes
        .filter(|node| node.cloud == CloudName::Aws)
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
