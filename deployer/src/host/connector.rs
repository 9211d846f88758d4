//! Opens shells on the machines of a deployment, each by its own way.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::here::HereHost;
use super::ssh::{self, Route, SshHost};
use super::{Host, HostError, Line, ssh_config};
use crate::machine::{Access, Machine, SshAccess};
use crate::whole_file;

/// A Unix socket's path may have 107 bytes; ssh and the crate add up to 63 to ours.
const LONGEST_CONTROL: usize = 107 - 63;

/// The ways to all machines of a deployment.
#[derive(Debug)]
pub struct Connector {
    routes: BTreeMap<String, Route>,
}

/// Why connecting cannot even begin.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// A value of a node does not fit.
    #[error(transparent)]
    Unfit(#[from] ssh_config::UnfitValue),
    /// A file or directory of the box.
    #[error("cannot write {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A connection of an earlier command line.
    #[error("cannot end a kept connection: {0}")]
    Kept(String),
    /// The directory for control sockets could be entered by others.
    #[error("{0} must be a directory of yours that nobody else can enter (mode 0700)")]
    Open(PathBuf),
}

impl Connector {
    /// Writes the deployment's `ssh_config` and `known_hosts` into `directory`, which the caller must have locked, and prepares the
    /// place for the control sockets: below `runtime_dir` (`$XDG_RUNTIME_DIR`), else below `/tmp`. `home` is where the user's own
    /// `.ssh/config` lies.
    pub fn new(
        machines: &BTreeMap<String, Machine>,
        directory: &Path,
        runtime_dir: Option<&Path>,
        home: &Path,
    ) -> Result<Self, ConnectorError> {
        Self::prepare(machines, directory, runtime_dir, home, None)
    }

    /// The same without a lock: `ssh_config` and `known_hosts` are written where nobody else looks, and go with the last route.
    /// Whoever changes the deployment meanwhile may know of other machines.
    pub fn reading(
        machines: &BTreeMap<String, Machine>,
        directory: &Path,
        runtime_dir: Option<&Path>,
        home: &Path,
    ) -> Result<Self, ConnectorError> {
        let own = tempfile::Builder::new().prefix("deployer-ssh-").tempdir();
        let own = own.map_err(|source| ConnectorError::File {
            path: std::env::temp_dir(),
            source,
        })?;
        Self::prepare(machines, directory, runtime_dir, home, Some(&Arc::new(own)))
    }

    fn prepare(
        machines: &BTreeMap<String, Machine>,
        directory: &Path,
        runtime_dir: Option<&Path>,
        home: &Path,
        own: Option<&Arc<TempDir>>,
    ) -> Result<Self, ConnectorError> {
        let place = own.map_or(directory, |own| own.path());
        let nodes: BTreeMap<String, SshAccess> = machines
            .values()
            .filter_map(|machine| match &machine.access {
                Access::Ssh(access) => Some((machine.node.clone(), access.clone())),
                Access::Here => None,
            })
            .collect();
        let known_hosts = place.join("known_hosts");
        let config = place.join("ssh_config");
        let users = home.join(".ssh/config");
        let text = ssh_config::render(
            &nodes,
            &known_hosts,
            &[&users, Path::new("/etc/ssh/ssh_config")],
        )?;
        write(&known_hosts, &ssh_config::known_hosts(&nodes)?)?;
        write(&config, &text)?;
        let base = control_directory(runtime_dir)?;
        let mut routes = BTreeMap::new();
        for (node, access) in &nodes {
            // A kept connection is taken up only for the same node of the same deployment, reached in the same way.
            let block = ssh_config::block(node, &nodes, &directory.join("known_hosts"))?;
            let way = format!("{node}\n{block}{:?}", access.host_key);
            let control = format!("{}{}", mark(directory), short(&way));
            routes.insert(
                node.clone(),
                Route {
                    node: node.clone(),
                    destination: ssh_config::destination(node, &nodes).to_owned(),
                    address: access.port.map_or_else(
                        || access.address.clone(),
                        |port| format!("{}:{port}", access.address),
                    ),
                    knock: knock_at(access),
                    config: config.clone(),
                    own: own.cloned(),
                    control: base.join(control),
                },
            );
        }
        Ok(Self { routes })
    }

    /// Opens a shell on a machine; see [`SshHost::connect`] for `connect_timeout` and `progress`.
    pub async fn connect(
        &self,
        machine: &Machine,
        connect_timeout: Duration,
        progress: Line<'_>,
    ) -> Result<Box<dyn Host>, HostError> {
        match &machine.access {
            Access::Here => Ok(Box::new(HereHost::new(&machine.node))),
            Access::Ssh(_) => {
                let route = self
                    .route(&machine.node)
                    .ok_or_else(|| HostError::Connection {
                        node: machine.node.clone(),
                        detail: "the SSH configuration does not name it".into(),
                    })?;
                Ok(Box::new(
                    SshHost::connect(route.clone(), connect_timeout, progress).await?,
                ))
            }
        }
    }

    /// The way to a node by SSH; `None` for this machine itself.
    pub fn route(&self, node: &str) -> Option<&Route> {
        self.routes.get(node)
    }
}

/// Ends all connections that earlier command lines left open for the deployment in `directory`, and removes their places. Needs
/// no machines: it works when their receipt is lost.
pub async fn forget(directory: &Path, runtime_dir: Option<&Path>) -> Result<(), ConnectorError> {
    let base = control_directory(runtime_dir)?;
    let failed = |source| ConnectorError::File {
        path: base.clone(),
        source,
    };
    let mark = mark(directory);
    for entry in std::fs::read_dir(&base).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(&mark) {
            let forgotten = ssh::forget(&entry.path()).await;
            forgotten.map_err(ConnectorError::Kept)?;
        }
    }
    Ok(())
}

/// What the names of all control sockets of the deployment in `directory` begin with.
fn mark(directory: &Path) -> String {
    short(&directory.display().to_string())
}

/// Eight hex digits that stand for a text.
fn short(text: &str) -> String {
    let mut digits = hex::encode(Sha256::digest(text));
    digits.truncate(8);
    digits
}

/// Only where our own cloud gave the machine (its host key is known) do we know that no proxy stands between.
fn knock_at(access: &SshAccess) -> Option<SocketAddr> {
    if access.host_key.is_none() || access.jump.is_some() {
        return None;
    }
    let address: IpAddr = access.address.parse().ok()?;
    Some(SocketAddr::new(address, access.port.unwrap_or(22)))
}

/// A directory of ours alone, with a path short enough for sockets.
fn control_directory(runtime_dir: Option<&Path>) -> Result<PathBuf, ConnectorError> {
    let user = rustix::process::geteuid().as_raw();
    let directory = runtime_dir
        .map(|runtime| runtime.join("deployer"))
        .filter(|path| {
            path.as_os_str().len() <= LONGEST_CONTROL && path.parent().is_some_and(Path::is_dir)
        })
        .unwrap_or_else(|| PathBuf::from(format!("/tmp/deployer-{user}")));
    match std::fs::DirBuilder::new().mode(0o700).create(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(ConnectorError::File {
                path: directory,
                source: error,
            });
        }
        _ => {}
    }
    // Others may write to /tmp: what lies there under our name must be ours.
    let metadata =
        std::fs::symlink_metadata(&directory).map_err(|source| ConnectorError::File {
            path: directory.clone(),
            source,
        })?;
    if metadata.is_dir() && metadata.uid() == user && metadata.mode().trailing_zeros() >= 6 {
        Ok(directory)
    } else {
        Err(ConnectorError::Open(directory))
    }
}

/// Replaces a file whole: another command line may be reading it.
fn write(path: &Path, text: &str) -> Result<(), ConnectorError> {
    whole_file::replace(path, text.as_bytes()).map_err(|source| ConnectorError::File {
        path: path.into(),
        source,
    })
}
