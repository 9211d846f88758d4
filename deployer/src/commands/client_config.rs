//! `client-config`: what a user's program needs, as files.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::cli::{ClientConfig, ClientKind, Environment};
use crate::component::pipeline;
use crate::error::CommandError;
use crate::reach::deployment::Deployment;
use crate::report::{Event, Reporter};

/// Writes them, for the one who calls alone.
pub fn run(
    options: &ClientConfig,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    let (topology, user) = (&deployment.topology, options.user.as_str());
    let known: Vec<&str> = pipeline::users(topology).collect();
    if !known.contains(&user) {
        let there = match known.as_slice() {
            [] => "it has none".to_owned(),
            known => format!("it has {}", known.join(", ")),
        };
        let error = CommandError::usage(format!("the inventory has no user `{user}`; {there}"));
        return Err(error.hint("users are a key of the inventory: deployer guide clients"));
    }
    let secrets = deployment.secrets()?;
    let documents = pipeline::store_address(topology, &deployment.receipt.choices);
    let files = pipeline::client_files(user, topology, &secrets, documents.as_deref());
    let files = files.ok_or_else(|| {
        CommandError::failed(format!("{user} has no password yet")).hint("deployer up makes it")
    })?;
    let directory = options
        .into
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{}-{user}", topology.name)));
    make(&directory)?;
    let wanted = options.kind.map(ClientKind::name);
    let mut names = Vec::new();
    for file in files {
        if file.of.is_none() || wanted.is_none() || file.of == wanted {
            write(&directory.join(file.name), file.text.expose())?;
            names.push(file.name);
        }
    }
    reporter.event(&Event::Note(format!(
        "{} has {}: they hold a password",
        directory.display(),
        names.join(", ")
    )));
    Ok(0)
}

fn failed(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::failed(format!("cannot write {}: {error}", path.display()))
}

fn make(directory: &Path) -> Result<(), CommandError> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(CommandError::usage(format!(
                "{} is there already, and nothing is overwritten",
                directory.display()
            )))
        }
        made => made.map_err(|error| failed(directory, &error)),
    }
}

fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| failed(path, &error))
}
