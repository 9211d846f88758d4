//! The steps that rehearsals are made of.

use std::time::Duration;

use super::{Act, Expected, ID, Step, Vital};

/// What a step may take: a `check`, an `up` from nothing, a `teardown`.
pub(super) const LOOK: Duration = Duration::from_mins(5);
const MAKE: Duration = Duration::from_mins(30);
const TAKE_AWAY: Duration = Duration::from_mins(20);

/// The steps of a variant that is there for one question.
pub(super) fn brief(name: &'static str) -> Vec<Step> {
    let mut steps = vec![verb(name, "from nothing to documents", &["up", "--yes"]).vital()];
    steps.extend(end(name));
    steps
}

/// All goes; and the cloud itself is asked whether it has anything of that id.
pub(super) fn end(name: &'static str) -> [Step; 2] {
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

pub(super) fn check(variant: &'static str, words: &'static str) -> Step {
    Step {
        vital: Vital::ForAll,
        ..verb(variant, words, &["check"]).within(LOOK)
    }
}

pub(super) fn verb(variant: &'static str, words: &'static str, line: &[&'static str]) -> Step {
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

pub(super) fn killed(
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
    pub(super) fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    pub(super) fn vital(self) -> Self {
        Self {
            vital: Vital::ForVariant,
            ..self
        }
    }
}
