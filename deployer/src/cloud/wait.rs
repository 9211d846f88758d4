//! Waiting, always with a deadline. The same on all clouds with an API.

use std::future::Future;
use std::time::Duration;

use super::{CloudError, Progress};
use crate::retry::Retry;
use jiff::SignedDuration;

/// So long after it was asked for, what is not listed will not come any more.
pub const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(20);

/// How often is looked, and when waiting ends.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two looks.
    pub poll: Duration,
    /// Until all of the cloud knows of a thing that was just made, or no more of one that was deleted.
    pub settle: Duration,
    /// Until a machine runs.
    pub boot: Duration,
    /// Until a machine is gone, and until what it used lets go.
    pub gone: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(2),
            settle: Duration::from_mins(1),
            boot: Duration::from_mins(5),
            gone: Duration::from_mins(10),
        }
    }
}

/// Repeats a call as long as its failure is one that passes, until a deadline.
pub async fn while_failing<T, F: Future<Output = Result<T, CloudError>>>(
    pace: &Pace,
    deadline: Duration,
    passes: impl Fn(&CloudError) -> bool,
    call: impl Fn() -> F,
) -> Result<T, CloudError> {
    let mut retry = Retry::every(pace.poll).within(deadline);
    loop {
        match call().await {
            Err(error) if passes(&error) && !retry.is_over() => retry.pause().await,
            result => return result,
        }
    }
}

/// Looks again and again until what is seen is settled, or for as long as all of a cloud may take to know of what was made or deleted
/// a moment ago. Returns what was seen last.
pub async fn until_settled<T, F: Future<Output = Result<T, CloudError>>>(
    pace: &Pace,
    look: impl Fn() -> F,
    is_settled: impl Fn(&T) -> bool,
) -> Result<T, CloudError> {
    let mut retry = Retry::every(pace.poll).within(pace.settle);
    loop {
        let seen = look().await?;
        if is_settled(&seen) || retry.is_over() {
            return Ok(seen);
        }
        retry.pause().await;
    }
}

/// A thing on its way, as a look shows it.
pub struct Underway<T> {
    /// How it is, in the cloud's own word.
    pub state: String,
    /// The thing, once it is as it should be.
    pub done: Option<T>,
    /// How long it may be on its way while it is so.
    pub limit: Duration,
    /// What is said where that was too long.
    pub late: String,
}

/// What is waited for, in words: `i-1`, of the node `vm1`, `running`.
#[derive(Clone, Copy)]
pub struct Goal<'a> {
    /// The node it is for, if for one.
    pub node: Option<&'a str>,
    /// The thing.
    pub thing: &'a str,
    /// How it should be.
    pub goal: &'a str,
}

/// Looks again and again at a thing on its way, says each new state, and gives up at the limit.
pub async fn until_done<T, E: From<CloudError>, F: Future<Output = Result<Underway<T>, E>>>(
    pace: &Pace,
    progress: &dyn Progress,
    goal: Goal<'_>,
    look: impl Fn() -> F,
) -> Result<T, E> {
    let Goal { node, thing, goal } = goal;
    let mut retry = Retry::every(pace.poll);
    let mut said = String::new();
    loop {
        let seen = look().await?;
        if seen.state != said {
            progress.line(node, &format!("{thing} is {}", seen.state));
            said = seen.state;
        }
        if let Some(done) = seen.done {
            return Ok(done);
        }
        if retry.elapsed() > seen.limit {
            let of = node.map_or(String::new(), |node| format!("{node}: "));
            let late = CloudError::Deadline {
                what: format!("{of}{thing} {goal}"),
                seconds: seen.limit.as_secs(),
                output: seen.late,
            };
            return Err(late.into());
        }
        retry.pause().await;
    }
}

/// Which failures are which: each cloud has its own words for them.
#[derive(Clone, Copy)]
pub struct Kinds {
    /// A thing the call refers to is not there: it may have been made a moment ago.
    pub not_found: fn(&CloudError) -> bool,
    /// Nobody knows whether the call was done.
    pub unanswered: fn(&CloudError) -> bool,
}

/// Makes a thing by a call that makes a second one when it is repeated: where no answer came, the thing is looked for before the
/// call is made again.
pub async fn make_once<F, G>(
    pace: &Pace,
    kinds: Kinds,
    make: impl Fn() -> F,
    find: impl Fn() -> G,
) -> Result<String, CloudError>
where
    F: Future<Output = Result<String, CloudError>>,
    G: Future<Output = Result<Option<String>, CloudError>>,
{
    const ATTEMPTS: u32 = 3;
    let mut retry = Retry::every(pace.poll).times(ATTEMPTS);
    loop {
        match while_failing(pace, pace.settle, kinds.not_found, &make).await {
            Err(error) if (kinds.unanswered)(&error) && !retry.is_over() => {
                retry.pause().await;
                if let Some(id) = find().await? {
                    return Ok(id);
                }
            }
            result => return result,
        }
    }
}
