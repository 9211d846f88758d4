//! The proof of an `up`.

use std::time::Duration;

use crate::carry_out::prove::{self, Proof};
use crate::component::pipeline::{self, STORE};
use crate::error::CommandError;
use crate::host::Input;
use crate::observe::Planned;
use crate::reach::connections::Connections;
use crate::reach::pipeline_tool::PipelineTool;
use crate::report::Reporter;
use crate::run::journal::{self, Journal, SECRETS_FILE};

/// Canaries that each sender sends when something changed.
const CANARIES: u32 = 20;
/// How long the store may take for its administrator.
const ADMINISTRATOR: Duration = Duration::from_secs(30);

/// Proves that events arrive, and notes that nothing is owed any more.
pub(super) async fn prove(
    connections: &Connections,
    planned: &Planned,
    journal: &Journal,
    reporter: &dyn Reporter,
) -> Result<Option<Proof>, CommandError> {
    let topology = &planned.prepared.topology;
    let proof = prove::prove(connections, topology, CANARIES, reporter).await?;
    new_passwords_count(connections, planned, journal).await?;
    journal.change(|receipt| receipt.unproven = false)?;
    journal.end_changes_of_secrets()?;
    Ok(proof)
}

/// Asks the store as its administrator, where one of its secrets is a new one: what was changed in the store itself may count more.
async fn new_passwords_count(
    connections: &Connections,
    planned: &Planned,
    journal: &Journal,
) -> Result<(), CommandError> {
    let topology = &planned.prepared.topology;
    let secrets = journal::read_secrets(journal.directory())?;
    let mut former = secrets.all_former();
    let changes = former.any(|(component, ..)| component == STORE.name());
    if !changes || !pipeline::has_store(topology) {
        return Ok(());
    }
    let tool = PipelineTool::of_store(connections, topology)?;
    let credentials = pipeline::credentials(&secrets).to_string();
    let (input, what) = (
        Input::Bytes(credentials.into_bytes()),
        "the new password is not in use",
    );
    let file = journal.directory().join(SECRETS_FILE);
    let asked = tool.call_as_admin(&file, what, &["databases"], input, ADMINISTRATOR);
    asked.await.map(|_| ())
}
