//! `docs`: the newest documents.

use std::io::{Stdout, Write as _};

use crate::cli::{Docs, Environment};
use crate::documents::newest::newest;
use crate::documents::table::table;
use crate::error::CommandError;
use crate::few::few;
use crate::reach::deployment::Deployment;
use crate::reach::pipeline_tool::connect;
use crate::report::pipe::Pipe;
use crate::report::{Event, Reporter};

/// Prints them, newest first, as JSON lines or as a table.
pub async fn run(
    options: &Docs,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut Pipe<Stdout>,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    let topic = options.topic.as_deref();
    deployment.require_topic(topic)?;
    let connections = connect(&deployment, environment, reporter).await?;
    let documents = newest(&connections, &deployment.topology, options.count, topic).await?;
    if options.table {
        let (text, left) = table(&documents, out.width())?;
        if !documents.is_empty() {
            out.write_all(text.as_bytes())?;
        }
        if !left.is_empty() {
            reporter.event(&Event::Note(format!(
                "the terminal has no room for {}",
                few(&left, 5)
            )));
        }
    } else {
        out.write_all(documents.as_bytes())?;
    }
    connections.close(true).await?;
    Ok(0)
}
