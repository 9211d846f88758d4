//! A user's box: a directory with inventory and state, and the deployer's binary called there as a user calls it.

use std::process::{Command, Output};
use std::time::Instant;

use super::agents;
use super::clouds_watcher::command;

const BINARY: &str = env!("CARGO_BIN_EXE_deployer");

/// The lines at the end of what a command said that tell why it failed.
const END: usize = 25;

/// A user's box.
pub(crate) struct Desk {
    pub(crate) directory: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Desk {
    /// One without credentials.
    pub(crate) fn bare() -> Self {
        agents::built_beside(BINARY);
        let mut desk = Self {
            directory: tempfile::tempdir().expect("a directory"),
            variables: Vec::new(),
        };
        desk.set("XDG_RUNTIME_DIR", &desk.path(""));
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
        let mut command = self.anywhere(words);
        command.args(["--state-dir", &self.path("state")]);
        command
    }

    /// A command line that says itself where the state is.
    pub(crate) fn anywhere(&self, words: &[&str]) -> Command {
        let mut command = command(BINARY, words);
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
        // Why it failed stands at the end; where a log is cut, its beginning is what stays.
        let lines: Vec<&str> = said.lines().collect();
        let end = lines[lines.len().saturating_sub(END)..].join("\n");
        assert_eq!(
            output.status.code(),
            Some(code),
            "{words:?} ended with:\n{end}\n\nall of it:\n{said}"
        );
        said
    }

    /// Runs a command line: how it ended, and what it said.
    pub(crate) fn output(&self, words: &[&str]) -> (Output, String) {
        let start = Instant::now();
        let output = self.command(words).output().expect("the deployer starts");
        let parts = [&output.stderr, &output.stdout];
        let said = parts.map(|part| String::from_utf8_lossy(part)).concat();
        let took = start.elapsed();
        eprintln!("    deployer {} after {took:.1?}", words.join(" "));
        (output, said)
    }
}

impl Drop for Desk {
    /// A test that fails says what there is: nobody will see it again.
    fn drop(&mut self) {
        let state = self.directory.path().join("state");
        let deployments = std::fs::read_dir(state).map_or(0, Iterator::count);
        if std::thread::panicking() && deployments > 0 {
            for words in [&["status"][..], &["logs", "kafka"], &["logs", "consumer"]] {
                let (_, said) = self.output(words);
                eprintln!("{said}");
            }
        }
    }
}

/// Fails unless all of these words were said.
#[track_caller]
pub(crate) fn says(said: &str, words: &[&str]) {
    for words in words {
        assert!(said.contains(words), "`{words}` is missing:\n{said}");
    }
}
