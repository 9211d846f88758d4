//! `allow`: lets the address that this box is seen by today use SSH.

use crate::carry_out::{state_copy, steps};
use crate::cli::{Allow, Environment};
use crate::cloud::{Meaning, caller, registry};
use crate::component::pipeline::LOG;
use crate::error::CommandError;
use crate::prepare::{outside, target};
use crate::reach::clouds;
use crate::reach::deployment::Deployment;
use crate::report::{Event, Reporter};
use crate::run::keys::Keys;
use crate::run::runner::Stop;

/// Adds it to what is let in, and changes nothing else.
pub async fn run(
    options: &Allow,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    let by_address = |cloud| {
        let provider = registry::provider(cloud);
        provider.is_ok_and(|row| row.address_url(&deployment.topology.clouds).is_some())
    };
    let clouds = deployment.clouds_that("SSH is let in by address", by_address)?;
    let journal = target::journal(&options.target, environment, &deployment.entry)?;
    let keys = Keys::read(journal.directory())?;
    let topology = &deployment.topology;
    let notes = clouds::Noted(&journal);
    let mut seen = journal.receipt().cloud_notes;
    outside::find(topology, &mut seen, &environment.home, true).await?;
    let seen = outside::notes(&seen);
    journal.change(|receipt| receipt.cloud_notes.extend(seen.clone()))?;
    for name in clouds {
        let cloud = clouds::open(name, topology, journal.directory(), environment).await?;
        let Some(address) = cloud.own_address().await? else {
            continue;
        };
        caller::allow(&notes, address)?;
        let receipt = journal.receipt();
        let wanted = clouds::wanted(name, topology, &receipt, Some(&keys), environment)?;
        let mut plan = cloud.plan(&wanted).await?;
        plan.steps.retain(|step| step.meaning == Meaning::LetIn);
        let (stop, record) = (Stop::on_interrupt(), |_| Ok(()));
        let cloud = cloud.as_ref();
        steps::apply(
            cloud,
            &wanted,
            &plan.steps,
            &notes,
            reporter,
            &stop,
            &record,
        )
        .await?;
        reporter.event(&Event::Note(format!("{address} may use SSH")));
    }
    for (key, address) in seen {
        let node = key.trim_start_matches(outside::SEEN_AS).trim();
        let words = format!("{node} may use {} from {address}", LOG.title());
        reporter.event(&Event::Note(words));
    }
    state_copy::renew("allow", &journal, environment, reporter).await?;
    Ok(0)
}
