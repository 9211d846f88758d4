//! The plan that leaves nothing: everything that carries the id, in the order in which AWS lets it go. Pure.

use super::observed::{Instance, Observed};
use super::operation::{Kind, Operation};
use super::view::{stage, step};
use crate::cloud::reconcile::Removal;
use crate::cloud::{CloudPlan, CloudStep};

/// Plans a teardown.
pub fn plan(observed: &Observed) -> CloudPlan {
    let mut steps = Vec::new();
    // Those on their way down are waited for: until they are gone, their network cannot go.
    let going: Vec<&Instance> = observed
        .instances
        .iter()
        .filter(|instance| instance.state != super::observed::State::Terminated)
        .collect();
    if !going.is_empty() {
        steps.push(terminate(&going));
    }
    for (kind, id, vpc) in observed.things() {
        let (noun, calls) = kind.words();
        let operation = Operation::Delete {
            kind,
            id: id.into(),
            vpc: vpc.map(Into::into),
        };
        let words = format!("delete the {noun} {id}");
        let mut step = step(stage_of(kind), words, calls, operation);
        // A disk that outlived its machine has all that the machine had.
        step.loses = (kind == Kind::Volume).then(|| format!("all data on the disk {id}"));
        steps.push(step);
    }
    CloudPlan {
        steps,
        ..CloudPlan::default()
    }
}

/// The step that deletes machines.
pub(super) fn terminate(instances: &[&Instance]) -> CloudStep {
    let Removal { ids, words, loses } = Removal::of(instances);
    let operation = Operation::Terminate { instances: ids };
    let mut step = step(stage::MACHINES, words, "TerminateInstances", operation);
    step.loses = Some(loses);
    step
}

/// Things of one stage do not hold each other.
fn stage_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Interface | Kind::Volume => "leftovers of machines",
        Kind::KeyPair | Kind::Group | Kind::Gateway => "access",
        Kind::Subnet => "subnets",
        Kind::RouteTable => "route tables",
        Kind::Vpc => "vpc",
    }
}
