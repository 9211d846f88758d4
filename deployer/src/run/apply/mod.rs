//! Acting on nodes: one match arm per action, each with a function of its own in a file of its kind.
//!
//! What runs on a node is a fixed script of this folder, with arguments and an input; nothing is glued together.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use async_trait::async_trait;

use super::{Executor, StepError, ask};
use crate::facts::{Facts, Query};
use crate::host::{Host, HostError, Line};
use crate::hosts_table;
use crate::step::{Action, StateMark};

mod archive;
mod files;
mod network;
mod packages;
mod relay;
mod shell;
mod tool;
mod units;
mod users;

use relay::Relay;
pub use relay::Relays;
use shell::Shell;

/// What acts on the nodes of a deployment: their open shells, and the files of this box that may be sent to them.
#[derive(Default)]
pub struct HostExecutor {
    hosts: BTreeMap<String, Box<dyn Host>>,
    artifacts: BTreeMap<String, PathBuf>,
    relay: Relay,
    /// The closed state and its mark.
    state_copy: Option<(String, StateMark)>,
}

impl HostExecutor {
    /// One that acts on these hosts, by node.
    pub fn new(hosts: BTreeMap<String, Box<dyn Host>>) -> Self {
        Self {
            hosts,
            ..Self::default()
        }
    }

    /// Says which files of this box the artifacts are, by their keys.
    pub fn set_artifacts(&mut self, artifacts: BTreeMap<String, PathBuf>) {
        self.artifacts = artifacts;
    }

    /// Says which nodes give files to each other, so that they are sent only once.
    pub fn set_relays(&mut self, relays: Relays) {
        self.relay = Relay::new(relays);
    }

    /// Says which copy of the state is written, closed already.
    pub fn set_state_copy(&mut self, copy: String, mark: StateMark) {
        self.state_copy = Some((copy, mark));
    }

    /// The open shell of a node.
    pub fn host(&self, node: &str) -> Option<&dyn Host> {
        self.hosts.get(node).map(|host| &**host)
    }

    /// Leaves all connections in the background for the next command line, or closes them. All are tried; the first failure is
    /// returned.
    pub async fn close(self, keep: bool) -> Result<(), HostError> {
        let ended = self.relay.end(&self.hosts).await;
        let closing = self.hosts.into_values().map(|host| host.close(keep));
        let results = futures_util::future::join_all(closing).await;
        results.into_iter().collect::<Result<(), _>>().and(ended)
    }

    fn way<'a>(&'a self, node: &'a str, artifact: &'a str, line: Line<'a>) -> relay::Way<'a> {
        relay::Way {
            relay: &self.relay,
            node,
            artifact,
            line,
        }
    }

    fn open(&self, node: &str) -> Result<&dyn Host, HostError> {
        self.host(node).ok_or_else(|| HostError::Connection {
            node: node.into(),
            detail: "no connection was opened".into(),
        })
    }

    fn artifact(&self, key: &str) -> Result<&PathBuf, StepError> {
        self.artifacts
            .get(key)
            .ok_or_else(|| StepError::NoArtifact(key.into()))
    }
}

/// Puts a block of names into a host's `/etc/hosts`, or takes it out. Nothing puts it back where a host makes that file anew.
pub async fn edit_hosts(
    host: &dyn Host,
    block: &str,
    names: Option<&BTreeMap<String, Option<IpAddr>>>,
) -> Result<(), StepError> {
    let lines = names.map(hosts_table::block_text);
    network::edit_hosts(&Shell::new(host, &|_| {}), block, lines.as_deref()).await
}

fn no_state_copy() -> StepError {
    StepError::NoArtifact("state copy".into())
}

#[async_trait]
impl Executor for HostExecutor {
    async fn ask(&self, node: &str, query: &Query) -> Result<Facts, HostError> {
        ask::ask(self.open(node)?, node, query).await
    }

    #[deny(clippy::wildcard_enum_match_arm)]
    async fn apply(&self, node: &str, action: &Action, line: Line<'_>) -> Result<(), StepError> {
        let shell = &Shell::new(self.open(node)?, line);
        match action {
            Action::WriteManifest { manifest } => files::write_manifest(shell, manifest).await,
            Action::InstallPackages { packages } => packages::install(shell, packages).await,
            Action::InstallFromRepository(wanted) => {
                packages::install_from_repository(shell, wanted).await
            }
            Action::CreateUser { user, home, .. } => users::create(shell, user, home).await,
            Action::CreateDirectory { path, access, .. } => {
                files::create_directory(shell, path, access).await
            }
            Action::OpenDirectories { paths } => files::open_directories(shell, paths).await,
            Action::LinkFile { path, targets } => files::link(shell, path, targets).await,
            Action::WriteFile {
                path,
                content,
                access,
                judge: None,
            } => files::write(shell, path, &content.text, access).await,
            Action::WriteFile {
                path,
                content,
                access,
                judge: Some(judge),
            } => files::write_judged(shell, path, &content.text, access, judge).await,
            Action::SeedFile {
                path,
                content,
                access,
            } => files::seed(shell, path, &content.text, access).await,
            Action::UploadFile {
                artifact,
                sha256,
                path,
                access,
            } => {
                let (local, way) = (self.artifact(artifact)?, self.way(node, artifact, line));
                files::upload(shell, local, sha256, path, access, way).await
            }
            Action::UnpackArchive {
                artifact,
                identity,
                path,
                access,
                download,
                programs,
            } => {
                let archive = archive::Archive {
                    local: self.artifact(artifact)?,
                    identity,
                    path,
                    access,
                    programs,
                };
                let way = self.way(node, artifact, line);
                archive::unpack(shell, &archive, download.as_ref(), way).await
            }
            Action::WriteHostsTable { block, entries } => {
                network::write_hosts_table(shell, block, entries).await
            }
            Action::WriteFirewall {
                table,
                ports,
                members,
            } => network::write_firewall(shell, table, ports, members).await,
            Action::StartUnit {
                unit,
                finishes,
                foreign,
                ..
            } => {
                let may = units::May {
                    finish: finishes.is_some(),
                    fail: *foreign,
                };
                units::start(shell, unit, may).await
            }
            Action::WaitForPort {
                port,
                unit,
                seconds,
            } => units::wait_for_port(shell, node, *port, unit, *seconds).await,
            Action::CallTool {
                tool,
                arguments,
                input,
                seconds,
                ..
            } => tool::call(shell, tool, arguments, input, *seconds).await,
            Action::WriteStateCopy { deployment, .. } => {
                let (copy, mark) = self.state_copy.as_ref().ok_or_else(no_state_copy)?;
                files::write_state_copy(shell, deployment, copy, mark).await
            }
            Action::StopUnit { unit } => units::stop(shell, unit).await,
            Action::RemoveFile { path } => files::remove(shell, path).await,
            Action::RemoveDirectory { path, .. } => files::remove_directory(shell, path).await,
            Action::RemoveEmptyDirectory { path } => {
                files::remove_empty_directory(shell, path).await
            }
            Action::RemoveUser { user } => users::remove(shell, user).await,
            Action::RemoveHostsTable { block } => network::remove_hosts_table(shell, block).await,
            Action::RemoveFirewall { table } => network::remove_firewall(shell, table).await,
        }
    }
}
