//! The rehearsal on Chameleon.

use super::steps::{LOOK, check, end, verb};
use super::variant::{Variant, set};
use super::{Expected, Rehearsal, Step};
use crate::topology::CloudName;

/// A lease of two hours; what a site does when it is to be prolonged differs, and is written down. Where that put the lease into
/// ERROR nothing more is asked of it but to be gone.
pub(super) fn plan() -> Rehearsal {
    let variant = variant();
    let name = variant.name;
    let mut steps = vec![
        check(name, "look whether the project will do"),
        verb(name, "from nothing to documents", &["up", "--yes"]).vital(),
        verb(name, "look whether anything is left to do", &["plan"]).within(LOOK),
        verb(name, "look whether all is well", &["status"]).within(LOOK),
        Step {
            expected: Expected::Answer,
            ..verb(name, "prolong the lease", &["extend", "3h"]).within(LOOK)
        },
        Step {
            expected: Expected::Answer,
            ..verb(name, "look at the lease", &["plan"]).within(LOOK)
        },
        Step {
            unless_said: Some("ERROR"),
            ..verb(
                name,
                "look whether `up` leaves all as it is",
                &["up", "--yes"],
            )
        },
    ];
    steps.extend(end(name));
    Rehearsal {
        cloud: CloudName::CHAMELEON,
        remarks: Vec::new(),
        variants: vec![variant],
        steps,
    }
}

fn variant() -> Variant {
    Variant {
        name: "rehearse",
        purpose: "the pipeline, on a lease of two hours",
        cloud: CloudName::CHAMELEON,
        changes: vec![set("lease", "2h")],
    }
}
