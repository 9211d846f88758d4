//! The SSH client of this box, which the crate starts for connections and we for all else.

use std::io::ErrorKind;

use crate::process;

/// What to do where there is none.
pub const INSTALL: &str = "install an SSH client (Debian, Ubuntu: `apt-get install openssh-client`) and run the same command again";

/// What it is called.
pub(super) const NAME: &str = "ssh";

/// Whether there is none.
pub(super) async fn is_lacking() -> bool {
    let version = process::command(NAME).arg("-V").output().await;
    version.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}
