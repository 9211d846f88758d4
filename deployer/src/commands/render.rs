//! `render`: every file that `up` would put on the nodes, in a directory, secrets left out.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;

use crate::cli::{Environment, Render};
use crate::error::CommandError;
use crate::prepare::prepared::Prepared;
use crate::step::Action;

/// Writes `DIR/<node>/<path>`. The directory must be new or empty.
pub async fn run(
    options: &Render,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let prepared = Prepared::new(
        &options.target,
        options.agents.as_deref(),
        false,
        environment,
    )
    .await?;
    let directory = &options.directory;
    let cannot = |error: std::io::Error| {
        CommandError::failed(format!(
            "cannot write below {}: {error}",
            directory.display()
        ))
    };
    fs::create_dir_all(directory).map_err(cannot)?;
    if fs::read_dir(directory).map_err(cannot)?.next().is_some() {
        return Err(
            CommandError::usage(format!("{} is not empty", directory.display()))
                .hint("name a new directory"),
        );
    }
    let desired = prepared.desired(&BTreeMap::new(), &BTreeMap::new())?;
    let mut written = 0;
    for stage in &desired.stages {
        for (node, actions) in &stage.queues {
            for action in actions {
                let (Action::WriteFile { path, content, .. }
                | Action::SeedFile { path, content, .. }) = action
                else {
                    continue;
                };
                let file = directory.join(node).join(path.trim_start_matches('/'));
                if let Some(parent) = file.parent() {
                    fs::create_dir_all(parent).map_err(cannot)?;
                }
                let text = if content.secret {
                    "(secret: left out)\n"
                } else {
                    &content.text
                };
                fs::write(&file, text).map_err(cannot)?;
                written += 1;
            }
        }
    }
    writeln!(out, "{written} files are in {}", directory.display())?;
    Ok(0)
}
