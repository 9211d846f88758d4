//! Keeps `CouchDB`'s password away from proxies.
//!
//! The HTTP client under `couch_rs` obeys `http_proxy` and its kin, cannot be told otherwise, and would hand the
//! password to the proxy. An environment cannot be changed safely while a program runs, so the program replaces itself
//! (same process id) by one without these variables before it does anything else.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// The variables the HTTP client looks at.
const VARIABLES: [&str; 6] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
];

/// Starts this program again without proxies where one is set; returns at once where none is.
///
/// # Errors
/// When the program cannot be started again.
pub fn leave() -> std::io::Result<()> {
    if !VARIABLES
        .iter()
        .any(|name| std::env::var_os(name).is_some())
    {
        return Ok(());
    }
    let mut arguments = std::env::args_os();
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments);
    for name in VARIABLES {
        command.env_remove(name);
    }
    Err(command.exec())
}
