//! Errors as the user sees them: what failed, where, why, what to do next. The only place that decides exit codes.

use std::error::Error;
use std::fmt::Write as _;

/// An error on its way to the user.
#[derive(Debug)]
pub struct CommandError {
    /// What kind it is: decides the exit code.
    pub kind: Kind,
    /// What failed, with its subject; the causes follow by [`Error::source`].
    pub cause: Box<dyn Error + Send + Sync>,
    /// What to do next, one sentence each.
    pub hints: Vec<String>,
}

/// Kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line, the inventory or another input of the user's is wrong; nothing was changed.
    Usage,
    /// Something failed.
    Failed,
    /// The user stopped it.
    Interrupted,
}

impl CommandError {
    /// An error of the user's input.
    pub fn usage(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: Kind::Usage,
            cause: cause.into(),
            hints: Vec::new(),
        }
    }

    /// An error of the world.
    pub fn failed(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: Kind::Failed,
            cause: cause.into(),
            hints: Vec::new(),
        }
    }

    /// The end that the user wished.
    pub fn interrupted(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: Kind::Interrupted,
            cause: cause.into(),
            hints: Vec::new(),
        }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The exit code: 64 for wrong input (`EX_USAGE`), 130 when interrupted, else 1.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Usage => 64,
            Kind::Failed => 1,
            Kind::Interrupted => 130,
        }
    }

    /// The block that is printed.
    pub fn block(&self) -> String {
        let mut block = format!("error: {}\n", self.cause);
        let mut source = self.cause.source();
        while let Some(cause) = source {
            let _ = writeln!(block, "  because: {cause}");
            source = cause.source();
        }
        for hint in &self.hints {
            let _ = writeln!(block, "  next: {hint}");
        }
        block
    }
}

/// Turns a library error into a failure of the world.
impl<E: Error + Send + Sync + 'static> From<E> for CommandError {
    fn from(cause: E) -> Self {
        Self::failed(cause)
    }
}
