//! The call that lets the next start begin a new run.

use serde::Serialize;

use super::{ProducerError, State, StateDirectory};
use crate::config::ProducerConfig;

/// What `new-run` prints.
#[derive(Debug, Serialize)]
pub struct NewRun {
    client: String,
    run: String,
}

/// Marks the state so that the next start begins a new run.
///
/// # Errors
/// When the producer is running, or the state cannot be written.
pub fn new_run(config: &ProducerConfig) -> Result<NewRun, ProducerError> {
    let directory = StateDirectory::open(&config.state.directory)?;
    // Without a state that can be read, all of the spool is sent again: what is there already stays as it is.
    let found = directory.load().ok().flatten();
    let state = found.map_or_else(|| State::new(config, 0), |found| found.followed(config));
    directory.save(&state)?;
    Ok(NewRun {
        client: config.client.clone(),
        run: state.run,
    })
}
