//! Root on this box: asked for once, before it is needed, with a word on what for.

use crate::error::CommandError;
use crate::report::{Event, Question, Reporter};
use crate::sudo;

/// Makes sure of root. Where a password must be given that is said first, and then nothing is drawn until the answer is there.
/// Fails at once where nobody can be asked.
pub async fn ensure(purpose: &str, reporter: &dyn Reporter) -> Result<(), CommandError> {
    if !sudo::must_ask().await.map_err(CommandError::usage)? {
        return Ok(());
    }
    reporter.event(&Event::Note(format!(
        "root is needed on this box to {purpose}: sudo asks for your password"
    )));
    let _nothing_is_drawn = Question::begin(reporter);
    sudo::ask().await.map_err(CommandError::usage)
}
