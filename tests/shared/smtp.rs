//! A relay of mail that tests can take away: real SMTP, by Python.

#![allow(
    clippy::disallowed_methods,
    reason = "tests run the box's Python; the agents have no such ban"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::python::environment;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_mins(1);

/// A relay that runs; it ends when this is dropped, and the mails stay in its directory.
pub(crate) struct Relay {
    port: u16,
    child: Child,
}

impl Relay {
    /// Starts one at a port of loopback; 0: of its own choice. `runner` starts programs, such as in the network of a machine. With a
    /// pair of files, a certificate and its key, it speaks only after STARTTLS and a login.
    ///
    /// # Errors
    /// When Python cannot be had.
    pub(crate) fn start(
        directory: &Path,
        port: u16,
        runner: Option<Command>,
        pair: &[&Path],
    ) -> Result<Self, String> {
        let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/shared");
        let python = environment("smtp", &shared.join("smtp-requirements.txt"))?;
        fs::create_dir_all(directory).map_err(|error| error.to_string())?;
        let said = directory.join("port");
        // That of the one before it.
        let _ = fs::remove_file(&said);
        let mut command = match runner {
            Some(mut runner) => {
                runner.arg(python);
                runner
            }
            None => Command::new(python),
        };
        let child = command
            .arg(shared.join("smtp.py"))
            .arg(directory)
            .arg(port.to_string())
            .args(pair)
            .stdin(Stdio::null())
            .spawn();
        let mut relay = Self {
            port,
            child: child.map_err(|error| error.to_string())?,
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let port = fs::read_to_string(&said).unwrap_or_default();
            if let Ok(port) = port.parse() {
                relay.port = port;
                return Ok(relay);
            }
            let ended = relay.child.try_wait().ok().flatten();
            assert!(ended.is_none(), "the relay ended: {ended:?}");
            assert!(Instant::now() < deadline, "the relay does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// The mails that relays with this directory took, in their order.
pub(crate) fn mails(directory: &Path) -> Vec<Value> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "mail"));
    paths.sort();
    let read = |path: PathBuf| fs::read(path).expect("a mail");
    let mails = paths.into_iter().map(read);
    mails
        .map(|mail| serde_json::from_slice(&mail).expect("JSON"))
        .collect()
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
