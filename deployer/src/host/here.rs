//! This machine itself, without sshd.

use std::process::Stdio;
use std::time::Instant;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::moving::Moving;
use super::{Command, Host, HostError, Input, Line, MAX_CHANNELS, Output, exchange, transport};

/// A shell on the machine that the deployer runs on.
#[derive(Debug)]
pub struct HereHost {
    node: String,
    channels: Semaphore,
}

impl HereHost {
    /// The machine as a node.
    pub fn new(node: &str) -> Self {
        Self {
            node: node.into(),
            channels: Semaphore::new(MAX_CHANNELS),
        }
    }

    fn failed(&self, what: &str, error: &std::io::Error) -> HostError {
        HostError::Connection {
            node: self.node.clone(),
            detail: format!("{what}: {error}"),
        }
    }
}

#[async_trait]
impl Host for HereHost {
    async fn run_telling(&self, command: &Command, line: Line<'_>) -> Result<Output, HostError> {
        let _channel = self.channels.acquire().await;
        let started = Instant::now();
        let (moving, input) = match &command.input {
            Input::Nothing => (None, Stdio::null()),
            Input::Bytes(_) => (None, Stdio::piped()),
            Input::File(path) => {
                let opened = Moving::open(path).map_err(|source| HostError::Local {
                    node: self.node.clone(),
                    path: path.clone(),
                    source,
                })?;
                (Some(opened.0), opened.1.into())
            }
        };
        // A process group of its own: Ctrl-C is for the deployer, which lets the current steps end.
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the place where commands of this machine are started"
        )]
        let mut child = tokio::process::Command::new(transport::SHELL)
            .args(transport::arguments(command))
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| self.failed("cannot start a shell", &error))?;
        let stdin = child.stdin.take();
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(HostError::Connection {
                node: self.node.clone(),
                detail: "a command without outputs".into(),
            });
        };
        let bytes = match &command.input {
            Input::Bytes(bytes) => bytes.as_slice(),
            Input::Nothing | Input::File(_) => &[],
        };
        let run = async {
            let outputs =
                exchange::exchange(stdin.map(|pipe| (pipe, bytes)), stdout, stderr, line).await?;
            Ok((outputs, child.wait().await?))
        };
        let limit = command.timeout + exchange::GRACE;
        let ended = match moving {
            Some(moving) => moving.watch(limit, line, run).await,
            None => tokio::time::timeout(limit, run).await.ok(),
        };
        let ((stdout, stderr), status) = match ended {
            Some(result) => result.map_err(|error: std::io::Error| {
                self.failed(&format!("`{}`", command.program), &error)
            })?,
            None => {
                return Err(HostError::CommandTimeout {
                    node: self.node.clone(),
                    command: command.program.clone(),
                    seconds: command.timeout.as_secs(),
                });
            }
        };
        let output = Output {
            status: status.code().unwrap_or(128),
            stdout,
            stderr,
        };
        exchange::judge(&self.node, command, &output, started.elapsed())
    }

    async fn close(self: Box<Self>, _keep: bool) -> Result<(), HostError> {
        Ok(())
    }
}
