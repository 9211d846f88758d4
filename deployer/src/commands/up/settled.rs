//! Where all is as the inventory says.

use std::time::Instant;

use super::proof::prove;
use crate::carry_out::outcome::Outcome;
use crate::error::CommandError;
use crate::observe::Planned;
use crate::observe::record::update_receipt;
use crate::preflight;
use crate::reach::connections::Connections;
use crate::receipt::Receipt;
use crate::report::{Event, Reporter};
use crate::run::journal::Journal;
use crate::tell::plan_text::owed;

/// Notes what was found and says it. What an earlier `up` changed and nobody proved is proved now.
pub(super) async fn settled(
    planned: Planned,
    connections: &Connections,
    journal: &Journal,
    wait: bool,
    started: Instant,
    reporter: &dyn Reporter,
) -> Result<Outcome, CommandError> {
    journal.change(|receipt| {
        update_receipt(receipt, &planned.prepared);
        planned.record_holdings(receipt, true);
    })?;
    let receipt = journal.receipt();
    remark(&planned, &receipt, started, reporter);
    let proof = if receipt.unproven {
        prove(connections, &planned, journal, reporter).await?
    } else {
        journal.end_changes_of_secrets()?;
        None
    };
    let outcome = Outcome::of(planned, proof, wait, connections, reporter);
    Box::pin(outcome).await
}

/// Says what is not well though nothing is to be done, and that nothing is.
fn remark(planned: &Planned, receipt: &Receipt, started: Instant, reporter: &dyn Reporter) {
    // What is full breaks soon, though nothing is to be done by us.
    for node in planned.prepared.topology.nodes.values() {
        let facts = planned.seen.facts.get(&node.name);
        let full = facts.map_or(Vec::new(), |facts| preflight::full_disks(node, facts));
        for obstacle in full {
            reporter.event(&Event::Warning(obstacle.to_string()));
        }
    }
    for remark in planned.seen.remarks() {
        reporter.event(&Event::Warning(remark.clone()));
    }
    for note in &planned.plan.notes {
        reporter.event(&Event::Note(note.clone()));
    }
    for trouble in &planned.plan.troubles {
        reporter.event(&Event::Warning(trouble.clone()));
    }
    let nodes = match planned.prepared.topology.nodes.len() {
        1 => "1 node".to_owned(),
        nodes => format!("{nodes} nodes"),
    };
    reporter.event(&Event::Note(format!(
        "{nodes}, {}{} ({:.2} s)",
        planned.plan.summary(),
        owed(receipt),
        started.elapsed().as_secs_f64()
    )));
}
