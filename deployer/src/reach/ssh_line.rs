//! The system's own ssh on the user's terminal.

use std::process::Stdio;

use crate::error::CommandError;
use crate::host::ssh::Route;
use crate::host::{Connector, ssh_program};
use crate::process;

/// Why a program on the terminal did not even begin.
pub fn not_begun(error: &std::io::Error) -> CommandError {
    let advice = match error.kind() {
        std::io::ErrorKind::NotFound => format!(": {}", ssh_program::INSTALL),
        _ => String::new(),
    };
    CommandError::failed(format!("cannot run ssh: {error}{advice}"))
}

/// `-F … destination` for a node.
pub fn ssh_arguments(connector: &Connector, node: &str) -> Result<Vec<String>, CommandError> {
    let Route {
        config,
        destination,
        ..
    } = connector.route(node).ok_or_else(|| {
        CommandError::usage(format!("{node} is this machine: no SSH leads to it"))
    })?;
    Ok(vec![
        "-F".into(),
        config.display().to_string(),
        destination.clone(),
    ])
}

/// A child of ours on the terminal.
pub fn program(program: &str, arguments: &[String]) -> tokio::process::Command {
    let mut command = process::command(program);
    command.args(arguments).stdin(Stdio::inherit());
    command
}
