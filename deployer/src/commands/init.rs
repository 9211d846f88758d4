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
    let text = if options.minimal {
        MINIMAL
    } else {
        inventory::DEFAULT
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
