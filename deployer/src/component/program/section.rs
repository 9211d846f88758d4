//! What an inventory says of programs of its own.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inventory::{Setting, Words};

/// The key of the section.
pub(super) const PROGRAMS: &str = "programs";

/// The longest name: with that of the deployment it is the name of a user of the system.
const MAX_NAME: usize = 15;

/// Programs that run as services, by name. A name is also that of the program's user at the brokers, and begins its groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("propertyNames" = {"format": "program-name"}))]
pub struct ProgramsSection(pub BTreeMap<String, OwnProgram>);

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OwnProgram {
    /// Where it runs: a node or a role, or several of them.
    pub on: Words,
    /// Its files and folders on this box, which are copied. It runs among them.
    pub files: Words,
    /// What is run: one line for a shell.
    pub run: String,
    /// When it runs, to its end, by cron's five fields in UTC; without it always.
    #[schemars(extend("format" = "schedule"))]
    pub schedule: Option<String>,
    /// Debian packages that it needs.
    pub packages: Vec<String>,
    /// What it logs in to: `kafka`.
    pub env: Words,
    /// Topics whose events it may read, by groups that begin with its name and `-`.
    pub reads: Vec<String>,
    /// Topics to which it may send events.
    pub writes: Vec<String>,
    /// More variables of its environment. They are no place for secrets.
    #[schemars(extend("propertyNames" = {"format": "variable-name"}))]
    pub environment: BTreeMap<String, Setting>,
    /// The memory that it may take.
    #[schemars(range(min = 16, max = 1_000_000))]
    pub memory_mib: u64,
}

impl Default for OwnProgram {
    fn default() -> Self {
        Self {
            on: Words::default(),
            files: Words::default(),
            run: String::new(),
            schedule: None,
            packages: Vec::new(),
            env: Words::default(),
            reads: Vec::new(),
            writes: Vec::new(),
            environment: BTreeMap::new(),
            memory_mib: 128,
        }
    }
}

/// What a program may log in to.
pub(super) const KAFKA: &str = "kafka";

impl OwnProgram {
    /// Whether it logs in to something.
    pub(super) fn uses(&self, what: &str) -> bool {
        self.env.0.iter().any(|env| env == what)
    }

    /// Its topics, by key.
    pub(super) fn topics(&self) -> [(&'static str, &[String]); 2] {
        [("reads", &self.reads), ("writes", &self.writes)]
    }
}

/// What may be a program's name.
pub(super) fn check_program_name(name: &str) -> Result<(), String> {
    if name.len() > MAX_NAME {
        return Err(format!("has {} characters; {MAX_NAME} at most", name.len()));
    }
    // The deployer's own unit and files beside those of components.
    if ["hosts", "firewall"].contains(&name) {
        return Err("is a name that the deployer needs itself".to_owned());
    }
    crate::component::kafka::users::check_user_name(name)
}

/// What may be the name of a variable.
pub(super) fn check_variable_name(name: &str) -> Result<(), String> {
    let fits = |one: char| one.is_ascii_alphanumeric() || one == '_';
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if begins && name.chars().all(fits) {
        return Ok(());
    }
    Err("is not the name of a variable: letters, digits and `_`, with no digit first".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{check_program_name, check_variable_name};

    #[test]
    fn names_are_told_from_our_own() {
        for good in ["scaffold", "report-2", "kafkas"] {
            assert_eq!(check_program_name(good), Ok(()), "{good}");
        }
        for bad in ["", "kafka", "producer-1", "hosts", "A", "sixteen-letters1"] {
            assert!(check_program_name(bad).is_err(), "{bad}");
        }
        for good in ["A", "_a1"] {
            assert_eq!(check_variable_name(good), Ok(()), "{good}");
        }
        for bad in ["", "1", "a-b", "A B", "A="] {
            assert!(check_variable_name(bad).is_err(), "{bad}");
        }
    }
}
