//! The tool on the node that answers for the pipeline: the way by which commands ask for what is stored.

use std::path::Path;
use std::time::Duration;

use crate::cli::Environment;
use crate::component::pipeline::{self, LOG, STORE};
use crate::error::CommandError;
use crate::host::{Bytes, Command, Host, Input, Line, Output, UNTIL_ENDED};
use crate::reach::connections::{CONNECT_TIMEOUT_RUNNING, Connections};
use crate::reach::deployment::Deployment;
use crate::reach::failure::with_password_hint;
use crate::receipt::Secrets;
use crate::report::Reporter;
use crate::step::Tool;
use crate::topology::Topology;

/// The exit code of the tool for a subcommand or an option that it does not know.
const UNKNOWN: i32 = 2;

/// The tool with an open shell on its node.
pub struct PipelineTool<'a> {
    node: &'a str,
    host: &'a dyn Host,
    tool: Tool,
}

/// Connects to the tool's node alone.
pub async fn connect(
    deployment: &Deployment,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<Connections, CommandError> {
    let node = pipeline::node(&deployment.topology);
    deployment
        .connect(
            node.into_iter().map(|node| node.name.as_str()),
            CONNECT_TIMEOUT_RUNNING,
            environment,
            reporter,
        )
        .await
}

impl<'a> PipelineTool<'a> {
    /// The tool of a deployment that stores events, be it as documents or in sinks of other kinds.
    pub fn of(connections: &'a Connections, topology: &'a Topology) -> Result<Self, CommandError> {
        let stores = pipeline::has_store(topology) || !topology.sinks.is_empty();
        let tool = pipeline::tool(topology).filter(|_| stores);
        let (Some(tool), Some(node)) = (tool, pipeline::node(topology)) else {
            return Err(CommandError::usage(format!(
                "this deployment has neither {} nor sinks, so it has no documents",
                STORE.title()
            )));
        };
        Ok(Self {
            node: &node.name,
            host: connections.host(&node.name)?,
            tool,
        })
    }

    /// The tool of a deployment whose topics are asked for, wherever their events go. Its calls read as whom they ask, before
    /// all else: [`PipelineTool::input`].
    pub fn of_log(
        connections: &'a Connections,
        topology: &'a Topology,
        secrets: &Secrets,
    ) -> Result<Self, CommandError> {
        let tool = pipeline::operator_tool(topology, secrets);
        let (Some(tool), Some(node)) = (tool, pipeline::node(topology)) else {
            return Err(CommandError::usage(format!(
                "this deployment has no {}, so it has no topics",
                LOG.title()
            )));
        };
        Ok(Self {
            node: &node.name,
            host: connections.host(&node.name)?,
            tool,
        })
    }

    /// The tool of a deployment that has databases, which are asked whole.
    pub fn of_store(
        connections: &'a Connections,
        topology: &'a Topology,
    ) -> Result<Self, CommandError> {
        if pipeline::has_store(topology) {
            return Self::of(connections, topology);
        }
        let error = CommandError::usage(format!(
            "this deployment has no {}, so it has no databases",
            STORE.title()
        ));
        let sinks: Vec<&str> = topology.sinks.keys().map(String::as_str).collect();
        Err(if sinks.is_empty() {
            error
        } else {
            error.hint(format!(
                "its events are in {}: deployer status counts them, deployer docs shows the newest",
                sinks.join(", ")
            ))
        })
    }

    /// What a call reads that has this to read.
    pub fn input(&self, own: &[u8]) -> Vec<u8> {
        let mut input = self.tool.input("").into_bytes();
        input.extend_from_slice(own);
        input
    }

    /// [`PipelineTool::call`] with the administrator's password, which is in a file on this box.
    pub async fn call_as_admin(
        &self,
        secrets: &Path,
        what: &str,
        words: &[&str],
        input: Input,
        timeout: Duration,
    ) -> Result<Vec<u8>, CommandError> {
        let called = self.call(what, words, input, timeout).await;
        called.map_err(|error| with_password_hint(error, secrets))
    }

    /// Calls it and gives what it printed; `what` are the words for a failure: `the documents cannot be read`.
    pub async fn call(
        &self,
        what: &str,
        words: &[&str],
        input: Input,
        timeout: Duration,
    ) -> Result<Vec<u8>, CommandError> {
        let command = self.command(words, input, timeout);
        let output = self.host.run(&command).await?;
        self.succeeded(what, &output)?;
        Ok(output.stdout)
    }

    /// The same for as long as it takes; `out` gets what it prints as it comes, and `line` what it says.
    pub async fn tell(
        &self,
        what: &str,
        words: &[&str],
        input: Input,
        out: Bytes<'_>,
        line: Line<'_>,
    ) -> Result<(), CommandError> {
        let command = self.command(words, input, UNTIL_ENDED);
        let output = self.host.run_live(&command, out, line).await?;
        self.succeeded(what, &output)
    }

    fn command(&self, words: &[&str], input: Input, timeout: Duration) -> Command {
        let arguments = self.tool.arguments(words.iter().copied());
        Command {
            program: self.tool.program.clone(),
            arguments,
            input,
            timeout,
            root: true,
        }
    }

    fn succeeded(&self, what: &str, output: &Output) -> Result<(), CommandError> {
        if output.status == 0 {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let error = CommandError::failed(format!("{}: {what}: {said}", self.node));
        Err(error.hint(if output.status == UNKNOWN {
            "deployer up brings this version of the agents to the nodes"
        } else {
            "deployer status shows which part is not well"
        }))
    }
}
