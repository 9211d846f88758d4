//! Machines on their way: waited for together, each with its own deadline.

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::context::CloudContext;
use super::failure::{api, code, no_capacity};
use super::notes::{Attempt, note};
use super::observed::{Instance, State};
use super::{advice, observe, plan, wait};
use crate::cloud::CloudError;
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
    let (start, pace) = (Instant::now(), context.pace());
    let mut said = None;
    loop {
        let seen = look(context).await?;
        let found = seen.iter().find(|instance| instance.id == id);
        let state = found.map(|instance| instance.state);
        if state != said {
            said = state;
            let words = state.map_or("not listed yet", State::name);
            context
                .progress
                .line(Some(node), &format!("{id} is {words}"));
        }
        match (found, state) {
            (Some(instance), Some(State::Running))
                if instance.private.is_some() && (instance.public.is_some() || !public) =>
            {
                return ran(context, node, instance).map_err(Died::from);
            }
            (Some(instance), Some(State::ShuttingDown | State::Terminated)) => {
                let reason = instance.reason.clone();
                let words = reason.as_deref().unwrap_or("AWS gives no reason");
                let advice = reason.as_deref().and_then(advice::death);
                let advice = advice.map_or(String::new(), |advice| format!("; {advice}"));
                let error = CloudError::Refused(format!(
                    "{node}: {id} died before it ran: {words}{advice}"
                ));
                return Err(Died { reason, error });
            }
            _ => {}
        }
        let limit = if found.is_some() {
            pace.boot
        } else {
            pace.settle
        };
        if start.elapsed() > limit {
            let state = state.map_or("AWS does not list it", State::name);
            let reason = found.and_then(|instance| instance.reason.as_deref());
            let error = CloudError::Deadline {
                what: format!("{node}: {id} running"),
                seconds: limit.as_secs(),
                output: reason.map_or(state.into(), |reason| format!("{state}: {reason}")),
            };
            return Err(error.into());
        }
        sleep(pace.poll).await;
    }
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
