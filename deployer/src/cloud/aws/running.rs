//! Machines on their way: waited for together, each with its own deadline.

use std::sync::Arc;

use tokio::time::Instant;

use super::context::CloudContext;
use super::failure::{api, code, no_capacity};
use super::notes::{Attempt, note};
use super::observed::{Instance, State};
use super::{advice, observe, plan, wait};
use crate::cloud::CloudError;
use crate::cloud::wait::{Goal, Underway};
use crate::machine::Machine;

/// A machine that will not run.
pub(super) struct Died {
    /// AWS's words, if it died.
    pub(super) reason: Option<String>,
    /// The whole story.
    pub error: CloudError,
}

impl From<CloudError> for Died {
    fn from(error: CloudError) -> Self {
        Self {
            reason: None,
            error,
        }
    }
}

/// Waits until a machine runs and has its addresses.
pub(super) async fn running(
    context: &CloudContext<'_>,
    node: &str,
    id: &str,
    public: bool,
) -> Result<Machine, Died> {
    let pace = context.pace();
    let goal = Goal {
        node: Some(node),
        thing: id,
        goal: "running",
    };
    wait::until_done(pace, context.progress, goal, || async {
        let seen = look(context).await?;
        let Some(instance) = seen.iter().find(|instance| instance.id == id) else {
            return Ok(Underway {
                state: "not listed yet".into(),
                done: None,
                limit: pace.settle,
                late: "AWS does not list it".into(),
            });
        };
        let reason = instance.reason.clone();
        let state = instance.state.name();
        let done = match instance.state {
            State::Running
                if instance.private.is_some() && (instance.public.is_some() || !public) =>
            {
                Some(ran(context, node, instance)?)
            }
            State::ShuttingDown | State::Terminated => return Err(died(node, id, reason)),
            _ => None,
        };
        let late = reason.map_or(state.into(), |reason| format!("{state}: {reason}"));
        Ok(Underway {
            state: state.into(),
            done,
            limit: pace.boot,
            late,
        })
    })
    .await
}

fn died(node: &str, id: &str, reason: Option<String>) -> Died {
    let words = reason.as_deref().unwrap_or("AWS gives no reason");
    let advice = reason.as_deref().and_then(advice::death);
    let advice = advice.map_or(String::new(), |advice| format!("; {advice}"));
    let error = CloudError::Refused(format!("{node}: {id} died before it ran: {words}{advice}"));
    Died { reason, error }
}

fn ran(context: &CloudContext<'_>, node: &str, instance: &Instance) -> Result<Machine, CloudError> {
    let noted = Attempt::read(&context.noted(&note::launch(node)), node);
    if let Some(mut attempt) = noted.filter(|attempt| !attempt.ran) {
        attempt.instance = Some(instance.id.clone());
        attempt.ran = true;
        attempt.write(context.notes, node)?;
    }
    plan::machine_of(context.wanted, context.settings(), node, instance)
        .ok_or_else(|| CloudError::Refused(format!("{node}: {} has no address", instance.id)))
}

/// Starts a stopped machine and waits until it runs. One on its way down is waited for.
pub(super) async fn start(
    context: &CloudContext<'_>,
    node: &str,
    id: &str,
) -> Result<Machine, CloudError> {
    let stopping = |error: &CloudError| code(error) == "IncorrectInstanceState";
    let call = || async {
        let answer = context
            .ec2()
            .start_instances()
            .instance_ids(id)
            .send()
            .await;
        answer
            .map(|_| ())
            .map_err(|error| api("StartInstances", &error))
    };
    let call = || wait::change(context.pace(), call);
    let started = wait::while_failing(context.pace(), context.pace().boot, stopping, call).await;
    started.map_err(|error| {
        if !no_capacity(code(&error)) {
            return error;
        }
        CloudError::Refused(format!(
            "{node}: AWS has no room for {id} in its zone now, and its disk is only there: `up` again later goes on. A machine \
             that is ended in EC2's console is made anew elsewhere, without its data ({error})"
        ))
    })?;
    context.forget_look().await;
    let public = context.public(node);
    running(context, node, id, public)
        .await
        .map_err(|died| died.error)
}

/// The last look at all machines, shared by all who wait.
pub(super) type Look = tokio::sync::Mutex<Option<(Instant, Arc<Vec<Instance>>)>>;

/// Looks at all machines; those who ask at the same time share one call.
pub(super) async fn look(context: &CloudContext<'_>) -> Result<Arc<Vec<Instance>>, CloudError> {
    let age = context.pace().poll / 2;
    let mut last = context.aws.last_look.lock().await;
    if let Some((_, seen)) = last.as_ref().filter(|(at, _)| at.elapsed() < age) {
        return Ok(seen.clone());
    }
    let seen = Arc::new(observe::instances(context.ec2(), context.scope()).await?);
    *last = Some((Instant::now(), seen.clone()));
    Ok(seen)
}
