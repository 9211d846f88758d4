//! This machine itself, without sshd.

use std::process::Stdio;
use std::time::Instant;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::moving::Moving;
use super::transport::OwnBytes;
use super::{
    Bytes, Command, Host, HostError, Input, Line, MAX_CHANNELS, Output, exchange, transport,
};
use crate::process::{self, Ear};

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
    async fn run_heard(
        &self,
        command: &Command,
        out: Option<Bytes<'_>>,
        line: Line<'_>,
    ) -> Result<Output, HostError> {
        let _channel = self.channels.acquire().await;
        let started = Instant::now();
        let (moving, input) = match &command.input {
            Input::Nothing => (None, Stdio::null()),
            Input::Bytes(_) | Input::Held(_) => (None, Stdio::piped()),
            Input::Own => (None, Stdio::inherit()),
            Input::File(path) => {
                let opened = Moving::open(path).map_err(|source| HostError::Local {
                    node: self.node.clone(),
                    path: path.clone(),
                    source,
                })?;
                (Some(opened.0), opened.1.into())
            }
        };
        let mut shell = process::command(transport::SHELL);
        shell.args(transport::arguments(command)).stdin(input);
        // A process group of its own: Ctrl-C is for the deployer, which lets the current steps end. From behind, none could read
        // the terminal.
        if !matches!(command.input, Input::Own) {
            shell.process_group(0);
        }
        let child = process::start(&mut shell)
            .map_err(|error| self.failed("cannot start a shell", &error))?;
        let own = exchange::own_lines(line);
        let live = out.map(OwnBytes::new);
        let hear = |bytes: &[u8]| live.iter().for_each(|live| live.hear(bytes));
        let ear = if live.is_some() {
            Ear::Live(&hear)
        } else {
            Ear::Whole
        };
        let run = process::end(child, exchange::bytes(command), ear, &own);
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
            stdout: live.map_or(ended.stdout, OwnBytes::end),
            stderr: ended.stderr,
        };
        exchange::judge(&self.node, command, &output, started.elapsed())
    }

    async fn close(self: Box<Self>, _keep: bool) -> Result<(), HostError> {
        Ok(())
    }
}
