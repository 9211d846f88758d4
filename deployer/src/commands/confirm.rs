//! Asking before what costs money or destroys data.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::error::CommandError;

/// Asks a yes-or-no question on the terminal; `yes` answers it beforehand. Without a terminal it is refused.
pub fn confirm(question: &str, yes: bool) -> Result<(), CommandError> {
    if yes {
        return Ok(());
    }
    let (stdin, mut stderr) = (std::io::stdin(), std::io::stderr());
    if !stdin.is_terminal() || !stderr.is_terminal() {
        return Err(CommandError::usage(format!(
            "{question} There is no terminal to ask on, so nothing was done."
        ))
        .hint("say --yes if that is what you want"));
    }
    write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush())?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(CommandError::interrupted("nothing was done"))
    }
}
