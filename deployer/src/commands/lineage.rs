//! `lineage`: the way of events from sources by topics and streams to sinks, by the inventory alone.

use std::io::Write;

use crate::cli::Lineage;
use crate::error::CommandError;
use crate::prepare::target;
use crate::tell::lineage;

/// Prints it.
pub fn run(options: &Lineage, out: &mut dyn Write) -> Result<u8, CommandError> {
    let (_, topology) = target::read_topology(&options.target)?;
    let flows = lineage::flows(&topology);
    let text = if options.mermaid {
        lineage::mermaid(&flows)
    } else {
        lineage::text(&flows)
    };
    write!(out, "{text}")?;
    Ok(0)
}
