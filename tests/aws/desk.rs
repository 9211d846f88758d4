//! A user's box: a directory with inventory and state, and the deployer's binary called there as a user calls it.

use std::process::{Command, Output};
use std::time::Instant;

use super::agents;
use super::watcher::command;

const BINARY: &str = env!("CARGO_BIN_EXE_deployer");

/// What of the caller's environment would lead to an account of somebody.
const NOT_OURS: [&str; 8] = [
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

/// A user's box.
pub(crate) struct Desk {
    pub(crate) directory: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Desk {
    /// One with credentials for moto.
    pub(crate) fn new() -> Self {
        agents::built_beside(BINARY);
        let mut desk = Self {
            directory: tempfile::tempdir().expect("a directory"),
            variables: Vec::new(),
        };
        desk.set("XDG_RUNTIME_DIR", &desk.path(""));
        desk.set("AWS_ACCESS_KEY_ID", "test");
        desk.set("AWS_SECRET_ACCESS_KEY", "test");
        desk.set("AWS_CONFIG_FILE", &desk.path("none"));
        desk.set("AWS_SHARED_CREDENTIALS_FILE", &desk.path("none"));
        desk.set("AWS_EC2_METADATA_DISABLED", "true");
        desk
    }

    /// Sets a variable of the environment for all commands to come; an empty one is unset.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.into(), value.into()));
    }

    /// A path of the box.
    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Writes a file; its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// A command line.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = self.bare(words);
        command.args(["--state-dir", &self.path("state")]);
        command
    }

    /// A command line that says itself where the state is.
    pub(crate) fn bare(&self, words: &[&str]) -> Command {
        let mut command = command(BINARY, words);
        for name in NOT_OURS {
            command.env_remove(name);
        }
        for (name, value) in &self.variables {
            if value.is_empty() {
                command.env_remove(name);
            } else {
                command.env(name, value);
            }
        }
        command
    }

    /// Runs a command line; fails unless it ends with this code. Returns what it said.
    #[track_caller]
    pub(crate) fn run(&self, code: i32, words: &[&str]) -> String {
        let (output, said) = self.output(words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        said
    }

    /// Runs a command line; fails if it does not. Returns what it said.
    #[track_caller]
    pub(crate) fn fails(&self, words: &[&str]) -> String {
        let (output, said) = self.output(words);
        assert!(
            matches!(output.status.code(), Some(1 | 64)),
            "{words:?}: {said}"
        );
        said
    }

    fn output(&self, words: &[&str]) -> (Output, String) {
        let start = Instant::now();
        let output = self.command(words).output().expect("the deployer starts");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
        let took = start.elapsed();
        eprintln!("    deployer {} after {took:.1?}", words.join(" "));
        (output, said)
    }

    /// The only receipt here.
    pub(crate) fn receipt(&self) -> serde_json::Value {
        let state = std::fs::read_dir(self.path("state")).expect("state");
        let mut receipts: Vec<Vec<u8>> = state
            .filter_map(|entry| {
                std::fs::read(entry.expect("an entry").path().join("receipt.json")).ok()
            })
            .collect();
        assert_eq!(receipts.len(), 1);
        serde_json::from_slice(&receipts.remove(0)).expect("JSON")
    }

    /// The id of the only deployment that has a receipt here.
    pub(crate) fn id(&self) -> String {
        self.receipt()["id"].as_str().expect("an id").to_owned()
    }
}

/// Fails unless all of these words were said.
#[track_caller]
pub(crate) fn says(said: &str, words: &[&str]) {
    for words in words {
        assert!(said.contains(words), "`{words}` is missing:\n{said}");
    }
}
