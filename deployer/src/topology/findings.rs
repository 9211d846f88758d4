//! What was found wrong so far.

use crate::inventory::{Inventory, Problem, Problems};

/// Collects problems of one inventory.
pub(super) struct Findings<'a> {
    inventory: &'a Inventory,
    problems: Vec<Problem>,
}

impl<'a> Findings<'a> {
    /// Nothing is wrong yet.
    pub(super) fn new(inventory: &'a Inventory) -> Self {
        Self {
            inventory,
            problems: Vec::new(),
        }
    }

    /// A problem with a key, and what to do about it.
    pub(super) fn add(
        &mut self,
        key: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let problem = self.inventory.problem(key, message, Some(hint.into()));
        self.problems.push(problem);
    }

    /// A problem with a key that says by itself what to do.
    pub(super) fn say(&mut self, key: impl Into<String>, message: impl Into<String>) {
        let problem = self.inventory.problem(key, message, None);
        self.problems.push(problem);
    }

    /// A problem with an option of the command line.
    pub(super) fn option(&mut self, option: &str, message: String) {
        self.problems.push(Problem {
            position: None,
            ..self.inventory.problem(option, message, None)
        });
    }

    /// All problems, if any.
    pub(super) fn check(self) -> Result<(), Problems> {
        Problems::check(self.problems)
    }
}
