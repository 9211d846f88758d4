//! Machines: what the box lacks to make them, and making them.

use crate::carry_out::steps;
use crate::cloud::{Applied, needs};
use crate::error::CommandError;
use crate::observe::record::record_planned;
use crate::observe::{CloudState, Observed};
use crate::reach::clouds::Clouds;
use crate::reach::{clouds, root};
use crate::report::{Event, Reporter};
use crate::run::journal::Journal;
use crate::run::runner::Stop;

/// Gets what the box lacks, after saying so.
pub async fn provide(clouds: &Clouds, reporter: &dyn Reporter) -> Result<(), CommandError> {
    for (name, cloud) in clouds.iter() {
        let needs = cloud.missing().await?;
        let (by_apt, by_user): (Vec<_>, Vec<_>) =
            needs.into_iter().partition(|need| need.package.is_some());
        if !by_user.is_empty() {
            let list: String = by_user
                .iter()
                .map(|need| format!("\n    {}", need.what))
                .collect();
            return Err(CommandError::usage(format!(
                "this box cannot carry the cloud `{name}`:{list}"
            )));
        }
        if !by_apt.is_empty() {
            let packages: Vec<&str> = by_apt
                .iter()
                .filter_map(|need| need.package.as_deref())
                .collect();
            reporter.event(&Event::Note(format!(
                "this box lacks {}: installing by apt",
                packages.join(", ")
            )));
            root::ensure("install them", reporter).await?;
            needs::install(&by_apt, &clouds::Shown(reporter)).await?;
        }
    }
    Ok(())
}

/// Makes sure of root on this box for the steps of clouds that need it.
pub async fn authorize(seen: &Observed, reporter: &dyn Reporter) -> Result<(), CommandError> {
    let needs = |state: &&CloudState| state.cloud.needs_root() && !state.plan.steps.is_empty();
    if seen.clouds.iter().any(|state| needs(&state)) {
        root::ensure("make its machines", reporter).await?;
    }
    Ok(())
}

/// Does the steps of all clouds; each machine is in the receipt as soon as it is there.
pub async fn make_machines(
    seen: &Observed,
    journal: &Journal,
    reporter: &dyn Reporter,
    stop: &Stop,
) -> Result<(), CommandError> {
    for state in &seen.clouds {
        let record = |applied: Applied| {
            journal.change(|receipt| {
                receipt.cloud_notes.extend(applied.notes);
                if let Some(machine) = applied.machine {
                    record_planned(receipt, &machine.node, state.name);
                    let node = machine.node.clone();
                    if let Some(record) = receipt.machines.get_mut(&node) {
                        record.machine = Some(machine);
                    }
                }
            })?;
            Ok(())
        };
        steps::apply(
            state.cloud.as_ref(),
            &state.wanted,
            &state.plan.steps,
            &clouds::Noted(journal),
            reporter,
            stop,
            &record,
        )
        .await?;
        // What was pruned is remembered no longer.
        let removed = state
            .wanted
            .remove
            .iter()
            .filter(|node| !state.wanted.machines.contains_key(*node));
        let removed: Vec<String> = removed.cloned().collect();
        if !removed.is_empty() {
            journal.change(|receipt| {
                receipt.machines.retain(|node, _| !removed.contains(node));
                receipt.host_keys.retain(|node, _| !removed.contains(node));
            })?;
        }
    }
    Ok(())
}
