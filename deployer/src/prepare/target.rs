//! Which deployment a command is about.

use std::path::{Path, PathBuf};

use crate::cli::{Environment, Target};
use crate::error::CommandError;
use crate::inventory::{self, Inventory};
use crate::run::journal::{self, Entry, Journal, Mode};
use crate::topology::{CloudName, Ids, Options, Topology};

/// The usual place of the inventory.
const USUAL: &str = "inventory/utilization.yaml";

/// An inventory with its text and where it came from.
#[derive(Clone)]
pub struct Source {
    /// The file, or words for the built-in one.
    pub file: String,
    /// The text.
    pub text: String,
    /// What it says.
    pub inventory: Inventory,
}

/// Reads the inventory: the one given as a text, the one named, by its file or as one that is built in, else the usual one, else the one
/// built in.
pub fn read_inventory(target: &Target) -> Result<Source, CommandError> {
    let usual = Path::new(USUAL);
    let (file, bytes) = match (&target.text, &target.inventory) {
        (Some(text), _) => ("the receipt's inventory".into(), text.clone().into_bytes()),
        (None, Some(path)) => match built_in(path) {
            Some(text) => (
                format!("{} (built in)", path.display()),
                text.as_bytes().to_vec(),
            ),
            None => (path.display().to_string(), read(path)?),
        },
        (None, None) if usual.is_file() => (USUAL.into(), read(usual)?),
        (None, None) => (
            format!("{USUAL} (built in)"),
            inventory::DEFAULT.as_bytes().to_vec(),
        ),
    };
    let inventory = Topology::read(&bytes, &file, &options(target)).map_err(CommandError::usage)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Source {
        file,
        text,
        inventory,
    })
}

/// Reads the inventory, and what it makes of itself where nothing is recorded yet.
pub fn read_topology(target: &Target) -> Result<(Source, Topology), CommandError> {
    let source = read_inventory(target)?;
    let made = Topology::new(&source.inventory, &options(target), &Ids::default());
    let (topology, _) = made.map_err(CommandError::usage)?;
    Ok((source, topology))
}

fn options(target: &Target) -> Options {
    Options {
        cloud: target.cloud,
        name: target.name.clone(),
    }
}

/// The inventory that comes with the binary and is meant by a path, where there is no such file.
fn built_in(path: &Path) -> Option<&'static str> {
    let mut all = inventory::BUILT_IN.into_iter();
    let (_, text) = all.find(|(name, _)| path == Path::new(name))?;
    (!path.exists()).then_some(text)
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    std::fs::read(path).map_err(|error| {
        CommandError::usage(format!(
            "cannot read the inventory {}: {error}",
            path.display()
        ))
        .hint(format!(
            "deployer init writes one to begin with; built in are {}",
            inventory::BUILT_IN.map(|(name, _)| name).join(", ")
        ))
    })
}

/// Where receipts are kept.
pub fn state_dir(target: &Target, environment: &Environment) -> PathBuf {
    target
        .state_dir
        .clone()
        .unwrap_or_else(|| environment.state_dir.clone())
}

/// The one deployment with a receipt that the options mean.
pub fn existing(target: &Target, environment: &Environment) -> Result<Entry, CommandError> {
    let state_dir = state_dir(target, environment);
    let mut name = target.name.clone();
    let mut cloud = target.cloud;
    if target.inventory.is_some() {
        let source = read_inventory(target)?;
        name = name.or_else(|| Some(source.inventory.name.clone()));
        cloud = cloud.or(Some(source.inventory.cloud));
    }
    let all = journal::list(&state_dir)?;
    let mut fitting: Vec<Entry> = all
        .iter()
        .filter(|entry| name.as_ref().is_none_or(|name| entry.name == *name))
        .filter(|entry| cloud.is_none_or(|cloud| entry.cloud == cloud.name()))
        .cloned()
        .collect();
    match fitting.len() {
        1 => Ok(fitting.remove(0)),
        0 if all.is_empty() => Err(CommandError::failed(format!(
            "there is no deployment in {}",
            state_dir.display()
        ))
        .hint("deployer up makes one")),
        0 => Err(CommandError::usage(format!(
            "no deployment fits; there are:{}",
            listed(&all)
        ))),
        _ => Err(
            CommandError::usage(format!("several deployments fit:{}", listed(&fitting)))
                .hint("say which with --name and --cloud"),
        ),
    }
}

/// The journal of a deployment that has a receipt, locked.
pub fn journal(
    target: &Target,
    environment: &Environment,
    entry: &Entry,
) -> Result<Journal, CommandError> {
    let state_dir = state_dir(target, environment);
    let journal = Journal::open(&state_dir, &entry.name, &entry.cloud, Mode::Existing)?;
    Ok(journal)
}

fn listed(entries: &[Entry]) -> String {
    entries
        .iter()
        .map(|entry| format!("\n    --name {} --cloud {}", entry.name, entry.cloud))
        .collect()
}

/// The cloud's name as the receipt has it.
pub fn cloud_name(text: &str) -> Result<CloudName, CommandError> {
    CloudName::find(text).ok_or_else(|| {
        CommandError::failed(format!(
            "the receipt names the cloud `{text}`, which this build does not know"
        ))
    })
}
