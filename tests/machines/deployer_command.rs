//! The `deployer` binary as a user calls it: with a state directory, a name and an inventory of the test's own. What it made is
//! taken away at the end, however the test ended.

#![expect(
    clippy::disallowed_methods,
    reason = "tests run the binary, and are told of other things by the environment"
)]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{gone, processes};

/// No command line of these tests may take longer.
const DEADLINE: Duration = Duration::from_mins(4);

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_deployer");

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
}

/// What a command line said.
#[derive(Debug)]
pub(crate) struct Said {
    /// The exit code; `None`: it was killed.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Said {
    /// Fails unless the command line ended with this exit code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.all());
        self
    }

    /// Fails unless all these words were said.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for words in words {
            let said = self.out.contains(words) || self.err.contains(words);
            assert!(said, "`{words}` is missing:\n{}", self.all());
        }
        self
    }

    /// Fails when one of these words was said.
    #[track_caller]
    pub(crate) fn never_says(self, words: &[&str]) -> Self {
        for words in words {
            let said = self.out.contains(words) || self.err.contains(words);
            assert!(!said, "`{words}` was said:\n{}", self.all());
        }
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}:\n{}", self.all()))
    }

    fn all(&self) -> String {
        let Self { out, err, .. } = self;
        format!("{err}{out}({:?} after {:?})", self.code, self.took)
    }
}

impl Deployer {
    /// A deployment that is not there yet, for an inventory without a name.
    pub(crate) fn new(inventory: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        agents();
        let directory = tempfile::tempdir().expect("a directory");
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let deployer = Self {
            name: format!("t{:x}-{count}", std::process::id()),
            state_dir: directory.path().join("state"),
            directory,
            ids: Mutex::default(),
            variables: Vec::new(),
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

    /// Replaces the inventory.
    pub(crate) fn write(&self, inventory: &str) {
        let text = format!("name: {}\n{inventory}", self.name);
        std::fs::write(self.inventory(), text).expect("an inventory");
    }

    fn inventory(&self) -> PathBuf {
        self.directory.path().join("inventory.yaml")
    }

    /// Starts a command line: the verb, then its options. After a `--` only words of another program may follow.
    pub(crate) fn start(&self, words: &[&str]) -> Running {
        let mut command = Command::new(BINARY);
        let position = words.iter().position(|word| *word == "--");
        let (own, others) = words.split_at(position.unwrap_or(words.len()));
        command.args(own).arg("--state-dir").arg(&self.state_dir);
        match own[0] {
            "up" | "plan" | "check" => command.arg("--inventory").arg(self.inventory()),
            // An id, or a name that is given on purpose, says which one is meant.
            _ if own.contains(&"--id") || own.contains(&"--cloud") => &mut command,
            _ => command.args(["--name", &self.name]),
        };
        command
            .args(others)
            .env("XDG_RUNTIME_DIR", self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        for (variable, value) in &self.variables {
            command.env(variable, value);
        }
        Running::new(command.spawn().expect("the deployer starts"), words)
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
        for master in list(&control).iter().flat_map(|node| list(node)) {
            let ended = Command::new("ssh")
                .arg("-S")
                .arg(master.join("master"))
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
        let directory = self.state_dir.join(format!("{}-local", self.name));
        directory.join("receipt.json")
    }

    /// The receipt.
    pub(crate) fn receipt(&self) -> Value {
        let text = std::fs::read(self.receipt_path()).expect("a receipt");
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
    /// By the binary where it can, and by force where it cannot.
    fn drop(&mut self) {
        self.remember();
        let ids = self.ids.lock().map(|ids| ids.clone()).unwrap_or_default();
        for id in ids {
            if !Path::new("/var/lib/deployer/local").join(&id).exists() {
                continue;
            }
            let said = self
                .start(&["teardown", "--yes", "--id", &id])
                .wait(Duration::from_mins(1));
            if said.code != Some(0) {
                say(&format!("teardown of {id} by force: {}", said.all()));
                crate::support::remove_by_force(&id);
            }
        }
    }
}

/// A command line at work.
pub(crate) struct Running {
    child: Child,
    words: String,
    started: Instant,
    lines: Receiver<String>,
    err: String,
    out: Option<JoinHandle<String>>,
}

impl Running {
    fn new(mut child: Child, words: &[&str]) -> Self {
        let (sender, lines) = channel();
        let stderr = child.stderr.take().expect("standard error");
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut stdout = child.stdout.take().expect("standard output");
        let out = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _broken_off = stdout.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self {
            child,
            words: words.join(" "),
            started: Instant::now(),
            lines,
            err: String::new(),
            out: Some(out),
        }
    }

    /// Waits until a line is said that fits. `false`: it ended before.
    pub(crate) fn until(&mut self, mut fits: impl FnMut(&str) -> bool) -> bool {
        loop {
            let left = DEADLINE.saturating_sub(self.started.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let _ = writeln!(self.err, "{line}");
                    if fits(&line) {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => self.too_late(DEADLINE),
            }
        }
    }

    /// Sends SIGINT to all that runs in front, as a terminal does at Ctrl-C.
    pub(crate) fn interrupt(&self) {
        kill_process_group(self.pid(), Signal::INT).expect("the deployer runs");
    }

    fn pid(&self) -> Pid {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.expect("a process id")
    }

    /// Ends it without any warning, and gives what it had said.
    pub(crate) fn kill(self) -> Said {
        kill_process(self.pid(), Signal::KILL).expect("the deployer runs");
        self.finish()
    }

    /// Waits for its end.
    pub(crate) fn finish(self) -> Said {
        self.wait(DEADLINE)
    }

    fn wait(mut self, deadline: Duration) -> Said {
        let status = loop {
            match self.child.try_wait().expect("a child of ours") {
                Some(status) => break status,
                None if self.started.elapsed() > deadline => self.too_late(deadline),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let took = self.started.elapsed();
        // What it started in the background must not hold its output open.
        let soon = Instant::now() + Duration::from_secs(5);
        while let Ok(line) = self.lines.recv_timeout(soon - Instant::now()) {
            let _ = writeln!(self.err, "{line}");
        }
        let out = self.out.take().expect("joined once");
        while !out.is_finished() && Instant::now() < soon {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(out.is_finished(), "{}: its output stays open", self.words);
        Said {
            code: status.code(),
            out: out.join().expect("a reader"),
            err: std::mem::take(&mut self.err),
            took,
        }
    }

    fn too_late(&mut self, deadline: Duration) -> ! {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
        panic!(
            "`{}` took longer than {deadline:?}:\n{}",
            self.words, self.err
        );
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

/// The agents lie beside the binary; builds them where `cargo test` was called for this package only.
fn agents() {
    static BUILT: OnceLock<Arc<str>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let beside = Path::new(BINARY).parent().expect("a directory");
        if ["producer", "consumer"].iter().all(|agent| beside.join(agent).is_file()) {
            return "there".into();
        }
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--package", "agent", "--bins"]);
        if beside.ends_with("release") {
            build.arg("--release");
        }
        let built = build.status().is_ok_and(|status| status.success());
        assert!(
            built,
            "the agents are not beside {BINARY} and could not be built: `cargo build --workspace` first"
        );
        "built".into()
    });
}
