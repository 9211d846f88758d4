//! What sinks that write to this machine's disk share.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Later;

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
