//! Running commands for an action: as root, with a deadline, and with a failure that says what failed.

use std::path::Path;
use std::time::Duration;

use crate::host::{Command, Host, HostError, Input, Line, Output};
use crate::run::StepError;
use crate::step::Access;

/// For what only touches files and systemd.
pub(super) const QUICK: Duration = Duration::from_mins(1);
/// For what moves many bytes or waits for a service.
pub(super) const LONG: Duration = Duration::from_mins(10);
/// The script gives up what is too slow; this is as long as the slowest that it takes needs for a hundred megabytes.
pub(super) const FETCHING: Duration = Duration::from_mins(30);
/// How much of what a failed command said is kept.
const LAST_LINES: usize = 20;

/// A node's host, for one action.
pub(super) struct Shell<'a> {
    host: &'a dyn Host,
    line: Line<'a>,
}

/// A fixed script with the name it has in messages.
pub(super) struct Script {
    /// Verb and perhaps object, such as `write file`.
    pub(super) name: &'static str,
    /// The text.
    pub(super) text: &'static str,
}

/// Replaces a file whole; see the script for its arguments.
pub(super) const WRITE: Script = Script {
    name: "write file",
    text: include_str!("write.sh"),
};

impl<'a> Shell<'a> {
    pub(super) fn new(host: &'a dyn Host, line: Line<'a>) -> Self {
        Self { host, line }
    }

    /// Runs a program; any exit code but 0 is a failure.
    pub(super) async fn run(
        &self,
        program: &str,
        arguments: &[&str],
        input: Input,
        timeout: Duration,
    ) -> Result<Output, StepError> {
        let output = self.output(program, arguments, input, timeout).await?;
        succeeded(output, &[&[program], arguments].concat().join(" "))
    }

    /// Runs a script; any exit code but 0 is a failure.
    pub(super) async fn script(
        &self,
        script: &Script,
        arguments: &[&str],
        input: Input,
        timeout: Duration,
    ) -> Result<Output, StepError> {
        let output = self
            .script_output(script, arguments, input, timeout)
            .await?;
        succeeded(output, &words(script, arguments))
    }

    /// Runs a script, whatever its exit code.
    pub(super) async fn script_output(
        &self,
        script: &Script,
        arguments: &[&str],
        input: Input,
        timeout: Duration,
    ) -> Result<Output, StepError> {
        let all = [&["-c", script.text, script.name], arguments].concat();
        self.output("sh", &all, input, timeout).await
    }

    async fn output(
        &self,
        program: &str,
        arguments: &[&str],
        input: Input,
        timeout: Duration,
    ) -> Result<Output, StepError> {
        let command = Command {
            program: program.into(),
            arguments: arguments.iter().copied().map(str::to_owned).collect(),
            input,
            timeout,
            root: true,
        };
        Ok(self.host.run_telling(&command, self.line).await?)
    }
}

/// The command as messages show it.
pub(super) fn words(script: &Script, arguments: &[&str]) -> String {
    [&[script.name], arguments].concat().join(" ")
}

/// The last lines of what a command said: its errors, after what it printed.
pub(super) fn last_lines(output: &Output) -> Vec<String> {
    let texts = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let lines: Vec<&str> = texts.iter().flat_map(|text| text.lines()).collect();
    let from = lines.len().saturating_sub(LAST_LINES);
    lines[from..].iter().copied().map(str::to_owned).collect()
}

/// Turns an exit code other than 0 into a failure.
pub(super) fn succeeded(output: Output, command: &str) -> Result<Output, StepError> {
    if output.status == 0 {
        return Ok(output);
    }
    Err(StepError::Failed {
        command: command.into(),
        status: output.status,
        output: last_lines(&output),
    })
}

/// The mode of a file, as programs take it.
pub(super) fn octal(access: &Access) -> String {
    format!("{:04o}", access.mode)
}

/// A file of this box that cannot be read.
pub(super) fn unreadable(path: &Path, source: std::io::Error) -> StepError {
    StepError::Host(HostError::Local {
        node: "this machine".into(),
        path: path.into(),
        source,
    })
}
