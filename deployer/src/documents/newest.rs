//! The newest documents.

use std::time::Duration;

use crate::error::CommandError;
use crate::host::Input;
use crate::reach::connections::Connections;
use crate::reach::pipeline_tool::PipelineTool;
use crate::topology::Topology;

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
