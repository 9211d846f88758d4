//! The SSH client of this box, where we start it ourselves: the crate does that for connections only.

use std::io::ErrorKind;
use std::process::Stdio;

use tokio::process::Command;

/// What to do where there is none.
pub const INSTALL: &str = "install an SSH client (Debian, Ubuntu: `apt-get install openssh-client`) and run the same command again";

/// ssh, which reads nothing and ends with us.
#[expect(
    clippy::disallowed_methods,
    reason = "the crate starts ssh for connections only"
)]
pub(super) fn command() -> Command {
    let mut command = Command::new("ssh");
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Whether there is none.
pub(super) async fn is_lacking() -> bool {
    let version = command().arg("-V").output().await;
    version.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}
