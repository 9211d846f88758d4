//! Root on this box for single commands: by `sudo`, where we are not root ourselves. The one place where a password is asked
//! for.

use std::fs::File;
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::process;

/// sudo may have been told to forget after a few minutes.
const REFRESH: Duration = Duration::from_secs(30);

/// Keeps sudo from forgetting for as long as this program runs.
static KEEPER: OnceLock<JoinHandle<()>> = OnceLock::new();

/// Why root cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SudoError {
    /// There is no sudo.
    #[error(
        "this needs root for single commands, and there is no `sudo` here: run it as root, or install sudo (as root: `apt-get \
         install sudo`) and let your user use it"
    )]
    Missing,
    /// Nobody can be asked.
    #[error(
        "this needs root for single commands; sudo asks for a password, and {0}. Nothing was done: run it on a terminal, run it \
         as root, or let sudo ask for none (NOPASSWD in /etc/sudoers)"
    )]
    Nobody(&'static str),
    /// sudo said no.
    #[error(
        "sudo gave no root rights, so nothing was done: give the right password, run it as root, or let an administrator allow \
         you sudo"
    )]
    Refused,
    /// sudo asks each time anew.
    #[error(
        "sudo forgets the password at once (timestamp_timeout in /etc/sudoers), so nothing was done: run it as root, or let \
         sudo ask for none (NOPASSWD)"
    )]
    Forgets,
}

/// Whether we are not root ourselves.
pub fn needed() -> bool {
    !rustix::process::geteuid().is_root()
}

/// Whether root can be had without asking anybody.
pub async fn silent() -> bool {
    if !needed() {
        return true;
    }
    let status = quietly(&["-n", "true"]).await;
    status.is_ok_and(|status| status.success())
}

/// Whether somebody must be asked for a password first; fails where nobody can be. Asks nobody.
pub async fn must_ask() -> Result<bool, SudoError> {
    if silent().await {
        keep();
        return Ok(false);
    }
    if quietly(&["-V"]).await.is_err() {
        return Err(SudoError::Missing);
    }
    match Person::look() {
        Person::There => Ok(true),
        Person::Nobody => Err(SudoError::Nobody("there is no terminal to ask on")),
        Person::Elsewhere => Err(SudoError::Nobody(
            "the terminal is not ours in the background",
        )),
    }
}

/// Asks for the password, and keeps sudo from forgetting it. Nothing may be drawn on the terminal meanwhile. There is no
/// deadline: sudo has its own, and restores the terminal.
pub async fn ask() -> Result<(), SudoError> {
    let mut question = sudo(&["-v"]);
    // What sudo and its plug-ins say is seen; standard output is for data. Killed, it would leave the terminal without echo.
    question
        .stdin(Stdio::inherit())
        .stdout(std::io::stderr())
        .kill_on_drop(false);
    if !question.status().await.is_ok_and(|status| status.success()) {
        return Err(SudoError::Refused);
    }
    if !silent().await {
        return Err(SudoError::Forgets);
    }
    keep();
    Ok(())
}

fn keep() {
    if needed() {
        KEEPER.get_or_init(|| {
            tokio::spawn(async {
                loop {
                    tokio::time::sleep(REFRESH).await;
                    // Where it fails the next command that needs root says so.
                    let _ended = quietly(&["-n", "-v"]).await;
                }
            })
        });
    }
}

async fn quietly(arguments: &[&str]) -> std::io::Result<ExitStatus> {
    let mut sudo = sudo(arguments);
    // Ctrl-C is for the deployer: who is asked for root says no by his own word only.
    sudo.stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    sudo.status().await
}

fn sudo(arguments: &[&str]) -> Command {
    let mut command = process::command("sudo");
    command.args(arguments).env("LC_ALL", "C.UTF-8");
    command
}

/// Who could answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Person {
    /// Sits at our terminal.
    There,
    /// There is no terminal.
    Nobody,
    /// Sits at a terminal that another program has now.
    Elsewhere,
}

impl Person {
    /// sudo opens the terminal itself, wherever our input comes from.
    fn look() -> Self {
        if File::options()
            .read(true)
            .write(true)
            .open("/dev/tty")
            .is_err()
        {
            return Self::Nobody;
        }
        let said = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        if in_front(&said) {
            Self::There
        } else {
            Self::Elsewhere
        }
    }
}

/// Whether the process of a `/proc/…/stat` is in its terminal's foreground: its group (the 5th word) is the terminal's (the
/// 8th). Where that is not told, it is taken to be.
fn in_front(stat: &str) -> bool {
    let Some((_, words)) = stat.rsplit_once(") ") else {
        return true;
    };
    let words: Vec<&str> = words.split(' ').collect();
    words.len() <= 5 || words[2] == words[5]
}

#[cfg(test)]
mod tests {
    use super::{SudoError, in_front};

    #[test]
    fn who_is_in_the_background_is_told_by_the_kernel() {
        assert!(in_front("7 (de) ployer) S 1 7 5 34816 7 4194304 0"));
        assert!(!in_front("7 (deployer) S 1 7 5 34816 5 4194304 0"));
        assert!(in_front(""));
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        for error in [
            SudoError::Missing,
            SudoError::Nobody("there is no terminal to ask on"),
            SudoError::Refused,
            SudoError::Forgets,
        ] {
            let words = error.to_string();
            assert!(words.contains("as root"), "{words}");
        }
        let words = SudoError::Nobody("x").to_string();
        assert!(
            words.contains("on a terminal") && words.contains("NOPASSWD"),
            "{words}"
        );
    }
}
