//! Calls of components' own tools.

use std::time::Duration;

use super::shell::Shell;
use crate::host::Input;
use crate::run::StepError;
use crate::step::{Content, Tool};

pub(super) async fn call(
    shell: &Shell<'_>,
    tool: &Tool,
    arguments: &[String],
    input: &Content,
    seconds: u64,
) -> Result<(), StepError> {
    let arguments = tool.arguments(arguments.iter().map(String::as_str));
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let input = Input::text(tool.input(&input.text));
    let deadline = Duration::from_secs(seconds);
    shell.run(&tool.program, &words, input, deadline).await?;
    Ok(())
}
