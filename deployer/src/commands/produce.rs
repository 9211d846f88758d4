//! `produce`: starts a new run of the producers.

use std::time::Duration;

use futures_util::future::try_join_all;

use crate::cli::{Environment, Produce};
use crate::component::place::Place;
use crate::component::{self, producer};
use crate::error::CommandError;
use crate::host::{Command, Host, Input};
use crate::report::{Event, Outcome, Reporter};
use crate::topology::Role;

use super::crew::PATIENCE_FOR_RUNNING;
use super::deployment::Deployment;
use super::wait;

/// Stops each service, marks its state so that the next start is a new run, and starts it again. A kill in between leaves a
/// stopped producer, which `up` starts.
pub async fn run(
    options: &Produce,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    let topology = &deployment.topology;
    let all: Vec<&str> = component::producers(topology)
        .map(|node| node.name.as_str())
        .collect();
    let clients: Vec<&str> = all
        .iter()
        .copied()
        .filter(|name| options.client.as_ref().is_none_or(|client| client == name))
        .collect();
    if clients.is_empty() {
        let there = match all.as_slice() {
            [] => "there is none at all".to_owned(),
            all => format!("there are {}", all.join(", ")),
        };
        let named = options.client.iter().map(|client| format!(" `{client}`"));
        return Err(CommandError::usage(format!(
            "there is no producer{} that runs by itself; {there}",
            named.collect::<String>()
        )));
    }
    let nodes: Vec<&str> = match topology.pipeline_node() {
        Some(node) if options.wait => clients
            .iter()
            .copied()
            .chain([node.name.as_str()])
            .collect(),
        _ => clients.clone(),
    };
    let crew = deployment
        .connect(
            nodes.into_iter(),
            PATIENCE_FOR_RUNNING,
            environment,
            reporter,
        )
        .await?;
    let unit = Place::new(topology, Role::Producer).unit();
    let tools = producer::tools(topology);
    try_join_all(clients.iter().map(|client| {
        let (crew, unit, tool) = (&crew, unit.as_str(), &tools[*client]);
        async move {
            let started = std::time::Instant::now();
            let words = "start a new run".to_owned();
            reporter.event(&Event::StepStarted {
                node: Some((*client).into()),
                words: words.clone(),
            });
            let host = crew.host(client)?;
            run_there(client, host, "systemctl", &["stop", unit]).await?;
            run_there(
                client,
                host,
                &tool.program,
                &["--config", &tool.config, "new-run"],
            )
            .await?;
            run_there(client, host, "systemctl", &["start", unit]).await?;
            reporter.event(&Event::StepFinished {
                node: Some((*client).into()),
                words,
                outcome: Outcome::Done,
                took: started.elapsed(),
            });
            Ok::<(), CommandError>(())
        }
    }))
    .await?;
    if options.wait {
        wait::until_stored(&crew, topology, &clients, reporter).await?;
    }
    crew.close(true).await?;
    Ok(0)
}

async fn run_there(
    node: &str,
    host: &dyn Host,
    program: &str,
    arguments: &[&str],
) -> Result<(), CommandError> {
    let command = Command {
        program: program.into(),
        arguments: arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect(),
        input: Input::Nothing,
        timeout: Duration::from_secs(40),
        root: true,
    };
    let output = host.run(&command).await?;
    if output.status == 0 {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let words = arguments.join(" ");
    Err(CommandError::failed(format!(
        "{node}: `{program} {words}` ended with exit code {}: {said}",
        output.status
    ))
    .hint(format!("deployer logs {node}")))
}
