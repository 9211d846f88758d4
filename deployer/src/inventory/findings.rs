//! What was found wrong so far.

use super::problem::{Problem, Problems};
use super::types::Inventory;
use super::values::TimeSpan;

/// Collects problems of one inventory.
#[derive(Debug)]
pub struct Findings<'a> {
    inventory: &'a Inventory,
    problems: Vec<Problem>,
}

impl<'a> Findings<'a> {
    /// Nothing is wrong yet.
    pub fn new(inventory: &'a Inventory) -> Self {
        Self {
            inventory,
            problems: Vec::new(),
        }
    }

    /// A problem with a key, and what to do about it.
    pub fn add(
        &mut self,
        key: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let problem = self.inventory.problem(key, message, Some(hint.into()));
        self.problems.push(problem);
    }

    /// A problem that a node, a role or a key would heal: of an inventory with parts left out nobody knows.
    pub fn lacks(
        &mut self,
        key: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        if self.inventory.left_out().is_none() {
            self.add(key, message, hint);
        }
    }

    /// Whether the inventory's word on a key is known: it was not left out because it is wrong.
    pub fn knows(&self, key: &str) -> bool {
        let left_out = self.inventory.left_out().unwrap_or_default();
        left_out.iter().all(|out| out != key && !within(key, out))
    }

    /// A problem with a key that says by itself what to do.
    pub fn say(&mut self, key: impl Into<String>, message: impl Into<String>) {
        let problem = self.inventory.problem(key, message, None);
        self.problems.push(problem);
    }

    /// A span of time must be within these.
    pub fn check_span(&mut self, key: &str, span: TimeSpan, shortest: TimeSpan, longest: TimeSpan) {
        if span < shortest || span > longest {
            let message = format!("must be between {shortest} and {longest}, is {span}");
            self.say(key, message);
        }
    }

    /// A problem with an option of the command line.
    pub fn option(&mut self, option: &str, message: String) {
        self.problems.push(Problem {
            position: None,
            ..self.inventory.problem(option, message, None)
        });
    }

    /// All problems, if any.
    pub fn check(self) -> Result<(), Problems> {
        Problems::check(self.problems)
    }

    /// The problems of an inventory with parts left out, without those that may come of that.
    pub fn certain(self) -> Vec<Problem> {
        let left_out = self.inventory.left_out().unwrap_or_default();
        let certain = |problem: &Problem| {
            left_out.iter().all(|out| {
                let words = format!(
                    "{} {}",
                    problem.message,
                    problem.hint.as_deref().unwrap_or_default()
                );
                problem.key != *out
                    && !within(&problem.key, out)
                    && !within(out, &problem.key)
                    && !words.contains(&format!("`{out}`"))
            })
        };
        self.problems.into_iter().filter(certain).collect()
    }
}

/// Whether a key is below another.
fn within(key: &str, other: &str) -> bool {
    key.strip_prefix(other)
        .is_some_and(|rest| rest.starts_with(['.', '[']))
}
