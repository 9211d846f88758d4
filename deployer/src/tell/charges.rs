//! What somebody pays for, in words: how many machines will run, until when, and what becomes of them where `teardown` is forgotten.

use crate::cloud::{CloudPlan, Meaning};
use crate::observe::{CloudState, Observed};

/// What is said before machines run that somebody pays for: how many, and for how long.
pub fn costs(seen: &Observed) -> Option<String> {
    seen.clouds.iter().find_map(cost)
}

/// How many machines that somebody pays for are to run.
fn charged(plan: &CloudPlan) -> usize {
    let steps = plan.steps.iter();
    steps
        .filter(|step| matches!(step.meaning, Meaning::Make | Meaning::Start))
        .count()
}

fn cost(state: &CloudState) -> Option<String> {
    let (title, charges) = (state.name.kind().title, state.name.seller()?.charges);
    let count = charged(&state.plan);
    if count == 0 {
        return None;
    }
    let machines = if count == 1 { "machine" } else { "machines" };
    let remarks: String = state
        .plan
        .remarks
        .iter()
        .map(|remark| format!("\n    {remark}"))
        .collect();
    let forgotten = state.cloud.if_forgotten(&state.plan);
    Some(format!(
        "{count} {machines} will run on {title}, which charges {charges} {forgotten}{remarks}"
    ))
}

/// What becomes of machines that are to run, where `teardown` is forgotten: of each cloud that charges for them.
pub fn forgotten(seen: &Observed) -> Vec<String> {
    let sold = seen.clouds.iter().filter(|state| state.name.is_sold());
    sold.filter(|state| charged(&state.plan) > 0)
        .map(|state| state.cloud.if_forgotten(&state.plan))
        .collect()
}
