//! `guide`: prints a page of the guide, or which pages there are.

use std::io::Write;

use crate::cli::Guide;
use crate::error::CommandError;
use crate::guide::{PAGES, page};

/// Prints the page about the topic; without one, all topics with a line each.
pub fn run(options: &Guide, out: &mut dyn Write) -> Result<u8, CommandError> {
    if let Some(page) = options.topic.as_deref().and_then(page) {
        out.write_all(page.text().as_bytes())?;
        return Ok(0);
    }
    for page in PAGES {
        writeln!(out, "{:<16} {}", page.topic, page.about())?;
    }
    writeln!(
        out,
        "\n`deployer guide TOPIC` prints a page, `deployer guide TOPIC | less` page by page."
    )?;
    Ok(0)
}
