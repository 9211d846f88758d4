//! `allow`: lets the address that this box is seen by today use SSH.

use crate::cli::{Allow, Environment};
use crate::cloud::aws::Aws;
use crate::cloud::aws::operation as aws;
use crate::cloud::aws::rules::Way;
use crate::cloud::{Cloud as _, Operation};
use crate::error::CommandError;
use crate::report::{Event, Reporter};
use crate::run::journal::{Journal, Mode};
use crate::run::keys::Keys;
use crate::run::runner::Stop;
use crate::topology::CloudName;

use super::deployment::Deployment;
use super::{clouds, steps, target};

/// Adds it to what is let in, and changes nothing else.
pub async fn run(
    options: &Allow,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    require_aws(&deployment)?;
    let state_dir = target::state_dir(&options.target, environment);
    let (name, cloud) = (&deployment.entry.name, &deployment.entry.cloud);
    let journal = Journal::open(&state_dir, name, cloud, Mode::Existing)?;
    let keys = Keys::read(journal.directory())?;
    let aws = Aws::connect(deployment.topology.aws.clone()).await?;
    let notes = clouds::Noted(&journal);
    let address = aws.allow(&notes).await?;
    let receipt = journal.receipt();
    let topology = &deployment.topology;
    let wanted = clouds::wanted(CloudName::Aws, topology, &receipt, Some(&keys), environment)?;
    let mut plan = aws.plan(&wanted).await?;
    let lets_in = |operation: &Operation| {
        let Operation::Aws(aws::Operation::Allow { way, .. }) = operation else {
            return false;
        };
        *way == Way::In
    };
    plan.steps.retain(|step| lets_in(&step.operation));
    let stop = Stop::on_interrupt();
    let record = |_| Ok(());
    steps::apply(&aws, &wanted, &plan.steps, &notes, reporter, &stop, &record).await?;
    reporter.event(&Event::Note(format!("{address} may use SSH")));
    Ok(0)
}

/// Refuses deployments that have no machine on AWS.
pub fn require_aws(deployment: &Deployment) -> Result<(), CommandError> {
    let mut nodes = deployment.topology.nodes.values();
    if nodes.any(|node| node.cloud == CloudName::Aws) {
        return Ok(());
    }
    Err(CommandError::usage(format!(
        "{} has no machine on AWS: only there SSH is let in by address, and machines power themselves off",
        deployment.entry.name
    )))
}
