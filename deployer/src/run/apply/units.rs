//! systemd units and their ports.

use std::time::Duration;

use super::shell::{LONG, QUICK, Script, Shell, last_lines, words};
use crate::host::Input;
use crate::run::StepError;

const START: Script = Script {
    name: "start unit",
    text: include_str!("start.sh"),
};
const STOP: Script = Script {
    name: "stop unit",
    text: include_str!("stop.sh"),
};
const PORT: Script = Script {
    name: "wait for port",
    text: include_str!("port.sh"),
};

/// What of a unit is as it should be, beside that it runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct May {
    /// That it has ended by itself.
    pub(super) finish: bool,
    /// That it fails.
    pub(super) fail: bool,
}

pub(super) async fn start(shell: &Shell<'_>, unit: &str, may: May) -> Result<(), StepError> {
    let may = match may {
        May { fail: true, .. } => "fails",
        May { finish: true, .. } => "finishes",
        May { .. } => "stays",
    };
    // A broker that is restarted hands over its partitions first.
    shell
        .script(&START, &[unit, may], Input::Nothing, LONG)
        .await?;
    Ok(())
}

pub(super) async fn stop(shell: &Shell<'_>, unit: &str) -> Result<(), StepError> {
    shell.script(&STOP, &[unit], Input::Nothing, LONG).await?;
    Ok(())
}

pub(super) async fn wait_for_port(
    shell: &Shell<'_>,
    node: &str,
    port: u16,
    unit: &str,
    seconds: u64,
) -> Result<(), StepError> {
    let (number, limit) = (port.to_string(), seconds.to_string());
    let arguments = [number.as_str(), unit, &limit];
    let limit = Duration::from_secs(seconds) + QUICK;
    let output = shell
        .script_output(&PORT, &arguments, Input::Nothing, limit)
        .await?;
    match output.status {
        0 => Ok(()),
        3 => Err(StepError::Deadline {
            what: format!("{node}: {unit} did not listen on port {port}"),
            seconds,
            output: last_lines(&output),
        }),
        4 => Err(StepError::Failed {
            command: unit.into(),
            status: 1,
            output: last_lines(&output),
        }),
        status => Err(StepError::Failed {
            command: words(&PORT, &arguments),
            status,
            output: last_lines(&output),
        }),
    }
}
