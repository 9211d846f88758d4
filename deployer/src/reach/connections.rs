//! One open connection per machine of a deployment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;

use crate::error::CommandError;
use crate::host::{Connector, Host, HostError, ssh_program};
use crate::machine::{Access, Machine};
use crate::reach::root;
use crate::report::{self, Event, Reporter, StepOutcome};
use crate::run::apply::{HostExecutor, Relays};
use crate::step::StateMark;

/// How long a machine that should be running may take to answer.
pub const CONNECT_TIMEOUT_RUNNING: Duration = Duration::from_secs(10);
/// How long a machine that was just made may take to answer.
pub const CONNECT_TIMEOUT_NEW: Duration = Duration::from_mins(3);

/// Connected machines, and those that could not be reached.
pub struct Connections {
    executor: HostExecutor,
    nodes: Vec<String>,
    /// Node → why it could not be reached.
    pub unreachable: BTreeMap<String, HostError>,
}

impl Connections {
    /// Connects to all machines at the same time; each gets `connect_timeout` to come up.
    pub async fn connect(
        connector: &Connector,
        machines: &BTreeMap<String, Machine>,
        connect_timeout: Duration,
        reporter: &dyn Reporter,
    ) -> Self {
        let here = machines
            .values()
            .find(|machine| machine.access == Access::Here);
        let root = match here {
            Some(machine) => {
                let purpose = format!("work on {}, which is this box", machine.node);
                root::ensure(&purpose, reporter).await
            }
            None => Ok(()),
        };
        let root = &root;
        let attempts = machines.values().map(|machine| async move {
            let started = std::time::Instant::now();
            let node = machine.node.clone();
            let progress = |line: &str| {
                reporter.event(&Event::StepOutput {
                    node: Some(node.clone()),
                    line: line.into(),
                });
            };
            let result = match root {
                Err(refused) if machine.access == Access::Here => Err(HostError::Sudo {
                    node: node.clone(),
                    detail: refused.cause.to_string(),
                }),
                _ => {
                    let connecting = connector.connect(machine, connect_timeout, &progress);
                    report::aloud(reporter, Some(&node), "connect", connecting).await
                }
            };
            if let Err(error) = &result {
                reporter.event(&Event::StepFinished {
                    node: Some(machine.node.clone()),
                    words: "connect".into(),
                    outcome: StepOutcome::Failed(error.to_string()),
                    took: started.elapsed(),
                });
            }
            (machine.node.clone(), result)
        });
        let mut hosts: BTreeMap<String, Box<dyn Host>> = BTreeMap::new();
        let mut unreachable = BTreeMap::new();
        for (node, result) in join_all(attempts).await {
            match result {
                Ok(host) => {
                    hosts.insert(node, host);
                }
                Err(error) => {
                    unreachable.insert(node, error);
                }
            }
        }
        Self {
            nodes: hosts.keys().cloned().collect(),
            executor: HostExecutor::new(hosts),
            unreachable,
        }
    }

    /// What acts on the machines.
    pub fn executor(&self) -> &HostExecutor {
        &self.executor
    }

    /// Says which files of this box artifacts are.
    pub fn set_artifacts(&mut self, artifacts: BTreeMap<String, PathBuf>) {
        self.executor.set_artifacts(artifacts);
    }

    /// Says which nodes give files to each other.
    pub fn set_relays(&mut self, relays: Relays) {
        self.executor.set_relays(relays);
    }

    /// Says which copy of the state is written.
    pub fn set_state_copy(&mut self, copy: String, mark: StateMark) {
        self.executor.set_state_copy(copy, mark);
    }

    /// An open shell on a node.
    pub fn host(&self, node: &str) -> Result<&dyn Host, CommandError> {
        self.executor
            .host(node)
            .ok_or_else(|| match self.unreachable.get(node) {
                Some(error) => CommandError::failed(error.to_string()),
                None => CommandError::failed(format!("{node}: there is no machine"))
                    .hint("deployer up makes it"),
            })
    }

    /// The nodes that were reached.
    pub fn nodes(&self) -> Vec<&str> {
        self.nodes.iter().map(String::as_str).collect()
    }

    /// Fails with all that could not be reached.
    pub fn require_all(&self) -> Result<(), CommandError> {
        require_none(&self.unreachable)
    }

    /// Leaves the connections in the background for the next command, or closes them.
    pub async fn close(self, keep: bool) -> Result<(), CommandError> {
        Ok(self.executor.close(keep).await?)
    }
}

/// Fails with all of these at once, each with what to do about it.
pub fn require_none(failures: &BTreeMap<String, HostError>) -> Result<(), CommandError> {
    if failures.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = failures.values().map(ToString::to_string).collect();
    let mut error = CommandError::failed(lines.join("\n       "));
    for (node, reason) in failures {
        error = error.hint(hint(node, reason));
    }
    Err(error)
}

fn hint(node: &str, reason: &HostError) -> String {
    match reason {
        HostError::Refused { .. } => {
            format!("{node}: is its sshd running? The other nodes were not touched")
        }
        HostError::Name { .. } => {
            format!("{node}: mend its `address`, or the name in your ssh configuration")
        }
        HostError::Timeout { .. } => {
            format!("{node}: is it powered on, and does a firewall let this box in?")
        }
        HostError::UnknownHostKey { address, .. } => {
            format!(
                "{node}: log in to {address} once by hand and compare its key, or give it as `host_key:` (`cat /etc/ssh/ssh_host_ed25519_key.pub` there)"
            )
        }
        HostError::HostKey { .. } => {
            format!(
                "{node}: make sure it is the machine you mean. Then, where it is a host of yours, set its `host_key:` or mend your known_hosts. \
                 A machine that the deployer made keeps its key: something else answers in its place, or somebody changed it. Put the key \
                 back, or take the machine away at its cloud: `deployer up` makes another"
            )
        }
        HostError::Login { .. } => {
            format!(
                "{node}: check `user:` and `key:`; a key with a passphrase must be in your agent (`ssh-add KEY`; `ssh-add -l` \
                 lists what is there)"
            )
        }
        HostError::NoSsh { .. } => ssh_program::INSTALL.into(),
        HostError::Sudo { .. } => {
            format!("{node}: give the login user passwordless sudo, or log in as root")
        }
        HostError::Shell { .. } => {
            format!(
                "{node}: what does `ssh HOST true` say? A start-up file of that login (~/.bashrc, ~/.zshrc, ~/.cshrc) may `exec` or `exit` \
                 only in a terminal, and its shell must be one that takes commands"
            )
        }
        HostError::Jump { gate, .. } => {
            format!(
                "{node}: see to it that you can log in to {gate} and that it forwards (`AllowTcpForwarding yes` in its sshd_config)"
            )
        }
        HostError::NoAnswer { .. }
        | HostError::Connection { .. }
        | HostError::CommandTimeout { .. }
        | HostError::Local { .. } => {
            format!("{node}: try `deployer check`")
        }
    }
}
