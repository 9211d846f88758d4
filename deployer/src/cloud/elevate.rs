//! Root for single commands: directly where the deployer is root already, through `sudo` elsewhere.

use super::CloudError;
use super::program::{Ended, Program};
use crate::sudo;

/// Runs the box's programs as root.
#[derive(Debug)]
pub(super) struct Elevate {
    /// We are not root ourselves.
    sudo: bool,
    /// What we start has the usual modes anyway: no shell has to see to it.
    usual: bool,
}

/// `timeout` says so when the deadline passed, and when it had to kill.
const TIMED_OUT: [i32; 2] = [124, 137];

/// What root makes for machines and their disks is not the operator's own: it has the usual modes, whatever the operator's are.
const UMASK: &str = "umask 022; exec \"$@\"";

impl Elevate {
    pub(super) fn new() -> Self {
        let sudo = sudo::needed();
        // sudo may have a mind of its own.
        let usual = !sudo && umask().as_deref() == Some("0022");
        Self { sudo, usual }
    }

    /// Whether root can be had without asking anybody.
    pub(super) async fn silent(&self) -> bool {
        sudo::silent().await
    }

    /// Makes sure of root before an operation. A person was asked before the first one: here it is too late.
    pub(super) async fn ready(&self) -> Result<(), CloudError> {
        if sudo::silent().await {
            return Ok(());
        }
        Err(CloudError::Refused(
            "sudo asks for a password again: run the same command again, or as root".into(),
        ))
    }

    /// Runs a program as root, whatever its status; `line` gets each line it prints.
    pub(super) async fn attempt(
        &self,
        program: &Program,
        line: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Ended, CloudError> {
        let ended = self.elevated(program).run(line).await?;
        if TIMED_OUT.contains(&ended.status) {
            return Err(program.overdue(&ended.stderr));
        }
        Ok(ended)
    }

    /// Runs a program as root that must succeed.
    pub(super) async fn run(&self, program: Program) -> Result<String, CloudError> {
        self.run_aloud(program, &|_| ()).await
    }

    /// Runs a program as root that must succeed; `line` gets each line it prints.
    pub(super) async fn run_aloud(
        &self,
        program: Program,
        line: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<String, CloudError> {
        let ended = self.attempt(&program, line).await?;
        match ended.status {
            0 => Ok(ended.stdout),
            _ => Err(program.failed(&ended)),
        }
    }

    /// Writes a file whole, anybody may read it: a temporary one, then a rename. Parents are made.
    pub(super) async fn write(&self, path: &str, content: &str) -> Result<(), CloudError> {
        let new = format!("{path}.new");
        let what = || format!("write {path}");
        let arguments = ["-D", "--mode=0644", "/dev/stdin", &new];
        self.run(Program::new(what(), "install", arguments).reading(content))
            .await?;
        self.run(Program::new(what(), "mv", ["-T", &new, path]))
            .await?;
        Ok(())
    }

    /// `timeout` runs on root's side: there the program can really be ended, with its children.
    fn elevated(&self, program: &Program) -> Program {
        let mut words: Vec<String> = Vec::new();
        if self.sudo {
            words.extend(["sudo".into(), "-n".into()]);
            let names: Vec<&str> = program.environment.iter().map(|(n, _)| &**n).collect();
            if !names.is_empty() {
                words.push(format!("--preserve-env={}", names.join(",")));
            }
            words.push("--".into());
        }
        let seconds = program.timeout.as_secs();
        if !self.usual {
            words.extend(["sh", "-c", UMASK, "deployer"].map(str::to_owned));
        }
        words.extend(["timeout".into(), "--kill-after=5".into()]);
        words.extend([seconds.to_string(), program.name.clone()]);
        words.extend(program.arguments.iter().cloned());
        Program {
            name: words.remove(0),
            arguments: words,
            ..program.clone().within(seconds + 10)
        }
    }
}

/// Our own umask, as proc(5) tells it: to ask the kernel is to change it.
fn umask() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))?;
    Some(line.trim().to_owned())
}
