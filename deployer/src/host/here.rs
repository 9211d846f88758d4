//! This machine itself, without sshd.

use std::process::Stdio;
use std::time::Instant;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::moving::Moving;
use super::{Command, Host, HostError, Input, Line, MAX_CHANNELS, Output, exchange, transport};
use crate::process;

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
        let mut shell = process::command(transport::SHELL);
        shell
            .args(transport::arguments(command))
            .stdin(input)
            .process_group(0);
        let child = process::start(&mut shell)
            .map_err(|error| self.failed("cannot start a shell", &error))?;
        let own = exchange::own_lines(line);
        let run = process::end(child, exchange::bytes(command), None, &own);
        let limit = command.timeout + exchange::GRACE;
        let ended = match moving {
            Some(moving) => moving.watch(limit, line, run).await,
            None => tokio::time::timeout(limit, run).await.ok(),
        };
        let ended = match ended {
            Some(result) => {
                result.map_err(|error| self.failed(&format!("`{}`", command.program), &error))?
            }
            None => {
                return Err(HostError::CommandTimeout {
                    node: self.node.clone(),
                    command: command.program.clone(),
                    seconds: command.timeout.as_secs(),
                });
            }
        };
        let output = Output {
            status: ended.status.code().unwrap_or(128),
            stdout: ended.stdout,
            stderr: ended.stderr,
        };
        exchange::judge(&self.node, command, &output, started.elapsed())
    }

    async fn close(self: Box<Self>, _keep: bool) -> Result<(), HostError> {
        Ok(())
    }
}
