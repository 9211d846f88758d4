//! Runs a plan: stages in order, the nodes of a stage side by side, the steps of a node one after the other, but for those by which
//! something is sent: these begin in their turn and end until the stage does.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{Executor, Failures, StepError};
use crate::plan::{Change, Plan, Stage};
use crate::report::{Event, Reporter, StepOutcome, aloud};
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
        let well = AtomicBool::new(true);
        let one = async |step: &Step| {
            if self.stop.is_set() || !well.load(Ordering::Relaxed) {
                return;
            }
            match self.step(node, step).await {
                Ok(()) => {
                    done.fetch_add(1, Ordering::Relaxed);
                    after_step(step);
                }
                Err(error) => {
                    well.store(false, Ordering::Relaxed);
                    let mut failures = failures
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                    failures.entry(node.to_owned()).or_insert(error);
                }
            }
        };
        let mut rest = changes;
        while let [Change { step, .. }, after @ ..] = rest {
            // What is sent takes long and needs nothing that its node does meanwhile: the small steps behind it go on beside it,
            // up to one that runs what was sent.
            // One at a time is sent: hardened hosts allow few sessions.
            let goes_beside = |change: &&Change| {
                let other = &change.step.action;
                step.action.is_sent()
                    && !other.is_sent()
                    && !other.is_judged()
                    && !is_inside(other, &step.action)
            };
            let (beside, later) = after.split_at(after.iter().take_while(goes_beside).count());
            futures_util::join!(one(step), async {
                for Change { step, .. } in beside {
                    one(step).await;
                }
            });
            rest = later;
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
                Ok(()) => StepOutcome::Done,
                Err(error) => StepOutcome::Failed(error.to_string()),
            },
            took: started.elapsed(),
        });
        result.map_err(|error| (words, error))
    }
}

/// Whether an action makes something inside of what another one puts in place whole.
fn is_inside(action: &Action, place: &Action) -> bool {
    let (made, around) = (action.leaves(), place.leaves());
    let mut paths = made.iter().filter_map(Item::path);
    paths.any(|path| around.iter().any(|place| place.contains(path)))
}
