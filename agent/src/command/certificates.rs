//! Beginning without the certificates that the system trusts.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Where OpenSSL looks for them instead.
const NONE: &str = "/dev/null";

/// Begins this program again without the system's certificates, unless it began so already. The client inside `couch_rs` reads
/// all of them when it is made, and takes no word against it: 0.1 s of a processor for each call of the deployer, though over
/// http nobody shows one, and over https those that are trusted are in a file of their own. Where it cannot begin again it goes
/// on with them.
pub(super) fn leave_out() {
    // By OpenSSL's own variable it is known that this is done.
    let done = std::env::var_os("SSL_CERT_FILE").is_some_and(|file| file == NONE);
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    if done {
        return;
    }
    let mut words = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    command.args(words);
    command.env("SSL_CERT_FILE", NONE).env("SSL_CERT_DIR", NONE);
    // Comes back only where it failed.
    let error = command.exec();
    tracing::debug!(%error, "cannot begin without the system's certificates");
}
