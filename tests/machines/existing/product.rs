//! The deployer as a user calls it: a program with a home, an inventory and a state directory of its own.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::agents;

/// No command may take longer, in seconds.
const LIMIT: &str = "240";
/// The program under test.
pub(super) const PROGRAM: &str = env!("CARGO_BIN_EXE_deployer");

/// A user's files.
pub(super) struct Product {
    files: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
    pub(super) took: Duration,
}

impl Product {
    /// A user with this inventory.
    pub(super) fn new(inventory: &str) -> Self {
        agents::built_beside(PROGRAM);
        let files = tempfile::tempdir().expect("a directory");
        let product = Self { files };
        std::fs::create_dir_all(product.home().join(".ssh")).expect("a home");
        std::fs::create_dir_all(product.files.path().join("run")).expect("a directory");
        product.set_inventory(inventory);
        product
    }

    pub(super) fn set_inventory(&self, text: &str) {
        std::fs::write(self.inventory(), text).expect("an inventory");
    }

    pub(super) fn home(&self) -> PathBuf {
        self.files.path().join("home")
    }

    pub(super) fn inventory(&self) -> PathBuf {
        self.files.path().join("inventory.yaml")
    }

    pub(super) fn state(&self) -> PathBuf {
        self.files.path().join("state")
    }

    /// How many places for connections are left on the box.
    pub(super) fn connections(&self) -> usize {
        let directory = self.files.path().join("run/deployer");
        std::fs::read_dir(directory).map_or(0, Iterator::count)
    }

    fn command(&self, program: &[&str], arguments: &[&str]) -> Command {
        let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
            || Path::new(&std::env::var_os("HOME").expect("a home")).join(".cache"),
            PathBuf::from,
        );
        let mut command = Command::new(program[0]);
        command
            .args(&program[1..])
            .args(arguments)
            .arg("--inventory")
            .arg(self.inventory())
            .arg("--state-dir")
            .arg(self.state())
            .env("HOME", self.home())
            .env("XDG_CACHE_HOME", cache)
            .env("XDG_RUNTIME_DIR", self.files.path().join("run"))
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(super) fn run(&self, arguments: &[&str]) -> Ran {
        let started = Instant::now();
        let bounded = ["timeout", "-k", "5", LIMIT, PROGRAM];
        let output = self.command(&bounded, arguments).output();
        let output = output.expect("it runs");
        let took = started.elapsed();
        println!("deployer {}: {took:.1?}", arguments.join(" "));
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            took,
        }
    }

    /// Runs a command that has to end with this exit code.
    pub(super) fn expect(&self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}\n{}\n{}", ran.out, ran.err);
        ran
    }

    /// Starts a command that goes on until it is killed.
    pub(super) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(&[PROGRAM], arguments);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.process_group(0).spawn();
        Running(child.expect("it runs"))
    }

    /// Kills a command after a while, if it has not ended by then.
    pub(super) fn kill_after(&self, after: Duration, arguments: &[&str]) {
        let running = self.start(arguments);
        std::thread::sleep(after);
        drop(running);
    }

    /// Kills a command when it says these words; it has to.
    pub(super) fn kill_at(&self, words: &str, arguments: &[&str]) {
        let mut command = self.command(&["timeout", LIMIT, PROGRAM], arguments);
        let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut running = Running(command.process_group(0).spawn().expect("it runs"));
        let said = running.0.stderr.take().expect("its messages");
        let mut lines = BufReader::new(said).lines().map_while(Result::ok);
        assert!(
            lines.any(|line| line.contains(words)),
            "{arguments:?} never said `{words}`"
        );
    }

    /// Documents of a topic.
    pub(super) fn documents(&self, topic: &str) -> usize {
        let docs = self.expect(0, &["docs", "-n", "1000", "--topic", topic]);
        docs.out.lines().count()
    }
}

/// A running command; killed at the end with what it started.
pub(super) struct Running(Child);

impl Running {
    /// Asks the command alone to end, as `kill` does.
    pub(super) fn terminate(&self) {
        let process = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("it runs");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.0);
        let _ended_already =
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ended_already = self.0.wait();
    }
}

impl Ran {
    /// Has all of these words among its messages.
    pub(super) fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not in\n{}", self.err);
        }
    }
}
