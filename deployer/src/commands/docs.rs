//! `docs`: the newest documents.

use std::io::Write;
use std::time::Duration;

use crate::cli::{Docs, Environment};
use crate::error::CommandError;
use crate::host::Input;
use crate::report::Reporter;
use crate::topology::Topology;

use super::connections::Connections;
use super::deployment::Deployment;
use super::pipeline_tool::{PipelineTool, connect};

/// Prints them as JSON lines, newest first.
pub async fn run(
    options: &Docs,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    let topic = options.topic.as_deref();
    deployment.require_topic(topic)?;
    let connections = connect(&deployment, environment, reporter).await?;
    let documents = newest(&connections, &deployment.topology, options.count, topic).await?;
    out.write_all(documents.as_bytes())?;
    connections.close(true).await?;
    Ok(0)
}

/// The newest documents of a topic, or of all, as JSON lines, newest first.
pub async fn newest(
    connections: &Connections,
    topology: &Topology,
    count: u32,
    topic: Option<&str>,
) -> Result<String, CommandError> {
    let count = count.to_string();
    let mut words = vec!["newest", "-n", &count];
    if let Some(topic) = topic {
        words.extend(["--topic", topic]);
    }
    let what = "the documents cannot be read";
    let tool = PipelineTool::of(connections, topology)?;
    let printed = tool.call(what, &words, Input::Nothing, Duration::from_secs(30));
    Ok(String::from_utf8_lossy(&printed.await?).into_owned())
}
