//! `lineage`: the way of events from sources by topics and streams to sinks, by the inventory alone.

use std::io::Write;

use crate::cli::Lineage;
use crate::error::CommandError;
use crate::prepare::target;
use crate::tell::lineage;
use crate::topology::{Ids, Options, Topology};

/// Prints it.
pub fn run(options: &Lineage, out: &mut dyn Write) -> Result<u8, CommandError> {
    let source = target::read_inventory(&options.target)?;
    let wanted = Options {
        cloud: options.target.cloud,
        name: options.target.name.clone(),
    };
    let made = Topology::new(&source.inventory, &wanted, &Ids::default());
    let (topology, _) = made.map_err(CommandError::usage)?;
    let flows = lineage::flows(&topology);
    let text = if options.mermaid {
        lineage::mermaid(&flows)
    } else {
        lineage::text(&flows)
    };
    write!(out, "{text}")?;
    Ok(0)
}
