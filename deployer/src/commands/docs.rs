//! `docs`: the newest documents.

use std::io::Write;
use std::time::Duration;

use crate::cli::{Docs, Environment};
use crate::component::consumer;
use crate::error::CommandError;
use crate::host::{Command, Input};
use crate::report::Reporter;

use super::crew::PATIENCE_FOR_RUNNING;
use super::deployment::Deployment;

/// Prints them as JSON lines, newest first.
pub async fn run(
    options: &Docs,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    let topology = &deployment.topology;
    let tool = consumer::tool(topology).ok_or_else(|| {
        CommandError::usage("this deployment has no CouchDB, so it has no documents")
    })?;
    let node = topology
        .pipeline_node()
        .map(|node| node.name.as_str())
        .unwrap_or_default();
    let mut arguments = vec![
        "--config".into(),
        tool.config,
        "newest".into(),
        "-n".into(),
        options.count.to_string(),
    ];
    if let Some(topic) = &options.topic {
        if !topology.topics.contains_key(topic) {
            let known: Vec<&str> = topology.topics.keys().map(String::as_str).collect();
            return Err(CommandError::usage(format!(
                "there is no topic `{topic}`; there are {}",
                known.join(", ")
            )));
        }
        arguments.extend(["--topic".into(), topic.clone()]);
    }
    let crew = deployment
        .connect(
            [node].into_iter(),
            PATIENCE_FOR_RUNNING,
            environment,
            reporter,
        )
        .await?;
    let command = Command {
        program: tool.program,
        arguments,
        input: Input::Nothing,
        timeout: Duration::from_secs(30),
        root: true,
    };
    let output = crew.host(node)?.run(&command).await?;
    out.write_all(&output.stdout)?;
    if output.status != 0 {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(CommandError::failed(format!(
            "{node}: the documents cannot be read: {said}"
        )));
    }
    crew.close(true).await?;
    Ok(0)
}
