//! `extend`: lets machines live longer that would power themselves off.

use crate::cli::{Environment, Extend};
use crate::cloud::aws::{Aws, ttl};
use crate::error::CommandError;
use crate::report::{Event, Reporter};
use crate::run::Executor as _;
use crate::run::journal::{Journal, Mode};
use crate::run::runner::Stop;
use crate::topology::CloudName;

use super::allow::require_aws;
use super::crew::PATIENCE_FOR_RUNNING;
use super::deployment::Deployment;
use super::draft::end_file;
use super::{clouds, steps, target};

/// Tells the machines first, for their own file counts, then everybody else.
pub async fn run(
    options: &Extend,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    require_aws(&deployment)?;
    let state_dir = target::state_dir(&options.target, environment);
    let (name, cloud) = (&deployment.entry.name, &deployment.entry.cloud);
    let journal = Journal::open(&state_dir, name, cloud, Mode::Existing)?;
    let now = jiff::Timestamp::now();
    let end = match options.time.0 {
        Some(time) => {
            let end = now.checked_add(time)?.as_second();
            Some(jiff::Timestamp::from_second(end - end % 60)?)
        }
        None => None,
    };
    let nodes = deployment.topology.nodes.values();
    let nodes: Vec<&str> = nodes
        .filter(|node| node.cloud == CloudName::Aws)
        .map(|node| node.name.as_str())
        .collect();
    let reached = nodes.iter().copied();
    let crew = deployment
        .connect(reached, PATIENCE_FOR_RUNNING, environment, reporter)
        .await?;
    crew.require_all()?;
    let action = end_file(end);
    for node in &nodes {
        crew.hands().apply(node, &action, &|_| {}).await?;
    }
    crew.close(true).await?;
    let aws = Aws::connect(deployment.topology.aws.clone()).await?;
    let receipt = journal.receipt();
    let step = aws.extend(&receipt.id, end).await?;
    let wanted = clouds::nothing(CloudName::Aws, &receipt);
    let (notes, stop) = (clouds::Noted(&journal), Stop::on_interrupt());
    steps::apply(&aws, &wanted, &[step], &notes, reporter, &stop, &|_| Ok(())).await?;
    reporter.event(&Event::Note(format!("{name}: {}", ttl::left(end, now))));
    Ok(0)
}
