//! Which steps, in the order that finds most: each is there because a real service was seen, or documented, to do otherwise than
//! the services that this program is tested with.

use std::time::Duration;

use super::variant::{self, Variant};
use super::{Act, Expected, ID, Rehearsal, Step, Vital, Wish};
use crate::topology::CloudName;

/// What a step may take: a `check`, an `up` from nothing, a `teardown`.
const LOOK: Duration = Duration::from_mins(5);
const MAKE: Duration = Duration::from_mins(30);
const TAKE_AWAY: Duration = Duration::from_mins(20);
/// The shortest time to live, half an hour, and what a machine may take to go down.
const OFF: Duration = Duration::from_mins(42);

/// What `up` says right before it asks AWS for a machine, and `teardown` before it deletes the network.
const ASKS: &str = "asks for a ";
const VPC: &str = "vpc …";

/// All that is tried for a wish.
pub fn plan(wish: &Wish) -> Rehearsal {
    if wish.cloud == CloudName::CHAMELEON {
        return chameleon();
    }
    let first = variant::aws();
    let name = first.name;
    let others = [
        wish.vpc.as_deref().map(variant::in_a_vpc),
        wish.arm.then(variant::on_arm),
        wish.region.as_deref().map(variant::elsewhere),
    ];
    let others: Vec<Variant> = others.into_iter().flatten().collect();
    // Whatever can be known is known before anything costs.
    let mut steps = vec![check(name, "look whether the account will do")];
    steps.extend(others.iter().map(|other| check(other.name, other.purpose)));
    steps.extend([
        killed(
            name,
            "ask for machines, and die while AWS answers",
            &["up", "--yes"],
            ASKS,
        ),
        verb(name, "go on where it died", &["up", "--yes"]).vital(),
        verb(name, "look whether anything is left to do", &["plan"]).within(LOOK),
        verb(name, "look whether all is well", &["status"]).within(LOOK),
        verb(name, "let the machines live longer", &["extend", "30m"]).within(LOOK),
    ]);
    if wish.power_off {
        steps.push(Step {
            act: Act::AwaitPowerOff,
            expected: Expected::Off,
            ..verb(name, "wait until the machines power themselves off", &[])
                .within(OFF)
                .vital()
        });
        steps.push(verb(
            name,
            "start them with all their data",
            &["up", "--yes"],
        ));
        steps.push(verb(name, "look whether events arrive again", &["verify"]).within(LOOK));
    }
    steps.push(killed(
        name,
        "take all away, and die while the network goes",
        &["teardown", "--yes"],
        VPC,
    ));
    steps.extend(end(name));
    let mut variants = vec![first];
    for other in others {
        steps.extend(brief(other.name));
        variants.push(other);
    }
    Rehearsal { variants, steps }
}

/// A lease of two hours; what a site does when it is to be prolonged differs, and is written down. Where that put the lease into
/// ERROR nothing more is asked of it but to be gone.
fn chameleon() -> Rehearsal {
    let variant = variant::chameleon();
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
        variants: vec![variant],
        steps,
    }
}

/// The steps of a variant that is there for one question.
fn brief(name: &'static str) -> Vec<Step> {
    let mut steps = vec![verb(name, "from nothing to documents", &["up", "--yes"]).vital()];
    steps.extend(end(name));
    steps
}

/// All goes; and the cloud itself is asked whether it has anything of that id.
fn end(name: &'static str) -> [Step; 2] {
    [
        verb(name, "take all away", &["teardown", "--yes"]),
        Step {
            expected: Expected::Code(64),
            ..verb(
                name,
                "ask the cloud for what is left of it: nothing has its id (exit code 64)",
                &["teardown", "--yes", "--id", ID],
            )
        },
    ]
}

fn check(variant: &'static str, words: &'static str) -> Step {
    Step {
        vital: Vital::ForAll,
        ..verb(variant, words, &["check"]).within(LOOK)
    }
}

fn verb(variant: &'static str, words: &'static str, line: &[&'static str]) -> Step {
    let within = match line.first() {
        Some(&"teardown") => TAKE_AWAY,
        _ => MAKE,
    };
    Step {
        variant,
        words,
        act: Act::Verb(line.to_vec()),
        expected: Expected::Code(0),
        within,
        vital: Vital::No,
        unless_said: None,
    }
}

fn killed(
    variant: &'static str,
    words: &'static str,
    line: &[&'static str],
    moment: &'static str,
) -> Step {
    Step {
        act: Act::Killed(line.to_vec(), moment),
        expected: Expected::Killed,
        ..verb(variant, words, line)
    }
}

impl Step {
    fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    fn vital(self) -> Self {
        Self {
            vital: Vital::ForVariant,
            ..self
        }
    }
}
