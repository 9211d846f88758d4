//! `docs`: the newest documents.

use std::io::Write;
use std::time::Duration;

use crate::cli::{Docs, Environment};
use crate::component::consumer;
use crate::error::CommandError;
use crate::host::{Command, Input};
use crate::report::Reporter;
use crate::topology::Topology;

use super::crew::{Crew, PATIENCE_FOR_RUNNING};
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
    if let Some(topic) = &options.topic
        && !topology.topics.contains_key(topic)
    {
        let known: Vec<&str> = topology.topics.keys().map(String::as_str).collect();
        return Err(CommandError::usage(format!(
            "there is no topic `{topic}`; there are {}",
            known.join(", ")
        )));
    }
    let node = topology.pipeline_node().map(|node| node.name.as_str());
    let crew = deployment
        .connect(
            node.into_iter(),
            PATIENCE_FOR_RUNNING,
            environment,
            reporter,
        )
        .await?;
    let documents = newest(&crew, topology, options.count, options.topic.as_deref()).await?;
    out.write_all(documents.as_bytes())?;
    crew.close(true).await?;
    Ok(0)
}

/// The newest documents of a topic, or of all, as JSON lines, newest first.
pub async fn newest(
    crew: &Crew,
    topology: &Topology,
    count: u32,
    topic: Option<&str>,
) -> Result<String, CommandError> {
    let (Some(tool), Some(node), Some(_)) = (
        consumer::tool(topology),
        topology.pipeline_node(),
        topology.couchdb_url(),
    ) else {
        return Err(CommandError::usage(
            "this deployment has no CouchDB, so it has no documents",
        ));
    };
    let mut arguments = vec![
        "--config".into(),
        tool.config,
        "newest".into(),
        "-n".into(),
        count.to_string(),
    ];
    if let Some(topic) = topic {
        arguments.extend(["--topic".into(), topic.into()]);
    }
    let command = Command {
        program: tool.program,
        arguments,
        input: Input::Nothing,
        timeout: Duration::from_secs(30),
        root: true,
    };
    let output = crew.host(&node.name)?.run(&command).await?;
    if output.status == 0 {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(CommandError::failed(format!(
        "{}: the documents cannot be read: {said}",
        node.name
    )))
}
