//! Problems: what is wrong with an inventory, and where.

use std::fmt;

pub use crate::yaml::Position;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the user named it.
    pub file: String,
    /// Where in the file; `None`: it does not come from there but from the command line.
    pub position: Option<Position>,
    /// The key, as a path: `nodes.vm2.roles[1]`. Empty: the file as a whole.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.position {
            write!(formatter, "{}:{line}:{column}: ", self.file)?;
        }
        if !self.key.is_empty() {
            write!(formatter, "{}: ", one_line(&self.key))?;
        }
        formatter.write_str(&one_line(&self.message))?;
        if let Some(hint) = &self.hint {
            write!(formatter, "; {hint}")?;
        }
        Ok(())
    }
}

/// Keys and values come from the file as they are; what would break the line or steer the terminal is escaped.
fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|one| {
            let escaped = one.is_control().then(|| one.escape_default());
            let plain = (!one.is_control()).then_some(one);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// All that is wrong, in the order of the file; never empty. Shown one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Puts problems in order and drops repetitions; `Ok` when there are none.
    pub fn check(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        Err(Self::from_all(problems))
    }

    /// Problems of which there is at least one.
    pub(crate) fn from_all(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|left, right| {
            (left.position, &left.key, &left.message).cmp(&(
                right.position,
                &right.key,
                &right.message,
            ))
        });
        problems.dedup();
        Self(problems)
    }

    /// The problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            problem.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
