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
    let words = arguments.iter().map(String::as_str);
    let words: Vec<&str> = ["--config", &tool.config]
        .into_iter()
        .chain(words)
        .collect();
    let input = match input.text.as_str() {
        "" => Input::Nothing,
        text => Input::Bytes(text.to_owned().into_bytes()),
    };
    let deadline = Duration::from_secs(seconds);
    shell.run(&tool.program, &words, input, deadline).await?;
    Ok(())
}
