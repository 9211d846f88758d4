//! All documents of a deployment, part by part, into one file.
//!
//! Each part is a call of its own, a few megabytes long: nothing larger is ever held, and a call that takes too long is a
//! stall, however long all of them take together.

use std::path::Path;
use std::time::Instant;

use serde::Deserialize;
use serde_json::json;

use crate::cli::Environment;
use crate::component::pipeline;
use crate::contract::DatabaseFound;
use crate::documents::file::{Head, Writing};
use crate::error::CommandError;
use crate::host::Input;
use crate::reach::deployment::Deployment;
use crate::reach::pipeline_tool::{PipelineTool, connect};
use crate::report::{Event, Reporter};
use crate::run::runner::Stop;

use super::step::{STALL, Step};

/// What is read of a document's line.
#[derive(Deserialize)]
struct Line {
    id: String,
    #[serde(default)]
    attachments: bool,
}

/// Writes all documents of a deployment into a file. Interrupted, it leaves none.
pub async fn export(
    deployment: &Deployment,
    path: &Path,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<(), CommandError> {
    let work = write(deployment, path, environment, reporter);
    let done = Stop::on_interrupt().unless(1, work).await;
    done.unwrap_or_else(|| Err(CommandError::interrupted("no file was written")))
}

async fn write(
    deployment: &Deployment,
    path: &Path,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<(), CommandError> {
    let started = Instant::now();
    // What is wrong with the path is said before anything else.
    let mut file = Writing::begin(path)?;
    let secrets = deployment.secrets()?;
    let credentials = pipeline::credentials(&secrets);
    let connections = connect(deployment, environment, reporter).await?;
    let tool = PipelineTool::of_store(&connections, &deployment.topology)?;
    let secrets_file = deployment.secrets_file();
    let input = Input::Bytes(credentials.to_string().into_bytes());
    let what = "the databases cannot be listed";
    let listed = tool
        .call_as_admin(&secrets_file, what, &["databases"], input, STALL)
        .await?;
    let databases: Vec<DatabaseFound> = serde_json::Deserializer::from_slice(&listed)
        .into_iter()
        .collect::<Result<_, _>>()?;
    let names = databases.iter().map(|database| database.name.clone());
    let (name, id) = (&deployment.topology.name, &deployment.receipt.id);
    let partitioned = databases.iter().filter(|database| database.partitioned);
    file.head(&Head {
        partitioned: partitioned.map(|found| found.name.clone()).collect(),
        ..Head::new(name, id, names.collect())
    })?;
    let mut attached = 0;
    for database in &databases {
        let step = Step::begin(format!("export {}", database.name), reporter);
        let what = format!("the documents of {} cannot be read", database.name);
        let (mut after, mut count) = (None, 0);
        loop {
            let part = json!({"couchdb": credentials, "database": database.name, "after": after});
            let input = Input::Bytes(part.to_string().into_bytes());
            let lines = tool
                .call_as_admin(&secrets_file, &what, &["export"], input, STALL)
                .await?;
            let read = serde_json::Deserializer::from_slice(&lines)
                .into_iter()
                .collect::<Result<Vec<Line>, _>>()?;
            attached += read.iter().filter(|line| line.attachments).count();
            let Some(last) = read.last() else { break };
            after = Some(last.id.clone());
            file.documents(&database.name, &lines, read.len() as u64)?;
            count += read.len() as u64;
            step.says(format!("{count} of {}", database.documents.max(count)));
        }
        step.end();
    }
    connections.close(true).await?;
    let (end, size) = file.end()?;
    if attached > 0 {
        reporter.event(&Event::Warning(format!(
            "{attached} documents have attachments, and these are not in the file"
        )));
    }
    reporter.event(&Event::Note(format!(
        "{}: {} documents of {} databases, {} KiB ({:.1} s); `deployer import` writes them into a deployment",
        path.display(),
        end.documents.values().sum::<u64>(),
        end.documents.len(),
        size.div_ceil(1024),
        started.elapsed().as_secs_f64()
    )));
    Ok(())
}
