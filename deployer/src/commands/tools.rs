//! The tools that the software of the topics brings along, on a node that has it.

use std::io::{Stdout, Write as _};

use crate::cli::{Environment, Tools};
use crate::component::pipeline::LOG;
use crate::error::CommandError;
use crate::reach::connections::{CONNECT_TIMEOUT_RUNNING, Connections};
use crate::reach::deployment::Deployment;
use crate::reach::own_tool;
use crate::report::Reporter;
use crate::report::pipe::Pipe;
use crate::run::runner::Stop;
use crate::tell::live::live;

/// Runs one on the first node that answers, and hands on its exit code.
pub async fn run(
    options: &Tools,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut Pipe<Stdout>,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    let (name, arguments) = options.tool.call();
    let directory = own_tool::directory();
    let secrets = deployment.secrets()?;
    let tool = LOG
        .own_tool(name, arguments, &directory, &deployment.topology, &secrets)
        .ok_or_else(|| CommandError::usage(format!("{} has no tool `{name}`", LOG.title())))?;
    let (connections, node) = first(&deployment, environment, reporter).await?;
    let stop = Stop::on_interrupt();
    let shown = live(out, &stop);
    let line = |line: &str| {
        // A lost line on a closed error channel cannot be told to anyone.
        let _ = writeln!(std::io::stderr(), "{line}");
    };
    let work = own_tool::run(connections.host(&node)?, tool, &directory, &shown, &line);
    let ended = stop.unless(1, work).await;
    connections.close(true).await?;
    let status = match ended {
        Some(ended) => ended?.status,
        None => 128 + 2,
    };
    Ok(u8::try_from(status).unwrap_or(u8::MAX))
}

/// A connection to the first node with that software that answers.
async fn first(
    deployment: &Deployment,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<(Connections, String), CommandError> {
    let mut refused = None;
    for node in deployment.topology.nodes_with(LOG.name()) {
        let one = [node.name.as_str()].into_iter();
        let connections = deployment
            .connect(one, CONNECT_TIMEOUT_RUNNING, environment, reporter)
            .await?;
        let Err(error) = connections.host(&node.name) else {
            return Ok((connections, node.name.clone()));
        };
        refused = Some(error);
    }
    Err(refused.unwrap_or_else(|| {
        CommandError::usage(format!(
            "this deployment has no node with the role {}",
            LOG.name()
        ))
    }))
}
