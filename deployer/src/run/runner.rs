//! Runs a plan: stages in order, the nodes of a stage side by side, the steps of a node one after the other, but for those by which
//! something is sent: these begin in their turn and end until the stage does.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{self, FuturesUnordered, StreamExt as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{Executor, Failures, StepError};
use crate::plan::{Change, Plan, Stage};
use crate::report::{Event, Outcome, Reporter, aloud};
use crate::step::{Action, Item, Step};

/// How many nodes are worked on at the same time: enough to hide their waiting, few enough for the operator's box.
const NODES_AT_ONCE: usize = 10;

/// The wish to stop. Steps that run end; no new one begins.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<u32>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Stop {
    /// A wish that SIGINT (Ctrl-C) and SIGTERM express. Needs a running runtime. Where signals cannot be caught they end the
    /// program as ever.
    pub fn on_interrupt() -> Self {
        let stop = Self::default();
        let caught = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        );
        let (Ok(mut interrupt), Ok(mut terminate)) = caught else {
            return stop;
        };
        let listener = stop.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => listener.set(),
                    _ = terminate.recv() => listener.set(),
                }
            }
        });
        stop
    }

    /// Expresses the wish.
    pub fn set(&self) {
        self.0.send_modify(|wishes| *wishes += 1);
    }

    /// Whether the wish was expressed.
    pub fn is_set(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// Does some work unless the wish is expressed so many times meanwhile, or was already: then `None`, and the work is left in
    /// the middle. Once is enough for what changes nothing; who wishes twice means it.
    pub async fn unless<T>(&self, times: u32, work: impl Future<Output = T>) -> Option<T> {
        let mut wishes = self.0.subscribe();
        tokio::select! {
            biased;
            // The sender is ours, so the channel cannot be closed.
            _ = wishes.wait_for(|wishes| *wishes >= times) => None,
            done = work => Some(done),
        }
    }
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Steps that were done.
    pub done: usize,
    /// Steps that were not begun, because a stop was wished.
    pub left: usize,
    /// The stages that ran, with the time each took.
    pub stages: Vec<(String, Duration)>,
}

/// Runs plans.
pub struct Runner<'a> {
    executor: &'a dyn Executor,
    reporter: &'a dyn Reporter,
    stop: &'a Stop,
}

impl<'a> Runner<'a> {
    /// A runner that acts through `executor` and tells `reporter`.
    pub fn new(executor: &'a dyn Executor, reporter: &'a dyn Reporter, stop: &'a Stop) -> Self {
        Self {
            executor,
            reporter,
            stop,
        }
    }

    /// Runs a plan. `after_step` is called after each step that succeeded, before the node's next one begins. When a node fails,
    /// the others finish the stage; then the run ends with all failures.
    pub async fn run(
        &self,
        plan: &Plan,
        after_step: &(dyn Fn(&Step) + Send + Sync),
    ) -> Result<Summary, Failures> {
        let done = AtomicUsize::new(0);
        let mut stages = Vec::new();
        for stage in &plan.stages {
            if self.stop.is_set() {
                break;
            }
            let started = Instant::now();
            let failures = self.stage(stage, &done, after_step).await;
            let took = started.elapsed();
            self.reporter.event(&Event::StageFinished {
                stage: stage.name.clone(),
                took,
            });
            if !failures.is_empty() {
                return Err(failures);
            }
            stages.push((stage.name.clone(), took));
        }
        let done = done.into_inner();
        Ok(Summary {
            done,
            left: plan.actions().count() - done,
            stages,
        })
    }

    async fn stage(
        &self,
        stage: &Stage,
        done: &AtomicUsize,
        after_step: &(dyn Fn(&Step) + Send + Sync),
    ) -> Failures {
        self.reporter.event(&Event::StageStarted {
            stage: stage.name.clone(),
            nodes: stage.queues.keys().cloned().collect(),
        });
        let failures = Mutex::new(Failures::new());
        let queues: Vec<_> = stage
            .queues
            .iter()
            .map(|(node, changes)| self.queue(node, changes, done, after_step, &failures))
            .collect();
        stream::iter(queues)
            .for_each_concurrent(NODES_AT_ONCE, |queue| queue)
            .await;
        failures
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn queue(
        &self,
        node: &str,
        changes: &[Change],
        done: &AtomicUsize,
        after_step: &(dyn Fn(&Step) + Send + Sync),
        failures: &Mutex<Failures>,
    ) {
        let done = |step: &Step| {
            done.fetch_add(1, Ordering::Relaxed);
            after_step(step);
        };
        let failed = |(words, error): (String, StepError)| {
            let mut failures = failures
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            failures.entry(node.to_owned()).or_insert((words, error));
        };
        // What is sent takes long and needs nothing that its node does meanwhile: the small steps go on beside it.
        let mut sent = FuturesUnordered::new();
        let mut places: Vec<&Action> = Vec::new();
        let mut ended = true;
        for Change { step, .. } in changes {
            if self.stop.is_set() || !ended {
                break;
            }
            // One at a time: hardened hosts allow few sessions.
            let another = step.action.is_sent() && !sent.is_empty();
            if another || places.iter().any(|place| is_inside(&step.action, place)) {
                while let Some((step, result)) = sent.next().await {
                    ended &= end(step, result, &done, &failed);
                }
                places.clear();
                if self.stop.is_set() || !ended {
                    break;
                }
            }
            let work = async move { (step, self.step(node, step).await) };
            if step.action.is_sent() {
                places.push(&step.action);
                sent.push(work);
                continue;
            }
            let mut work = std::pin::pin!(work);
            loop {
                tokio::select! {
                    (step, result) = &mut work => {
                        ended &= end(step, result, &done, &failed);
                        break;
                    }
                    Some((step, result)) = sent.next(), if !sent.is_empty() => {
                        ended &= end(step, result, &done, &failed);
                    }
                }
            }
        }
        // What was begun ends, whatever became of the rest.
        while let Some((step, result)) = sent.next().await {
            end(step, result, &done, &failed);
        }
    }

    async fn step(&self, node: &str, step: &Step) -> Result<(), (String, StepError)> {
        let words = step.action.describe();
        let started = Instant::now();
        self.reporter.event(&Event::StepStarted {
            node: Some(node.into()),
            words: words.clone(),
        });
        let line = |line: &str| {
            self.reporter.event(&Event::StepOutput {
                node: Some(node.into()),
                line: line.into(),
            });
        };
        let applying = self.executor.apply(node, &step.action, &line);
        let result = aloud(self.reporter, Some(node), &words, applying).await;
        self.reporter.event(&Event::StepFinished {
            node: Some(node.into()),
            words: words.clone(),
            outcome: match &result {
                Ok(()) => Outcome::Done,
                Err(error) => Outcome::Failed(error.to_string()),
            },
            took: started.elapsed(),
        });
        result.map_err(|error| (words, error))
    }
}

/// Tells what became of a step; returns whether it was done.
fn end(
    step: &Step,
    result: Result<(), (String, StepError)>,
    done: &impl Fn(&Step),
    failed: &impl Fn((String, StepError)),
) -> bool {
    match result {
        Ok(()) => done(step),
        Err(error) => {
            failed(error);
            return false;
        }
    }
    true
}

/// Whether an action makes something inside of what another one puts in place whole.
fn is_inside(action: &Action, place: &Action) -> bool {
    let (made, around) = (action.leaves(), place.leaves());
    let mut paths = made.iter().filter_map(Item::path);
    paths.any(|path| around.iter().any(|place| place.contains(path)))
}
