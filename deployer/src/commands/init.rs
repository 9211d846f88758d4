//! `init`: writes an inventory to begin with.

use std::fs::OpenOptions;
use std::io::Write as _;

use crate::cli::Init;
use crate::error::CommandError;
use crate::inventory;

const MINIMAL: &str = include_str!("../../../inventory/minimal.yaml");

/// Writes the file; never over another one.
pub fn run(options: &Init, out: &mut dyn std::io::Write) -> Result<u8, CommandError> {
    let file = &options.file;
    let mut all = inventory::BUILT_IN.into_iter();
    let built_in = all.find(|(name, _)| *name == options.like);
    let text = if options.minimal {
        MINIMAL
    } else if let Some((_, text)) = built_in {
        text
    } else {
        let names = inventory::BUILT_IN.map(|(name, _)| name);
        return Err(CommandError::usage(format!(
            "--like {}: built in are {}",
            options.like,
            names.join(", ")
        )));
    };
    let mut opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(file)
        .map_err(|error| {
            CommandError::usage(format!("cannot make {}: {error}", file.display()))
                .hint("name another file: deployer init FILE")
        })?;
    opened.write_all(text.as_bytes())?;
    writeln!(
        out,
        "{} is written; next: deployer plan --inventory {}",
        file.display(),
        file.display()
    )?;
    Ok(0)
}
