//! Prolonging leases, in a plan of its own. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::marks::Purpose;
use super::observed::{Lease, Observed, Server};
use super::operation::Operation;
use super::view::{stage, step};
use crate::cloud::reconcile::Listed as _;
use crate::cloud::{CloudError, Extension};

/// The steps that let all leases end at another time: those of machines first, for documents hang on them. One that the site says
/// has failed is asked for, too: where machines run under it, they end with it, and a site that grants it takes the word back.
pub fn plan(observed: &Observed, end: Timestamp) -> Result<Vec<Extension>, CloudError> {
    if observed.counting(Purpose::Machines).next().is_none() {
        return Err(CloudError::Refused(nothing(observed)));
    }
    let all = [
        (Purpose::Machines, "the lease"),
        (Purpose::Address, "the floating IP's lease"),
    ];
    let all = all.map(|(purpose, what)| {
        let leases = observed.counting(purpose).map(|lease| lease.id.clone());
        (purpose, what, leases.collect::<BTreeSet<String>>())
    });
    let all = all.into_iter().filter(|(.., leases)| !leases.is_empty());
    let steps = all.map(|(purpose, what, leases)| {
        let words = format!("let {what} end at {end}");
        let extend = Operation::Extend {
            purpose,
            leases,
            end,
        };
        Extension {
            step: step(stage::EXTEND, words, extend),
            vital: purpose == Purpose::Machines,
        }
    });
    Ok(steps.collect())
}

/// Why no lease can be prolonged, by what is there.
fn nothing(observed: &Observed) -> String {
    let running = observed.servers.iter().any(Server::lives);
    let ended = observed.leases.iter().any(Lease::ended);
    let why = match (ended, running) {
        (true, false) => {
            "it has ended, and its machines went with it; `deployer up` says what is lost"
        }
        (true, true) => "it is ending, and its machines go with it",
        (false, true) => "the machines are under none, so they run until somebody deletes them",
        (false, false) => {
            "neither a lease nor a machine of this deployment is there; `deployer up` says what is lost"
        }
    };
    format!("there is no lease that could be prolonged: {why}")
}
