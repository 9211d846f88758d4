//! What `check` finds out about a cloud.

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What was looked at, with what was found.
    pub what: String,
    /// What is wrong with it, and what to do.
    pub problem: Option<String>,
    /// It could not be looked at, which stops nothing.
    pub unknown: bool,
}

impl Finding {
    /// All is well with it.
    pub fn good(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            problem: None,
            unknown: false,
        }
    }

    /// It could not be looked at, which stops nothing.
    pub fn unknown(what: impl Into<String>) -> Self {
        Self {
            unknown: true,
            ..Self::good(what)
        }
    }

    /// Something is wrong with it.
    pub fn bad(what: impl Into<String>, problem: &impl ToString) -> Self {
        Self {
            what: what.into(),
            problem: Some(problem.to_string()),
            unknown: false,
        }
    }
}
