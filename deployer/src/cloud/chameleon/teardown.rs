//! The plan that leaves nothing: everything that carries the id, in the order in which it can go. Pure.

use super::observed::{Observed, Server};
use super::operation::{Kind, Operation};
use super::view::{stage, step};
use crate::cloud::reconcile::{Listed as _, Removal};
use crate::cloud::{CloudPlan, CloudStep};

/// Plans a teardown.
pub fn plan(observed: &Observed) -> CloudPlan {
    let mut steps = Vec::new();
    let servers: Vec<&Server> = observed.servers.iter().filter(|one| one.lives()).collect();
    if !servers.is_empty() {
        steps.push(terminate(&servers));
    }
    let leased = |id: &str| {
        let mut addresses = observed.addresses.iter();
        addresses.any(|address| address.id == id && address.lease.is_some())
    };
    for (kind, id, words, _) in observed.things() {
        let stage = match kind {
            Kind::Server => continue,
            // It goes with its lease.
            Kind::Address if leased(id) => continue,
            Kind::Address | Kind::Group => "access",
            Kind::Router => "router",
            Kind::Network => "network",
            Kind::Lease => "leases",
        };
        let id = id.to_owned();
        let operation = Operation::Delete { kind, id };
        steps.push(step(stage, format!("delete the {words}"), operation));
    }
    CloudPlan {
        steps,
        ..CloudPlan::default()
    }
}

/// The step that deletes servers.
pub(super) fn terminate(servers: &[&Server]) -> CloudStep {
    let Removal { ids, words, loses } = Removal::of(servers);
    let operation = Operation::Terminate { servers: ids };
    let mut step = step(stage::MACHINES, words, operation);
    step.loses = Some(loses);
    step
}
