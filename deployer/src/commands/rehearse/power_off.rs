//! Waiting for machines that power themselves off when their time is over: only the cloud is asked, for nobody may keep them awake.

use std::time::{Duration, Instant};

use crate::cli::Environment;
use crate::cloud::aws::operation::Operation as Aws;
use crate::cloud::{CloudError, Operation};
use crate::error::CommandError;
use crate::reach::clouds;
use crate::reach::deployment::Deployment;
use crate::run::journal::Entry;
use crate::run::runner::Stop;
use crate::topology::CloudName;

use super::child::End;

/// How often it is asked.
const POLL: Duration = Duration::from_secs(10);
/// How often it is said that it goes on.
const SAY: Duration = Duration::from_mins(1);

/// Waits. `line` gets what is seen.
pub(super) async fn wait(
    entry: Entry,
    environment: &Environment,
    within: Duration,
    stop: &Stop,
    line: &mut dyn FnMut(&str),
) -> Result<End, CommandError> {
    let deployment = Deployment::open(entry)?;
    let (topology, receipt) = (&deployment.topology, &deployment.receipt);
    let cloud = clouds::open(
        CloudName::Aws,
        topology,
        &deployment.entry.directory,
        environment,
    )
    .await?;
    let wanted = clouds::wanted(CloudName::Aws, topology, receipt, None, environment)?;
    let all = wanted.machines.len();
    let began = Instant::now();
    let mut said: Option<(usize, Instant)> = None;
    loop {
        let look = async {
            let plan = cloud.plan(&wanted).await?;
            let off =
                |operation: &Operation| matches!(operation, Operation::Aws(Aws::Start { .. }));
            let steps = plan.steps.iter();
            Ok::<usize, CloudError>(steps.filter(|step| off(&step.operation)).count())
        };
        let Some(looked) = stop.unless(1, look).await else {
            return Ok(End::Stopped);
        };
        let now = Instant::now();
        match looked {
            Ok(off) => {
                let new = said.is_none_or(|(before, when)| before != off || now - when >= SAY);
                if new {
                    let left = within.saturating_sub(began.elapsed()).as_secs() / 60;
                    line(&format!(
                        "{off} of {all} machines are off; waiting at most {left} min more"
                    ));
                    said = Some((off, now));
                }
                if off == all {
                    return Ok(End::Code(0));
                }
            }
            // It is asked again: a service that is away for a moment is no news.
            Err(error) => line(&format!("cannot look: {error}")),
        }
        if began.elapsed() > within {
            return Ok(End::Overdue);
        }
        if stop.unless(1, tokio::time::sleep(POLL)).await.is_none() {
            return Ok(End::Stopped);
        }
    }
}
