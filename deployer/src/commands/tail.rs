//! `tail`: the events of a topic as they come.

use std::io::Stdout;

use crate::cli::{Environment, Tail};
use crate::error::CommandError;
use crate::host::Input;
use crate::reach::deployment::Deployment;
use crate::reach::pipeline_tool::{PipelineTool, connect};
use crate::report::pipe::Pipe;
use crate::report::{Event, Reporter};
use crate::run::runner::Stop;
use crate::tell::live::live;

/// Shows them, a line each, until there were enough or somebody interrupts.
pub async fn run(
    options: &Tail,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut Pipe<Stdout>,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    deployment.require_topic(Some(&options.topic))?;
    let connections = connect(&deployment, environment, reporter).await?;
    let tool = PipelineTool::of_log(&connections, &deployment.topology, &deployment.secrets()?)?;
    let count = options.count.map(|count| count.to_string());
    let mut words = vec!["tail", "--topic", &options.topic];
    if options.from_beginning {
        words.push("--from-beginning");
    }
    if let Some(count) = &count {
        words.extend(["-n", count]);
    }
    let stop = Stop::on_interrupt();
    let shown = live(out, &stop);
    let said = |line: &str| reporter.event(&Event::Note(line.to_owned()));
    // The tool ends with its input, and that with us.
    let what = "the events cannot be read";
    let input = Input::Held(tool.input(b""));
    let work = tool.tell(what, &words, input, &shown, &said);
    if let Some(ended) = stop.unless(1, work).await {
        ended?;
    }
    connections.close(true).await?;
    Ok(0)
}
