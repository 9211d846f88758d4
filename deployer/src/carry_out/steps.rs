//! Doing a cloud's steps: stage after stage, neighbours at the same time, each recorded as soon as it is done.

use std::time::Instant;

use futures_util::future::join_all;

use crate::cloud::{Applied, Cloud, CloudStep, Notes, Wanted};
use crate::error::CommandError;
use crate::reach::clouds::Shown;
use crate::report::{Event, Reporter, StepOutcome, aloud};
use crate::run::runner::Stop;

/// Does all steps. `record` is called after each one, before the next stage begins.
pub async fn apply(
    cloud: &dyn Cloud,
    wanted: &Wanted,
    steps: &[CloudStep],
    notes: &dyn Notes,
    reporter: &dyn Reporter,
    stop: &Stop,
    record: &(dyn Fn(Applied) -> Result<(), CommandError> + Sync),
) -> Result<(), CommandError> {
    for stage in steps.chunk_by(|one, next| one.stage == next.stage) {
        if stop.is_set() {
            return Err(interrupted());
        }
        let started = Instant::now();
        let name = stage
            .first()
            .map(|step| step.stage.clone())
            .unwrap_or_default();
        let nodes = stage.iter().filter_map(|step| step.node.clone()).collect();
        reporter.event(&Event::StageStarted {
            stage: name.clone(),
            nodes,
        });
        let steps = stage.iter();
        let steps = steps.map(|step| one(cloud, wanted, step, notes, reporter, record));
        let done = stop.unless(2, join_all(steps)).await;
        let results = done.ok_or_else(interrupted)?;
        reporter.event(&Event::StageFinished {
            stage: name,
            took: started.elapsed(),
        });
        let mut failures = results.into_iter().filter_map(Result::err);
        if let Some(first) = failures.next() {
            // Each was reported as it failed; the first stands for them on the way out.
            let others = failures.count();
            let hint = if others > 0 {
                format!("{others} more failed, see above")
            } else {
                "run the same command again".into()
            };
            return Err(first.hint(hint));
        }
    }
    Ok(())
}

fn interrupted() -> CommandError {
    CommandError::interrupted("stopped before the machines were done")
        .hint("the same command goes on from here")
}

async fn one(
    cloud: &dyn Cloud,
    wanted: &Wanted,
    step: &CloudStep,
    notes: &dyn Notes,
    reporter: &dyn Reporter,
    record: &(dyn Fn(Applied) -> Result<(), CommandError> + Sync),
) -> Result<(), CommandError> {
    let started = Instant::now();
    let (node, words) = (step.node.clone(), step.words.clone());
    reporter.event(&Event::StepStarted {
        node: node.clone(),
        words: words.clone(),
    });
    let shown = Shown(reporter);
    let applying = cloud.apply(wanted, step, notes, &shown);
    let result = match aloud(reporter, node.as_deref(), &words, applying).await {
        Ok(applied) => record(applied),
        Err(error) => Err(error.into()),
    };
    let outcome = match &result {
        Ok(()) => StepOutcome::Done,
        Err(error) => StepOutcome::Failed(error.cause.to_string()),
    };
    reporter.event(&Event::StepFinished {
        node,
        words,
        outcome,
        took: started.elapsed(),
    });
    result
}
