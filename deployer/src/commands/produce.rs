//! `produce`: starts a new run of the senders.

use std::time::Duration;

use futures_util::future::try_join_all;

use crate::cli::{Environment, Produce};
use crate::component::pipeline::{self, SENDER};
use crate::component::place::Place;
use crate::error::CommandError;
use crate::host::{Command, Host, Input};
use crate::observe::senders;
use crate::prepare::target;
use crate::reach::connections::CONNECT_TIMEOUT_RUNNING;
use crate::reach::deployment::Deployment;
use crate::report::{Event, Reporter, StepOutcome};

/// Stops each service, marks its state so that the next start is a new run, and starts it again. A kill in between leaves a
/// stopped sender, which `up` starts.
pub async fn run(
    options: &Produce,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<u8, CommandError> {
    // Nobody else may be at work on it, and the last one must have finished: a run that begins in between is neither.
    let entry = target::existing(&options.target, environment)?;
    let journal = target::journal(&options.target, environment, &entry)?;
    if journal.receipt().unproven {
        return Err(CommandError::failed(format!(
            "the last `up` of {} did not come to its end, so nothing was started",
            entry.name
        ))
        .hint("deployer up finishes it"));
    }
    let deployment = Deployment::open(entry)?;
    let topology = &deployment.topology;
    let all: Vec<&str> = pipeline::senders(topology)
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
            "there is no {}{} that runs by itself; {there}",
            SENDER.title(),
            named.collect::<String>()
        )));
    }
    if options.wait {
        senders::require_end(topology, &clients)?;
    }
    let nodes: Vec<&str> = match pipeline::node(topology) {
        Some(node) if options.wait => clients
            .iter()
            .copied()
            .chain([node.name.as_str()])
            .collect(),
        _ => clients.clone(),
    };
    let connections = deployment
        .connect(
            nodes.into_iter(),
            CONNECT_TIMEOUT_RUNNING,
            environment,
            reporter,
        )
        .await?;
    let place = Place::new(topology, SENDER.name());
    let unit = place.unit();
    let user = place.user();
    let tools = pipeline::senders_tools(topology);
    try_join_all(clients.iter().map(|client| {
        let (connections, unit, tool) = (&connections, unit.as_str(), &tools[*client]);
        let user = user.as_str();
        async move {
            let started = std::time::Instant::now();
            let words = "start a new run".to_owned();
            reporter.event(&Event::StepStarted {
                node: Some((*client).into()),
                words: words.clone(),
            });
            let host = connections.host(client)?;
            run_there(client, host, "systemctl", &["stop", unit]).await?;
            // As the service itself: what it writes must be its own.
            let new_run = [
                "-u",
                user,
                "--",
                &tool.program,
                "--config",
                &tool.config,
                "new-run",
            ];
            run_there(client, host, "runuser", &new_run).await?;
            run_there(client, host, "systemctl", &["start", unit]).await?;
            reporter.event(&Event::StepFinished {
                node: Some((*client).into()),
                words,
                outcome: StepOutcome::Done,
                took: started.elapsed(),
            });
            Ok::<(), CommandError>(())
        }
    }))
    .await?;
    if options.wait {
        let secrets = deployment.secrets()?;
        senders::until_stored(&connections, topology, &secrets, &clients, reporter).await?;
    }
    connections.close(true).await?;
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
