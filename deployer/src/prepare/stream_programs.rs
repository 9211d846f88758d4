//! The programs of streams, which are looked into before anything is made.

use std::path::Path;

use crate::component::pipeline::{ProgramFault, look_at_program, stream_programs};
use crate::inventory::{Inventory, Problems};
use crate::prepare::login_keys::expanded;

/// Refuses what could never run.
pub(super) fn check(inventory: &Inventory, home: &Path) -> Result<(), Problems> {
    let problems = stream_programs(inventory).into_iter();
    let problems = problems.filter_map(|(file, key, class)| {
        let (message, hint) = fault(&expanded(file, home), class)?;
        Some(inventory.problem(&key, message, Some(hint)))
    });
    Problems::check(problems.collect())
}

fn fault(path: &Path, class: &str) -> Option<ProgramFault> {
    let shown = path.display().to_string();
    match std::fs::read(path) {
        Ok(content) => look_at_program(&shown, &content, class).err(),
        Err(error) => Some((
            format!("cannot read {shown}: {error}"),
            "name a file of this box: a jar, or a source file of Java".to_owned(),
        )),
    }
}
