//! The `deployer` binary as a user calls it: with a state directory, a name and an inventory of the test's own. What it made is
//! taken away at the end, however the test ended.

#![expect(
    clippy::disallowed_methods,
    reason = "tests run the binary, and are told of other things by the environment"
)]

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::agents;
use crate::command_line::{Running, Said};
use crate::session::Session;
use crate::support::{gone, processes};

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_deployer");

/// A deployment by the command line.
pub(crate) struct Deployer {
    /// Its name, other than that of any other test.
    pub(crate) name: String,
    /// Where its inventory lies.
    pub(crate) directory: TempDir,
    /// Where its receipt lies.
    pub(crate) state_dir: PathBuf,
    /// Ids it had, to look for what is left.
    ids: Mutex<Vec<String>>,
    variables: Vec<(String, String)>,
    /// Of the shell that calls it.
    umask: &'static str,
    /// The cloud of its machines.
    cloud: &'static str,
    /// The test of this binary that is called in the program's place.
    played_by: Option<&'static str>,
}

/// The arguments of the program where a test is called in its place, as JSON.
pub(crate) const ARGUMENTS: &str = "DEPLOYER_TEST_ARGUMENTS";

impl Deployer {
    /// A deployment that is not there yet, for an inventory without a name.
    pub(crate) fn new(inventory: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        agents::built_beside(BINARY);
        let directory = tempfile::tempdir().expect("a directory");
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let deployer = Self {
            name: format!("t{:x}-{count}", std::process::id()),
            state_dir: directory.path().join("state"),
            directory,
            ids: Mutex::default(),
            variables: Vec::new(),
            umask: "022",
            cloud: "local",
            played_by: None,
        };
        deployer.write(inventory);
        deployer
    }

    /// Another deployment, its receipt beside that of this one or, with its name, elsewhere.
    pub(crate) fn beside(&self, same_name: bool, inventory: &str) -> Self {
        let mut other = Self::new(inventory);
        if same_name {
            other.name.clone_from(&self.name);
        } else {
            other.state_dir.clone_from(&self.state_dir);
        }
        other.write(inventory);
        other
    }

    /// Sets a variable of the environment of all that follows.
    pub(crate) fn with(mut self, variable: &str, value: &str) -> Self {
        self.variables.push((variable.into(), value.into()));
        self
    }

    /// Calls it from a shell that keeps others out of new files.
    pub(crate) fn with_umask(mut self, umask: &'static str) -> Self {
        self.umask = umask;
        self
    }

    /// On another cloud, with a test of this binary that is called in the program's place.
    pub(crate) fn played_by(mut self, test: &'static str, cloud: &'static str) -> Self {
        (self.played_by, self.cloud) = (Some(test), cloud);
        self
    }

    /// Replaces the inventory.
    pub(crate) fn write(&self, inventory: &str) {
        let text = format!("name: {}\n{inventory}", self.name);
        std::fs::write(self.inventory(), text).expect("an inventory");
    }

    /// Where its inventory is.
    pub(crate) fn inventory(&self) -> PathBuf {
        self.directory.path().join("inventory.yaml")
    }

    /// Starts a command line: the verb, then its options. After a `--`, or after `kafka`, only words of another program may follow.
    pub(crate) fn start(&self, words: &[&str]) -> Running {
        self.begin(words, Stdio::null())
    }

    /// Runs a command line that reads this text to its end.
    pub(crate) fn reading(&self, words: &[&str], text: &str) -> Said {
        let file = self.directory.path().join("input");
        // It may be a secret, and this box is looked through for those.
        let mut options = std::fs::OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(0o600);
        let written = opened.open(&file);
        let written = written.and_then(|mut opened| opened.write_all(text.as_bytes()));
        written.expect("an input");
        let file = std::fs::File::open(file).expect("an input");
        self.begin(words, file.into()).finish()
    }

    /// Starts a command line at a terminal.
    pub(crate) fn at_terminal(&self, words: &[&str]) -> Session {
        let command = self.command(words);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let quoted =
            words.map(|word| format!("'{}'", word.to_string_lossy().replace('\'', "'\\''")));
        let quoted: Vec<String> = quoted.collect();
        let mut script = Command::new("script");
        script.args(["-qefc", &quoted.join(" "), "/dev/null"]);
        for (variable, value) in command.get_envs() {
            script.env(variable, value.expect("a value"));
        }
        Session::of(script)
    }

    fn begin(&self, words: &[&str], input: Stdio) -> Running {
        let mut command = self.command(words);
        command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        Running::new(command.spawn().expect("the deployer starts"), words)
    }

    fn command(&self, words: &[&str]) -> Command {
        let position = match words[0] {
            "kafka" => Some(1),
            _ => words.iter().position(|word| *word == "--"),
        };
        let (own, others) = words.split_at(position.unwrap_or(words.len()));
        let path = |path: &Path| path.display().to_string();
        let mut arguments: Vec<String> = own.iter().map(ToString::to_string).collect();
        arguments.extend(["--state-dir".into(), path(&self.state_dir)]);
        match own[0] {
            "up" | "plan" | "check" | "try" => {
                arguments.extend(["--inventory".into(), path(&self.inventory())]);
            }
            // An id, or a name that is given on purpose, says which one is meant.
            _ if own.contains(&"--id") || own.contains(&"--cloud") => {}
            _ => arguments.extend(["--name".into(), self.name.clone()]),
        }
        arguments.extend(others.iter().map(ToString::to_string));
        let mut command = Command::new("sh");
        let call = format!("umask {}; exec \"$0\" \"$@\"", self.umask);
        command.args(["-c", &call]);
        match self.played_by {
            None => command.arg(BINARY).args(arguments),
            Some(test) => command
                .arg(std::env::current_exe().expect("this binary"))
                .args([test, "--exact", "--ignored", "--nocapture"])
                .env(ARGUMENTS, serde_json::to_string(&arguments).expect("JSON")),
        };
        command.env("XDG_RUNTIME_DIR", self.directory.path());
        for (variable, value) in &self.variables {
            command.env(variable, value);
        }
        command
    }

    /// Runs a command line to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Said {
        let said = self.start(words).finish();
        self.remember();
        said
    }

    /// Runs a command on a node by `deployer ssh`, and gives what it printed.
    #[track_caller]
    pub(crate) fn on(&self, node: &str, command: &[&str]) -> String {
        let mut words = vec!["ssh", node, "--"];
        words.extend(command);
        self.run(&words).code(0).out
    }

    /// Ends the connections that earlier command lines left open.
    pub(crate) fn hang_up(&self) {
        let control = self.directory.path().join("deployer");
        let list = |path: &Path| -> Vec<PathBuf> {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).collect()
        };
        let masters = list(&control).into_iter().flat_map(|node| list(&node));
        let masters = masters.map(|place| place.join("master"));
        // One that has ended leaves its place.
        for master in masters.filter(|master| master.exists()) {
            let ended = Command::new("ssh")
                .arg("-S")
                .arg(&master)
                .args(["-O", "exit", "any"])
                .output();
            assert!(
                ended.expect("ssh runs").status.success(),
                "{}",
                master.display()
            );
        }
    }

    /// Where the receipt lies.
    pub(crate) fn receipt_path(&self) -> PathBuf {
        let directory = self.state_dir.join(format!("{}-{}", self.name, self.cloud));
        directory.join("receipt.json")
    }

    /// The receipt.
    pub(crate) fn receipt(&self) -> Value {
        let text = std::fs::read(self.receipt_path()).expect("a receipt");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// Where its secrets lie.
    pub(crate) fn secrets_path(&self) -> PathBuf {
        self.receipt_path().with_file_name("secrets.json")
    }

    /// Its secrets.
    pub(crate) fn secrets(&self) -> Value {
        let text = std::fs::read(self.secrets_path()).expect("secrets");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// The deployment's id.
    pub(crate) fn id(&self) -> String {
        let id = self.receipt()["id"].as_str().expect("an id").to_owned();
        self.remember();
        id
    }

    /// The deployment's directory on the box.
    pub(crate) fn place(&self) -> PathBuf {
        Path::new("/var/lib/deployer/local").join(self.id())
    }

    fn remember(&self) {
        let Ok(text) = std::fs::read(self.receipt_path()) else {
            return;
        };
        let receipt: Value = serde_json::from_slice(&text).unwrap_or_default();
        if let Some(id) = receipt["id"].as_str() {
            let mut ids = self.ids.lock().expect("ids");
            if !ids.iter().any(|known| known == id) {
                ids.push(id.into());
            }
        }
    }

    /// Takes the deployment away, and looks for what is left without asking the binary.
    pub(crate) fn teardown(&self) -> Said {
        self.remember();
        let said = self.run(&["teardown", "--yes"]).code(0);
        self.assert_gone();
        said.says(&["nothing is left"])
    }

    /// Fails when anything of the deployment can be found on this box.
    pub(crate) fn assert_gone(&self) {
        for id in self.ids.lock().expect("ids").iter() {
            gone(id);
        }
        let left = self.receipt_path().parent().map(Path::exists);
        assert_eq!(left, Some(false), "the receipt's directory is left");
        let control = self.directory.path().join("deployer");
        let kept = std::fs::read_dir(&control).map_or(0, Iterator::count);
        assert_eq!(kept, 0, "connections are left in {}", control.display());
        let processes = processes(self.directory.path().to_str().expect("a plain path"));
        assert_eq!(processes, Vec::<i32>::new(), "processes are left");
    }
}

impl Drop for Deployer {
    /// By the binary where it can, and by force where it cannot. What a failed test's machines have to say goes with them, so it
    /// is shown first.
    fn drop(&mut self) {
        self.remember();
        if std::thread::panicking() && self.receipt_path().exists() {
            for words in [&["status"][..], &["logs", "kafka"], &["logs", "consumer"]] {
                let said = self.start(words).wait(Duration::from_mins(1));
                say(&format!("{}: {}", words.join(" "), said.all()));
            }
        }
        let ids = self.ids.lock().map(|ids| ids.clone()).unwrap_or_default();
        for id in ids {
            if !Path::new("/var/lib/deployer/local").join(&id).exists() {
                continue;
            }
            let said = self
                .start(&["teardown", "--yes", "--cloud", self.cloud, "--id", &id])
                .wait(Duration::from_mins(1));
            if said.code != Some(0) {
                say(&format!("teardown of {id} by force: {}", said.all()));
                crate::support::remove_by_force(&id);
            }
        }
    }
}

/// Runs a named part of a test and says how long it took.
pub(crate) fn subtest<T>(name: &str, body: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    say(&format!("… {name}"));
    let result = body();
    say(&format!(
        "ok {name}: {:.1} s",
        started.elapsed().as_secs_f64()
    ));
    result
}

/// Says something that is seen without `--nocapture`.
pub(crate) fn say(words: &str) {
    let _nobody_reads = writeln!(std::io::stderr(), "  {words}");
}
