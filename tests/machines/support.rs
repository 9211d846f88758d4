//! What tests on this box's machines share: whether they may run, a deployment of their own that is taken away at the end
//! however the test ended, and ssh as a user would call it.

#![expect(
    clippy::disallowed_methods,
    reason = "tests run the box's own programs, and are told of their part by the environment"
)]
#![expect(
    clippy::print_stdout,
    reason = "tests say why they did not run, and how long things took"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use deployer::cloud::local::Local;
use deployer::cloud::local::observed::{Observed, ObservedImage};
use deployer::cloud::local::plan::plan;
use deployer::cloud::{
    Applied, Cloud, CloudError, CloudPlan, Notes, Progress, Wanted, WantedMachine,
};
use deployer::machine::{Access, Machine, SshAccess};
use deployer::secret::Secret;
use deployer::topology;
use serde::{Deserialize, Serialize};
use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, LineEnding, PrivateKey};
use tempfile::TempDir;

use crate::place;
use crate::skip::skip;

/// Whether machines can be booted here; says why not, or waits for the test's turn.
pub(crate) fn may_run(_test: &str) -> bool {
    let why = if !cfg!(target_os = "linux") {
        "this is not Linux"
    } else if !rustix::process::geteuid().is_root() {
        "it needs root"
    } else {
        place::take();
        return true;
    };
    skip(why);
    false
}

/// A deployment of a test.
pub(crate) struct Deployment {
    pub(crate) local: Local,
    pub(crate) wanted: Wanted,
    files: TempDir,
}

/// What another process needs to act for the same deployment.
#[derive(Serialize, Deserialize)]
struct Stored {
    id: String,
    machines: BTreeMap<String, (String, String)>,
    user_key: String,
    packages: BTreeSet<String>,
}

pub(crate) fn settings() -> topology::LocalCloud {
    topology::LocalCloud {
        network: "10.213.0.0/16".into(),
        ..topology::LocalCloud::default()
    }
}

impl Deployment {
    pub(crate) fn new(nodes: &[&str]) -> Self {
        Self::with_packages(nodes, &["nftables"])
    }

    /// A deployment whose base image holds these packages.
    pub(crate) fn with_packages(nodes: &[&str], packages: &[&str]) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let key = |name: &str| {
            let key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).expect("a key");
            let private = key.to_openssh(LineEnding::LF).expect("a private key");
            if name == "user" {
                key.write_openssh_file(&files.path().join("key"), LineEnding::LF)
                    .expect("the key's file");
            }
            let public = key.public_key().to_openssh().expect("a public key");
            (private.to_string(), public)
        };
        // Random enough, and as short as an id must be: the last bytes of a fresh key.
        let fresh = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).expect("a key");
        let fingerprint = fresh.fingerprint(ssh_key::HashAlg::Sha256);
        let id = hex::encode(&fingerprint.as_bytes()[..6]);
        let stored = Stored {
            machines: nodes.iter().map(|n| ((*n).to_owned(), key(n))).collect(),
            user_key: key("user").1,
            packages: packages.iter().map(ToString::to_string).collect(),
            id,
        };
        let text = serde_json::to_string(&stored).expect("JSON");
        std::fs::write(files.path().join("stored.json"), text).expect("a file");
        Self::of(stored, files)
    }

    /// The deployment of another process, by its directory.
    pub(crate) fn stored(directory: &Path) -> Self {
        let text = std::fs::read(directory.join("stored.json")).expect("a stored deployment");
        let mut files = TempDir::new_in(directory).expect("a directory");
        files.disable_cleanup(true);
        Self::of(serde_json::from_slice(&text).expect("JSON"), files)
    }

    fn of(stored: Stored, files: TempDir) -> Self {
        let machines = stored
            .machines
            .into_iter()
            .map(|(node, (private, public))| {
                let machine = WantedMachine {
                    node: node.clone(),
                    memory_mib: 512,
                    open: false,
                    profile: None,
                    host_key: Secret::new(private),
                    host_key_public: public,
                };
                (node, machine)
            });
        let key = files.path().join("key");
        Self {
            local: Local::new(&settings(), key.to_str().expect("a plain path")),
            wanted: Wanted {
                id: stored.id,
                deployment: "test".into(),
                machines: machines.collect(),
                packages: stored.packages,
                user_key: stored.user_key,
                ..Wanted::default()
            },
            files,
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.files.path()
    }

    /// The deployment's directory on the box.
    pub(crate) fn place(&self) -> String {
        format!("/var/lib/deployer/local/{}", self.wanted.id)
    }

    /// Makes the base image where it is not there yet, so that what follows can be timed.
    pub(crate) async fn image(&self) {
        for step in self.plan().await.steps {
            if step.stage == "image" {
                let made = self.local.apply(&self.wanted, &step, &NoNotes, &Loud).await;
                made.expect("a base image");
            }
        }
    }

    /// The plan for a box on which nothing is, but with the network this deployment has.
    pub(crate) fn plan_from_nothing(&self) -> CloudPlan {
        let text = std::fs::read(format!("{}/deployment.json", self.place())).expect("a record");
        let record: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let network = record["network"].as_str().expect("a network");
        let observed = Observed {
            network: Some(network.parse().expect("a network")),
            image: Some(ObservedImage {
                name: self.base_image(),
                there: true,
            }),
            ..Observed::default()
        };
        plan(&self.wanted, &observed, &settings(), "key").expect("a plan")
    }

    fn base_image(&self) -> String {
        let node = self.wanted.machines.keys().next().expect("a node");
        let path = format!("{}/machines/{node}/machine.json", self.place());
        let record: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).expect("a record")).expect("JSON");
        record["image"].as_str().expect("an image").to_owned()
    }

    pub(crate) async fn plan(&self) -> CloudPlan {
        self.local.plan(&self.wanted).await.expect("a plan")
    }

    /// Plans and does all of it, as the deployer does: stage by stage, each stage's steps side by side. Gives all machines.
    pub(crate) async fn up(&self) -> BTreeMap<String, Machine> {
        let plan = self.plan().await;
        let made = self.apply(&self.wanted, &plan).await;
        let machines = plan.machines.into_iter();
        let made = made.into_iter().filter_map(|applied| applied.machine);
        machines.chain(made).map(|m| (m.node.clone(), m)).collect()
    }

    pub(crate) async fn down(&self) {
        let wanted = self.wanted.empty();
        let plan = self.local.plan(&wanted).await.expect("a plan");
        self.apply(&wanted, &plan).await;
    }

    pub(crate) async fn apply(&self, wanted: &Wanted, plan: &CloudPlan) -> Vec<Applied> {
        let mut all = Vec::new();
        for stage in plan.steps.chunk_by(|a, b| a.stage == b.stage) {
            let steps = stage
                .iter()
                .map(|step| self.local.apply(wanted, step, &NoNotes, &Quiet));
            for applied in futures_util::future::join_all(steps).await {
                all.push(applied.expect("a step"));
            }
        }
        all
    }

    /// ssh to a machine, with its host key known beforehand and no other taken.
    pub(crate) fn ssh(&self, machine: &Machine, command: &[&str]) -> Output {
        let Access::Ssh(access) = &machine.access else {
            panic!("no ssh to {machine:?}");
        };
        let known = self.files.path().join(format!("known-{}", machine.node));
        let host_key = access.host_key.as_deref().expect("a host key");
        std::fs::write(&known, format!("{} {host_key}\n", access.address)).expect("known hosts");
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-i", access.key.as_deref().expect("a key")]);
        for option in [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            "ConnectTimeout=2",
            "IdentitiesOnly=yes",
            "LogLevel=ERROR",
        ] {
            ssh.args(["-o", option]);
        }
        ssh.args(["-o", &format!("UserKnownHostsFile={}", known.display())]);
        let SshAccess { address, user, .. } = access;
        let user = user.as_deref().expect("a user");
        ssh.arg(format!("{user}@{address}")).arg("--").args(command);
        ssh.output().expect("ssh runs")
    }

    /// Waits until a machine answers by ssh, and gives what the command printed.
    pub(crate) fn reach(&self, machine: &Machine, command: &[&str]) -> String {
        eventually(&format!("{} by ssh: {command:?}", machine.node), || {
            let output = self.ssh(machine, command);
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if output.status.success() {
                Ok(text)
            } else {
                Err(format!(
                    "{text} {}",
                    String::from_utf8_lossy(&output.stderr)
                ))
            }
        })
    }
}

impl Drop for Deployment {
    /// What a failed test leaves is taken away by other means than those that it tests.
    fn drop(&mut self) {
        if !self.files.path().join("stored.json").exists() {
            return;
        }
        remove_by_force(&self.wanted.id);
    }
}

/// Takes a deployment away by other means than those that are tested.
pub(crate) fn remove_by_force(id: &str) {
    for process in processes(id) {
        let pid = rustix::process::Pid::from_raw(process).expect("a process id");
        let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    std::thread::sleep(Duration::from_millis(100));
    let name = format!("dp-{id}");
    let directory = format!("/var/lib/deployer/local/{id}");
    if Path::new(&format!("/sys/class/net/{name}")).exists() {
        succeed("ip", &["link", "delete", "dev", &name]);
    }
    let _not_there = Command::new("nft")
        .args(["delete", "table", "ip", &name])
        .output();
    let _not_there = Command::new("rm").args(["-rf", &directory]).output();
}

/// All that can be found of a deployment without asking the code under test.
fn traces(id: &str) -> Vec<String> {
    let mut traces: Vec<String> = processes(id)
        .iter()
        .map(|p| format!("process {p}"))
        .collect();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let of_id = |line: &&str| line.contains(id);
    traces.extend(mounts.lines().filter(of_id).map(str::to_owned));
    for command in [&["ip", "-oneline", "link"][..], &["nft", "list", "tables"]] {
        let found = succeed(command[0], &command[1..]);
        traces.extend(found.lines().filter(of_id).map(str::to_owned));
    }
    for place in ["/var/lib/deployer", "/sys/fs/cgroup", "/run/systemd"] {
        let found = Command::new("find")
            .args([place, "-name", &format!("*{id}*")])
            .output();
        let found = String::from_utf8_lossy(&found.expect("find runs").stdout).into_owned();
        traces.extend(found.lines().map(str::to_owned));
    }
    traces
}

/// Nothing is left of a deployment; a process that was killed may take a moment to be buried.
pub(crate) fn gone(id: &str) {
    eventually("a trace is left", || {
        let traces = traces(id);
        traces.is_empty().then_some(()).ok_or(traces.join("\n"))
    });
}

/// Processes that name the deployment's directory in their arguments, or lie in a cgroup that carries its id.
pub(crate) fn processes(id: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc") {
        let path = entry.expect("an entry").path();
        let Some(process) = path.file_name().and_then(|n| n.to_str()?.parse().ok()) else {
            continue;
        };
        let mentions = |file: &str| {
            std::fs::read(path.join(file))
                .is_ok_and(|text| String::from_utf8_lossy(&text).contains(id))
        };
        if mentions("cmdline") || mentions("cgroup") {
            found.push(process);
        }
    }
    found
}

pub(crate) fn succeed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Tries until it succeeds, for at most 30 s.
pub(crate) fn eventually<T>(what: &str, attempt: impl FnMut() -> Result<T, String>) -> T {
    within(Duration::from_secs(30), what, attempt)
}

/// Tries until it succeeds.
pub(crate) fn within<T>(
    limit: Duration,
    what: &str,
    mut attempt: impl FnMut() -> Result<T, String>,
) -> T {
    let started = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(why) if started.elapsed() > limit => panic!("{what}: {why}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Names the verb and the directory for a process that acts for another one.
pub(crate) const CHILD: &str = "DEPLOYER_TEST_ACT";

/// What this process is to do, when it was started by [`CHILD`].
pub(crate) fn directory_of_parent() -> Option<(PathBuf, String)> {
    let told = std::env::var(CHILD).ok()?;
    let (verb, directory) = told.split_once(' ')?;
    Some((directory.into(), verb.into()))
}

/// Shows what a base image in the making says.
struct Loud;

impl Progress for Loud {
    fn line(&self, _node: Option<&str>, line: &str) {
        println!("{line}");
    }
}

/// The local cloud has nothing to note.
struct NoNotes;

impl Notes for NoNotes {
    fn get(&self, _key: &str) -> Option<String> {
        None
    }

    fn record(&self, key: &str, _value: &str) -> Result<(), CloudError> {
        panic!("nobody asks for {key}")
    }
}

/// Shows nothing.
struct Quiet;

impl Progress for Quiet {
    fn line(&self, _node: Option<&str>, _line: &str) {}
}
