//! The proof of an `up`.

use crate::carry_out::prove::{self, Proof};
use crate::error::CommandError;
use crate::observe::Planned;
use crate::reach::connections::Connections;
use crate::report::Reporter;
use crate::run::journal::Journal;

/// Canaries that each sender sends when something changed.
const CANARIES: u32 = 20;

/// Proves that events arrive, and notes that nothing is owed any more.
pub(super) async fn prove(
    connections: &Connections,
    planned: &Planned,
    journal: &Journal,
    reporter: &dyn Reporter,
) -> Result<Option<Proof>, CommandError> {
    let topology = &planned.prepared.topology;
    let proof = prove::prove(connections, topology, CANARIES, reporter).await?;
    journal.change(|receipt| receipt.unproven = false)?;
    journal.end_changes_of_secrets()?;
    Ok(proof)
}
