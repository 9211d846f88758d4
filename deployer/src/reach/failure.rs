//! Failed steps as the user sees them.

use std::path::Path;

use crate::component::{self, pipeline};
use crate::error::CommandError;
use crate::inventory::Inventory;
use crate::run::Failures;
use crate::run::journal;

/// The error that stands for all failed steps of a run of `verb`. What failed once fails again until it is mended.
pub fn failed(failures: &Failures, verb: &str) -> CommandError {
    let blocks: Vec<String> = failures
        .iter()
        .map(|(node, (words, error))| format!("{node}: {words}: {}", chain(error)))
        .collect();
    let mut error = CommandError::failed(blocks.join("\n"));
    for node in failures.keys() {
        error = error.hint(format!("deployer logs {node}"));
    }
    let or = if verb == "up" {
        "; deployer teardown takes all away"
    } else {
        ""
    };
    error.hint(format!(
        "once that is mended, deployer {verb} goes on from here{or}"
    ))
}

/// Says where in the inventory stands what a step on a node refused.
pub fn with_place(error: CommandError, inventory: &Inventory) -> CommandError {
    let said = error.cause.to_string();
    let meant = component::ALL.iter().flat_map(|one| one.meant(&said));
    let places = meant.map(|key| inventory.problem(key, "is what was refused", None));
    let places: Vec<_> = places.collect();
    places
        .into_iter()
        .fold(error, |error, place| error.hint(format!("mend {place}")))
}

/// Says what to do where the store does not take its administrator's password any more: somebody has changed it there.
pub fn with_password_hint(error: CommandError, secrets: &Path) -> CommandError {
    if !error.cause.to_string().contains("HTTP 401") {
        return error;
    }
    let directory = secrets.parent().unwrap_or(secrets);
    let known = journal::read_secrets(directory);
    let is_changing = known.is_ok_and(|known| known.all_former().next().is_some());
    let error = if is_changing {
        error.hint("passwords are being changed: deployer up finishes that")
    } else {
        error
    };
    error.hint(pipeline::password_changed(secrets))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}\n  because: {cause}");
        source = cause.source();
    }
    text
}
