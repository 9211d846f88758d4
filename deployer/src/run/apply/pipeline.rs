//! The pipeline as a whole, by calls of the consumer binary.

use std::time::Duration;

use super::shell::{LONG, QUICK, Shell};
use crate::host::Input;
use crate::run::StepError;
use crate::step::{Content, Tool};

/// How long replicas may take to catch up after a broker's restart.
const IN_SYNC: Duration = Duration::from_mins(2);

pub(super) async fn prepare(
    shell: &Shell<'_>,
    tool: &Tool,
    request: &Content,
) -> Result<(), StepError> {
    let input = Input::Bytes(request.text.clone().into_bytes());
    let arguments = ["--config", &tool.config, "prepare"];
    // The request has its own deadline, which is shorter.
    shell.run(&tool.program, &arguments, input, LONG).await?;
    Ok(())
}

pub(super) async fn wait_in_sync(
    shell: &Shell<'_>,
    tool: &Tool,
    brokers: usize,
) -> Result<(), StepError> {
    let seconds = IN_SYNC.as_secs().to_string();
    let brokers = brokers.to_string();
    let arguments = [
        "--config",
        &tool.config,
        "wait-in-sync",
        "--timeout",
        &seconds,
        "--brokers",
        &brokers,
    ];
    shell
        .run(&tool.program, &arguments, Input::Nothing, IN_SYNC + QUICK)
        .await?;
    Ok(())
}
