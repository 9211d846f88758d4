//! What sinks that write to this machine's disk share.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Later, Outcome, Record};

/// Runs what waits for the disk where it holds nobody up.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).flatten()
}

pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panics leaves nothing half done but what is taken out, which is opened anew.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What became of records that were written, but for those that can never be. `written`: from which offset on they were not there.
pub(super) fn settle(records: &[&Record], outcomes: &mut [Outcome], written: &io::Result<i64>) {
    for (record, outcome) in records.iter().zip(outcomes) {
        match written {
            _ if matches!(outcome, Outcome::Never(_)) => {}
            Ok(next) if record.offset < *next => *outcome = Outcome::Already,
            Ok(_) => {}
            Err(error) => *outcome = Outcome::Later(later(error)),
        }
    }
}

pub(super) fn later(error: &io::Error) -> Later {
    let reason = error.to_string();
    match error.kind() {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::InvalidData => Later::Denied(reason),
        _ => Later::Away(reason),
    }
}
