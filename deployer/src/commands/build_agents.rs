//! `build-agents`: makes the agents that run on every supported system.

use std::io::Write;

use crate::artifact::portable;
use crate::cli::{BuildAgents, Environment};
use crate::error::CommandError;
use crate::report::{Event, Reporter};

/// Builds for each kind of machine, one after the other; says what came of it.
pub async fn run(
    options: &BuildAgents,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let line = |line: &str| {
        reporter.event(&Event::StepOutput {
            node: None,
            line: line.into(),
        });
    };
    let into = match &options.into {
        Some(directory) => directory.clone(),
        // Where `up` looks for them.
        None => std::env::current_exe()?.with_file_name("agents"),
    };
    for machine in &options.target {
        let (source, home) = (&options.source, &environment.home);
        let agents = portable::build(source, machine.name(), &into, home, &line).await?;
        for agent in agents.each() {
            let libc = agent
                .libc
                .map_or("none".to_owned(), |libc| libc.to_string());
            let size = std::fs::metadata(&agent.path)?.len();
            let path = agent.path.display();
            writeln!(out, "{path}: {size} bytes, glibc {libc} or newer")?;
        }
    }
    Ok(0)
}
