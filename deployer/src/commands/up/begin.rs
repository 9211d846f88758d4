//! What is refused or asked before anything is looked at.

use crate::carry_out::forget::{may_forget, stays};
use crate::carry_out::machines::provide;
use crate::cli::{Environment, Up};
use crate::component::pipeline;
use crate::error::CommandError;
use crate::observe::senders;
use crate::prepare::prepared::Prepared;
use crate::prepare::target;
use crate::reach::clouds::Clouds;
use crate::report::{Reporter, aloud};
use crate::run::journal::{self, Journal};
use crate::tell::prompt::confirm;

/// Prepares, and opens the clouds. All that can be refused without asking anybody is refused here.
pub(super) async fn prepare(
    options: &Up,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<(Prepared, Clouds), CommandError> {
    let prepared = Prepared::new(
        &options.target,
        options.change.agents.as_deref(),
        options.change.prune,
        environment,
    )
    .await?;
    let topology = &prepared.topology;
    if options.wait {
        let clients: Vec<&str> = pipeline::senders(topology)
            .map(|node| node.name.as_str())
            .collect();
        senders::require_end(topology, &clients)?;
    }
    let state_dir = target::state_dir(&options.target, environment);
    let directory = journal::directory(&state_dir, &topology.name, topology.cloud.name());
    let clouds = Clouds::open(topology, &prepared.receipt, &directory, environment).await?;
    provide(&clouds, reporter).await?;
    let asking = format!("ask for {}", pipeline::STORE.title());
    let choosing = Box::pin(prepared.with_choices(reporter));
    let prepared = aloud(reporter, None, &asking, choosing).await?;
    prepared.remark(reporter);
    Ok((prepared, clouds))
}

/// Takes hosts that are dead for ever out of the receipt.
pub(super) async fn forget(
    options: &Up,
    journal: &Journal,
    prepared: &Prepared,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<(), CommandError> {
    if options.forget.is_empty() {
        return Ok(());
    }
    let mut wanted = prepared.topology.nodes.keys();
    if let Some(node) = wanted.find(|node| options.forget.contains(node)) {
        return Err(CommandError::usage(format!(
            "--forget {node}: the inventory names it, so it would be made again"
        ))
        .hint("take it out of the inventory first, or give it another host's address, without --forget"));
    }
    let receipt = journal.receipt();
    let directory = journal.directory();
    may_forget(&options.forget, &receipt, directory, environment, reporter).await?;
    let list: String = options
        .forget
        .iter()
        .map(|node| format!("\n    {}", stays(node, &receipt)))
        .collect();
    let question = format!("These hosts are forgotten, with all that lies on them:{list}\nGo on?");
    confirm(&question, options.yes, reporter)?;
    journal.change(|receipt| {
        receipt
            .machines
            .retain(|node, _| !options.forget.contains(node));
    })?;
    Ok(())
}
