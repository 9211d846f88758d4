//! What somebody pays for, in words: how many machines will run, until when, and what becomes of them where `teardown` is forgotten.

use jiff::Timestamp;

use crate::cloud::aws::operation as aws;
use crate::cloud::chameleon::operation as chameleon;
use crate::cloud::{CloudPlan, CloudStep, Operation};
use crate::observe::Observed;
use crate::prepare::prepared::Prepared;
use crate::tell::lease_end;
use crate::topology::{CloudName, OnTtl};

/// What is said before machines run that somebody pays for: how many, and for how long.
pub fn costs(prepared: &Prepared, seen: &Observed) -> Option<String> {
    seen.clouds
        .iter()
        .find_map(|state| cost(prepared, state.name, &state.plan))
}

/// How many machines that somebody pays for are to run.
fn charged(plan: &CloudPlan) -> usize {
    let runs = |step: &&CloudStep| {
        matches!(
            step.operation,
            Operation::Aws(aws::Operation::Launch(_) | aws::Operation::Start { .. })
                | Operation::Chameleon(chameleon::Operation::Launch(_))
        )
    };
    plan.steps.iter().filter(runs).count()
}

fn cost(prepared: &Prepared, name: CloudName, plan: &CloudPlan) -> Option<String> {
    let count = charged(plan);
    if count == 0 {
        return None;
    }
    let machines = if count == 1 { "machine" } else { "machines" };
    let remarks: String = plan
        .remarks
        .iter()
        .map(|remark| format!("\n    {remark}"))
        .collect();
    let who = match name {
        CloudName::Chameleon => "Chameleon, which charges your project:",
        _ => "AWS, which charges your account.",
    };
    let forgotten = if_forgotten(prepared, name, plan);
    Some(format!(
        "{count} {machines} will run on {who} {forgotten}{remarks}"
    ))
}

/// What becomes of machines that are to run, where `teardown` is forgotten: of each cloud that charges for them.
pub fn forgotten(prepared: &Prepared, seen: &Observed) -> Vec<String> {
    let looks = seen.clouds.iter();
    looks
        .filter(|state| charged(&state.plan) > 0)
        .map(|state| if_forgotten(prepared, state.name, &state.plan))
        .collect()
}

/// Until when they run, what happens then, and who is told.
fn if_forgotten(prepared: &Prepared, name: CloudName, plan: &CloudPlan) -> String {
    match name {
        CloudName::Chameleon => on_chameleon(plan.expires),
        _ => on_aws(prepared, plan.expires),
    }
}

fn on_aws(prepared: &Prepared, end: Option<Timestamp>) -> String {
    let aws = &prepared.topology.aws;
    let list = "nobody is told: `deployer list --cloud aws` shows what is there";
    match (end, aws.on_ttl) {
        (Some(end), OnTtl::Stop) => format!(
            "They power themselves off at {end} (`ttl`: {}); then their disks cost on until `deployer teardown`, and {list}.",
            aws.ttl
        ),
        (Some(end), OnTtl::Terminate) => format!(
            "They are deleted with all data at {end} (`ttl`: {}, `on_ttl: terminate`), and {list}.",
            aws.ttl
        ),
        (None, _) => {
            format!("They run, and cost, until `deployer teardown` (`ttl: never`), and {list}.")
        }
    }
}

fn on_chameleon(end: Option<Timestamp>) -> String {
    match end {
        Some(end) => format!(
            "{}; from a day before the commands here warn, and nobody else is told by them.",
            lease_end::words(end, Timestamp::now())
        ),
        None => "they run, and are charged, until `deployer teardown`, and nobody is told: `deployer list --cloud chameleon` shows \
             what is there."
            .into(),
    }
}
