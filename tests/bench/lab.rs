//! Deployments of the bench's own, and the deployer as a user would call it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use deployer::machine::Access;
use deployer::receipt::Receipt;
use tempfile::TempDir;

/// A deployment with a state of its own. What is left of it at the end is taken away.
pub(crate) struct Lab {
    directory: TempDir,
    name: &'static str,
    deployer: PathBuf,
}

/// What a program said, and how long it took.
pub(crate) struct Timed {
    /// How long.
    pub(crate) took: Duration,
    /// What it printed.
    pub(crate) stdout: String,
    /// Its error channel.
    pub(crate) stderr: String,
}

impl Lab {
    /// Writes the inventory; nothing is made yet.
    pub(crate) fn new(
        deployer: &Path,
        name: &'static str,
        inventory: &str,
    ) -> Result<Self, String> {
        // Not where TMPDIR says: sockets need a short path.
        let directory = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in("/tmp")
            .map_err(|error| format!("/tmp: {error}"))?;
        let lab = Self {
            directory,
            name,
            deployer: deployer.to_owned(),
        };
        write(&lab.path("inventory.yaml"), inventory)?;
        let run = lab.path("run");
        std::fs::create_dir(&run).map_err(|error| format!("{}: {error}", run.display()))?;
        Ok(lab)
    }

    /// A path in the bench's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a verb of the deployer; it must succeed.
    pub(crate) fn deployer(&self, verb: &str, more: &[&str]) -> Result<Timed, String> {
        let mut command = Command::new(&self.deployer);
        command
            .arg(verb)
            .arg("--state-dir")
            .arg(self.path("state"))
            .args(["--name", self.name])
            .args(more)
            .current_dir(self.directory.path())
            .env("XDG_RUNTIME_DIR", self.path("run"));
        timed(&mut command)
    }

    /// `up`.
    pub(crate) fn up(&self) -> Result<Timed, String> {
        let inventory = self.path("inventory.yaml").display().to_string();
        self.deployer("up", &["--yes", "--inventory", &inventory])
    }

    /// `teardown`.
    pub(crate) fn teardown(&self) -> Result<Timed, String> {
        self.deployer("teardown", &["--yes"])
    }

    /// The deployment's directory in its state.
    fn state(&self) -> PathBuf {
        self.path("state").join(format!("{}-local", self.name))
    }

    /// The SSH configuration that the deployer wrote.
    pub(crate) fn ssh_config(&self) -> PathBuf {
        self.state().join("ssh_config")
    }

    /// The machines' addresses, by node.
    pub(crate) fn addresses(&self) -> Result<BTreeMap<String, String>, String> {
        let receipt = self.state().join("receipt.json");
        let text =
            std::fs::read(&receipt).map_err(|error| format!("{}: {error}", receipt.display()))?;
        let receipt: Receipt = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        let address = |record: deployer::receipt::MachineRecord| match record.machine?.access {
            Access::Ssh(access) => Some(access.address),
            Access::Here => None,
        };
        let machines = receipt.machines.into_iter();
        Ok(machines
            .filter_map(|(node, record)| Some((node, address(record)?)))
            .collect())
    }

    /// Runs a program on a machine; it must succeed.
    pub(crate) fn on(&self, address: &str, command: &[&str]) -> Result<Vec<u8>, String> {
        let mut ssh = self.ssh(address, &[]);
        let output = finished(ssh.arg("--").args(command))?;
        Ok(output.stdout)
    }

    /// Runs a script on a node, by root, with the deployment's name before its arguments; what it printed.
    pub(crate) fn script(
        &self,
        node: &str,
        script: &str,
        arguments: &[&str],
    ) -> Result<String, String> {
        let addresses = self.addresses()?;
        let address = addresses.get(node);
        let address = address.ok_or_else(|| format!("no address of {node}"))?;
        let begin = ["sudo", "bash", "-c", script, "bench", self.name];
        let command = [&begin, arguments].concat();
        let quoted: Vec<String> = command.iter().map(|word| quote(word)).collect();
        let quoted: Vec<&str> = quoted.iter().map(String::as_str).collect();
        let said = self.on(address, &quoted)?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// `ssh` to a machine, with options.
    pub(crate) fn ssh(&self, address: &str, options: &[&str]) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F")
            .arg(self.ssh_config())
            .args(options)
            .arg(address);
        ssh
    }

    /// Ends all kept connections, the deployer's and the baseline's.
    pub(crate) fn disconnect(&self) -> Result<(), String> {
        for socket in sockets(&self.path("run")) {
            let mut exit = Command::new("ssh");
            exit.arg("-S").arg(&socket).args(["-O", "exit", "all"]);
            finished(&mut exit)?;
        }
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.state().exists()
            && let Err(words) = self.teardown()
        {
            println!("the deployment could not be taken away: {words}");
        }
    }
}

/// A word for the shell of the other side.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Unix sockets below a directory.
fn sockets(directory: &Path) -> Vec<PathBuf> {
    use std::os::unix::fs::FileTypeExt as _;
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        for entry in entries {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(kind) if kind.is_socket() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found
}

/// Writes a file.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), String> {
    std::fs::write(path, content).map_err(|error| format!("{}: {error}", path.display()))
}

/// Runs a program that must succeed.
pub(crate) fn finished(command: &mut Command) -> Result<Output, String> {
    let words = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{words}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let lines: Vec<&str> = said.iter().flat_map(|text| text.lines()).collect();
    let tail = lines[lines.len().saturating_sub(20)..].join("\n    ");
    Err(format!("{words}: {}\n    {tail}", output.status))
}

/// Runs a program that must succeed, and takes the time.
pub(crate) fn timed(command: &mut Command) -> Result<Timed, String> {
    let started = Instant::now();
    let output = finished(command)?;
    Ok(Timed {
        took: started.elapsed(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Starts all programs at once and waits for all; they must succeed.
pub(crate) fn all_at_once(commands: Vec<Command>) -> Result<Duration, String> {
    let started = Instant::now();
    let mut children = Vec::new();
    for mut command in commands {
        let child = command
            .stdin(Stdio::null())
            // A master that stays would keep a pipe open.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        children.push((format!("{command:?}"), child));
    }
    for (words, mut child) in children {
        let status = child.wait().map_err(|error| format!("{words}: {error}"))?;
        if !status.success() {
            return Err(format!("{words}: {status}"));
        }
    }
    Ok(started.elapsed())
}
