//! A user's box, with the binary as a user calls it.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::openstack::OpenStack;
use super::proxy::Proxy;
use super::watcher::command;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_deployer");

/// A user's box. It knows one deployment.
pub(crate) struct Desk<'a> {
    directory: tempfile::TempDir,
    cloud: &'a OpenStack,
    clouds: PathBuf,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(cloud: &'a OpenStack) -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
            cloud,
            clouds: cloud.clouds.clone(),
        }
    }

    /// From now on everything goes through the proxy.
    pub(crate) fn behind(&mut self, proxy: &Proxy) {
        let text = std::fs::read_to_string(&self.cloud.clouds).expect("credentials");
        self.clouds = self.directory.path().join("clouds.yaml");
        std::fs::write(&self.clouds, proxy.before(&text)).expect("credentials");
    }

    /// A command line.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = command(BINARY, words);
        command
            .args(["--state-dir", &self.path("state")])
            .env("XDG_RUNTIME_DIR", self.directory.path())
            .env("OS_CLIENT_CONFIG_FILE", &self.clouds)
            .env("OS_CLOUD", "alice");
        command
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Writes an inventory; its path.
    pub(crate) fn write(&self, inventory: &str) -> String {
        let path = self.path("inventory.yaml");
        std::fs::write(&path, inventory).expect("an inventory");
        path
    }

    /// Runs a command line; fails unless it ends with this code. Returns what it said.
    pub(crate) fn run(&self, code: i32, words: &[&str]) -> String {
        let start = Instant::now();
        let output = self.command(words).output().expect("the deployer starts");
        let said = said(&output);
        eprintln!(
            "    deployer {} after {:?}",
            words.join(" "),
            start.elapsed()
        );
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        said
    }

    /// What `status` says once all is well: machines of a busy box do not always answer within its three seconds.
    pub(crate) fn well(&self) -> String {
        let start = Instant::now();
        loop {
            let output = self.command(&["status"]).output().expect("it starts");
            let said = said(&output);
            if output.status.success() {
                assert!(said.contains("all is well"), "{said}");
                return said;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "{said}");
        }
    }

    /// Where a node believes another one of a deployment to be.
    pub(crate) fn believes(&self, node: &str, name: &str) -> String {
        let state = self.path("state");
        let words = [
            "ssh",
            node,
            "--state-dir",
            &state,
            "--",
            "getent",
            "ahostsv4",
            name,
        ];
        let output = command(BINARY, &words)
            .env("XDG_RUNTIME_DIR", self.directory.path())
            .output()
            .expect("the deployer starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{node}: {said}");
        let address = String::from_utf8_lossy(&output.stdout);
        let first = address.split_whitespace().next();
        first.unwrap_or_default().to_owned()
    }
}

/// All that a command said.
fn said(output: &Output) -> String {
    let parts = [&output.stderr, &output.stdout];
    parts.map(|part| String::from_utf8_lossy(part)).concat()
}

#[track_caller]
pub(crate) fn says(said: &str, words: &[&str]) {
    for words in words {
        assert!(said.contains(words), "`{words}` is missing:\n{said}");
    }
}
