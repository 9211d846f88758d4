//! `docs`: the newest documents.

use std::io::Write;

use crate::cli::{Docs, Environment};
use crate::documents::newest::newest;
use crate::error::CommandError;
use crate::reach::deployment::Deployment;
use crate::reach::pipeline_tool::connect;
use crate::report::Reporter;

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
