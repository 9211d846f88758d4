//! Programs of the operator's box as clouds run them: what each is for, and what is said where it fails.

use std::time::Duration;

use super::CloudError;
use crate::process::{self, Line};

/// A program to run: no shell, no secrets in its arguments.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// What it is for, with its subject; opens every error.
    pub(super) what: String,
    /// The program.
    pub(super) name: String,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
    /// What it reads from its standard input; may be secret, so it is not part of any message.
    pub(super) input: Input,
    /// Variables added to its environment.
    pub(super) environment: Vec<(String, String)>,
    /// When to give up.
    pub(super) timeout: Duration,
}

/// Bytes whose `Debug` shows their number only.
#[derive(Clone, Default)]
pub(super) struct Input(pub(super) Vec<u8>);

impl std::fmt::Debug for Input {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

/// How a program ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    /// Its exit code; 128 + n when signal n ended it.
    pub(super) status: i32,
    /// What it printed.
    pub(super) stdout: String,
    /// What it printed on the error channel.
    pub(super) stderr: String,
}

/// Where the box keeps programs; a user's own `PATH` often lacks the last ones.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Program {
    /// A program with a deadline of ten seconds.
    pub(super) fn new<A: Into<String>>(
        what: impl Into<String>,
        name: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            what: what.into(),
            name: name.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            input: Input::default(),
            environment: Vec::new(),
            timeout: Duration::from_secs(10),
        }
    }

    /// With something to read.
    pub(super) fn reading(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Input(input.into());
        self
    }

    /// With another deadline, in seconds.
    pub(super) fn within(mut self, seconds: u64) -> Self {
        self.timeout = Duration::from_secs(seconds);
        self
    }

    /// With a variable in its environment.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Program and arguments, for messages.
    pub(super) fn line(&self) -> String {
        let words = std::iter::once(&self.name).chain(&self.arguments);
        // The few multi-line arguments are constant scripts: nobody wants to read them in a message.
        words
            .map(|word| if word.contains('\n') { "…" } else { word })
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The error of this program for a status it should not have had.
    pub(super) fn failed(&self, ended: &Ended) -> CloudError {
        let said = if ended.stderr.trim().is_empty() {
            &ended.stdout
        } else {
            &ended.stderr
        };
        CloudError::Command {
            what: self.what.clone(),
            command: self.line(),
            status: match ended.status {
                status if status > 128 => format!("signal {}", status - 128),
                status => format!("exit code {status}"),
            },
            output: said.clone(),
        }
    }

    /// The error of this program when it took too long.
    pub(super) fn overdue(&self, output: &str) -> CloudError {
        CloudError::Deadline {
            what: format!("{} (`{}`)", self.what, self.line()),
            seconds: self.timeout.as_secs(),
            output: output.to_owned(),
        }
    }

    /// Runs it to its end, whatever its status. `line` gets each line it prints.
    pub(super) async fn run(&self, line: Line<'_>) -> Result<Ended, CloudError> {
        let mut command = process::command(&self.name);
        command
            .args(&self.arguments)
            .env("PATH", PATH)
            .env("LC_ALL", "C.UTF-8")
            .envs(self.environment.iter().cloned())
            // Of its own from its first moment: Ctrl-C is for the deployer, which lets the current steps end.
            .process_group(0);
        let ended = process::run(&mut command, &self.input.0, self.timeout, line).await;
        let ended = ended.map_err(|source| CloudError::File {
            what: format!("{}: cannot run", self.what),
            path: self.name.clone(),
            source,
        })?;
        let ended = ended.ok_or_else(|| self.overdue(""))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Ended {
            status: process::code(ended.status),
            stdout: text(&ended.stdout),
            stderr: text(&ended.stderr),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{CloudError, Program};

    #[tokio::test]
    async fn gives_what_a_program_reads_says_and_ends_with() {
        let script = "cat; echo oops >&2; exit 7";
        let program = Program::new("test", "sh", ["-c", script]).reading("a\nb\n");
        let ended = program.run(&|_| ()).await.expect("runs");
        assert_eq!((ended.status, ended.stdout.as_str()), (7, "a\nb\n"));
        let message = program.failed(&ended).to_string();
        assert!(message.contains("exit code 7\n    oops"), "{message}");
    }

    #[tokio::test]
    async fn a_terminals_ctrl_c_does_not_reach_it() {
        // The group is the fifth field of proc(5)'s stat.
        let program = Program::new("test", "cut", ["-d ", "-f5", "/proc/self/stat"]);
        let group = program.run(&|_| ()).await.expect("runs").stdout;
        let ours = rustix::process::getpgrp().as_raw_nonzero().to_string();
        assert_ne!(group.trim(), ours);
    }

    #[tokio::test]
    async fn does_not_wait_for_ever() {
        let program = Program::new("test", "sleep", ["5"]).within(0);
        let error = program.run(&|_| ()).await.expect_err("too slow");
        assert!(matches!(error, CloudError::Deadline { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let program = Program::new("test", "no-such-program", ["x"]);
        let error = program.run(&|_| ()).await.expect_err("missing");
        assert_eq!(error.to_string(), "test: cannot run: no-such-program");
    }
}
