//! The copy of the state that goes onto the nodes: what is in it is known before the steps are done, so that it is the last of
//! them.

use jiff::Timestamp;

use crate::carry_out::turn::Turn;
use crate::cli::Environment;
use crate::error::CommandError;
use crate::host::Connector;
use crate::observe::Planned;
use crate::prepare::{self, recorded};
use crate::reach::connections::{CONNECT_TIMEOUT_RUNNING, Connections};
use crate::receipt::{Copied, Receipt, Secrets};
use crate::report::{Event, Reporter};
use crate::run::Executor as _;
use crate::run::journal::{self, Journal};
use crate::run::keys;
use crate::state_copy::{Seal, State, digest};
use crate::step::{Action, StateMark, sha256};

/// A closed copy, and its mark.
pub type Closed = (String, StateMark);

/// Closes the state as it will be when the plan is done; `None`: the plan writes no copy.
pub async fn of_plan(
    planned: &Planned,
    journal: &Journal,
    by: &str,
) -> Result<Option<Closed>, CommandError> {
    let is_copy = |action: &Action| matches!(action, Action::WriteStateCopy { .. });
    let prepared = &planned.prepared;
    let Some(seal) = prepared.seal.as_ref() else {
        return Ok(None);
    };
    if !planned.plan.actions().any(is_copy) {
        return Ok(None);
    }
    let mut receipt = journal.receipt();
    planned.record_holdings(&mut receipt, true);
    let closing = close(&receipt, &prepared.secrets, seal, journal, by);
    Ok(Some(closing.await?))
}

/// Writes the copy anew onto the nodes, where a verb has changed what is in it.
pub async fn renew(
    verb: &str,
    journal: &Journal,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<(), CommandError> {
    let (receipt, directory) = (journal.receipt(), journal.directory());
    let inventory = recorded::inventory(&receipt).map_err(CommandError::failed)?;
    let seal = prepare::state_copy::read(&inventory, &environment.home);
    let Some(seal) = seal.map_err(CommandError::usage)? else {
        return Ok(());
    };
    let secrets = journal::read_secrets(directory)?;
    let now = digest(&receipt, directory, &secrets, &seal)?;
    if receipt
        .copied
        .as_ref()
        .is_some_and(|last| last.digest == now)
    {
        return Ok(());
    }
    let machines = recorded::machines(&receipt);
    let runtime = environment.runtime_dir.as_deref();
    let connector = Connector::reading(&machines, directory, runtime, &environment.home)?;
    let connections =
        Connections::connect(&connector, &machines, CONNECT_TIMEOUT_RUNNING, reporter).await;
    let turn = Turn::of_reached(
        verb,
        &receipt,
        &connections,
        directory,
        environment,
        reporter,
    );
    let turn = Box::pin(turn).await?;
    let by = environment.who();
    let written = match close(&receipt, &secrets, &seal, journal, &by).await {
        Ok(closed) => write(connections, &receipt, closed, reporter).await,
        Err(error) => Err(error),
    };
    if let Some(turn) = turn {
        turn.end(reporter).await;
    }
    written
}

/// Writes a copy onto the nodes that were reached, and says which were not.
async fn write(
    mut connections: Connections,
    receipt: &Receipt,
    (copy, mark): Closed,
    reporter: &dyn Reporter,
) -> Result<(), CommandError> {
    connections.set_state_copy(copy, mark);
    let action = Action::WriteStateCopy {
        deployment: receipt.name.clone(),
        digest: None,
    };
    for node in connections.nodes() {
        connections.executor().apply(node, &action, &|_| {}).await?;
    }
    for error in connections.unreachable.values() {
        let words =
            format!("{error}; the copy of the state there is older until the next `deployer up`");
        reporter.event(&Event::Warning(words));
    }
    connections.close(true).await
}

/// Closes a state. The receipt knows of the copy before any node does: whoever is behind is another laptop.
pub async fn close(
    receipt: &Receipt,
    secrets: &Secrets,
    seal: &Seal,
    journal: &Journal,
    by: &str,
) -> Result<Closed, CommandError> {
    let directory = journal.directory();
    let digest = digest(receipt, directory, secrets, seal)?;
    let number = journal.receipt().copied.map_or(0, |last| last.number) + 1;
    journal.change(|receipt| {
        let digest = digest.clone();
        receipt.copied = Some(Copied { number, digest });
    })?;
    let text = State::new(receipt, directory, secrets, &keys::texts(directory)?).text()?;
    // To be slow is the sense of it.
    let seal = seal.clone();
    let closing = tokio::task::spawn_blocking(move || seal.close(text.expose()));
    let copy = closing.await??;
    let mark = StateMark {
        version: StateMark::VERSION,
        id: receipt.id.clone(),
        deployment: receipt.name.clone(),
        number,
        digest,
        sha256: sha256(copy.as_bytes()),
        written: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        by: by.to_owned(),
    };
    Ok((copy, mark))
}
