//! Waiting for machines that power themselves off when their time is over: only the cloud is asked, for nobody may keep them awake.

use std::time::{Duration, Instant};

use crate::cli::Environment;
use crate::cloud::{CloudError, Meaning};
use crate::error::CommandError;
use crate::reach::clouds;
use crate::reach::deployment::Deployment;
use crate::retry::Retry;
use crate::run::journal::Entry;
use crate::run::runner::Stop;

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
    let (name, directory) = (topology.cloud, &deployment.entry.directory);
    let cloud = clouds::open(name, topology, directory, environment).await?;
    let wanted = clouds::wanted(name, topology, receipt, None, environment)?;
    let all = wanted.machines.len();
    let mut retry = Retry::every(POLL).within(within);
    let mut said: Option<(usize, Instant)> = None;
    loop {
        let look = async {
            let plan = cloud.plan(&wanted).await?;
            let off = plan.steps.iter();
            let off = off.filter(|step| step.meaning == Meaning::Start);
            Ok::<usize, CloudError>(off.count())
        };
        let Some(looked) = stop.unless(1, look).await else {
            return Ok(End::Stopped);
        };
        let now = Instant::now();
        match looked {
            Ok(off) => {
                let new = said.is_none_or(|(before, when)| before != off || now - when >= SAY);
                if new {
                    let left = retry.left().as_secs() / 60;
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
        if retry.is_over() {
            return Ok(End::Overdue);
        }
        if stop.unless(1, retry.pause()).await.is_none() {
            return Ok(End::Stopped);
        }
    }
}
