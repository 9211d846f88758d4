//! The copies of the state that lie on machines of a deployment, as far as they can be reached without its receipt.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::cli::{Adopt, Environment};
use crate::error::CommandError;
use crate::host::here::HereHost;
use crate::host::{Command, Connector, Host, HostError, Input, connector};
use crate::machine::{Access, Machine, SshAccess};
use crate::prepare::target;
use crate::process;
use crate::reach::connections::{CONNECT_TIMEOUT_RUNNING, Connections, require_none};
use crate::reach::{clouds, root};
use crate::receipt::Receipt;
use crate::report::{Event, Reporter};
use crate::step::{StateMark, sha256};
use crate::topology::CloudName;

/// A copy.
pub struct Found {
    /// Where it was read.
    pub place: String,
    /// Its mark.
    pub mark: StateMark,
    /// Whether the mark is its own: else a run was killed between both, or it is damaged, which only opening it tells.
    pub marked: bool,
    /// The closed text.
    pub closed: String,
    /// The host key that was shown there, where nobody has vouched for it yet.
    pub host_key: Option<String>,
}

/// Prints all marks, a line each.
const MARKS: &str = r#"for mark in "$1"/etc/deployer/*/state.json; do if [ -f "$mark" ]; then cat -- "$mark"; fi; done"#;
/// Prints a copy, if there is one.
const COPY: &str = r#"if [ -f "$1$2" ]; then cat -- "$1$2"; fi"#;
/// Enough for a program of a moment.
const QUICK: Duration = Duration::from_secs(30);

/// The newest copy of a deployment: from the host that was named, from this box's own machines, or from those that the inventory's
/// clouds and hosts give.
pub async fn newest(
    options: &Adopt,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<Found, CommandError> {
    let mut search = Search {
        id: &options.id,
        found: Vec::new(),
        others: Vec::new(),
    };
    if let Some(host) = &options.host {
        let machine = named(host);
        let machines = BTreeMap::from([(machine.node.clone(), machine)]);
        search.machines(machines, environment, reporter).await?;
    } else {
        search.by_clouds(options, environment, reporter).await?;
    }
    search.newest()
}

struct Search<'a> {
    id: &'a str,
    found: Vec<Found>,
    /// What other deployments have copies there, in words.
    others: Vec<String>,
}

impl Search<'_> {
    async fn by_clouds(
        &mut self,
        options: &Adopt,
        environment: &Environment,
        reporter: &dyn Reporter,
    ) -> Result<(), CommandError> {
        let target = &options.target;
        let local = target.cloud.unwrap_or(CloudName::DEFAULT).is_of_this_box();
        if target.inventory.is_none() && local {
            return self.this_box(options, environment, reporter).await;
        }
        let (_, topology) = target::read_topology(target)?;
        let receipt = Receipt::bare(self.id, &topology.name, topology.cloud.name());
        let mut machines = BTreeMap::new();
        for name in clouds::names(&topology, &receipt) {
            if name.is_of_this_box() {
                self.this_box(options, environment, reporter).await?;
                continue;
            }
            let cloud = clouds::open(name, &topology, Path::new(""), environment).await?;
            let mut wanted = clouds::nothing(name, &receipt);
            wanted.machines = clouds::bare_machines(&topology, name);
            for mut machine in cloud.plan(&wanted).await?.machines {
                if let (true, Access::Ssh(ssh)) = (name.is_sold(), &mut machine.access) {
                    // The deployer's own key and the host keys are in the copy.
                    (ssh.key, ssh.host_key) = (None, None);
                }
                machines.insert(machine.node.clone(), machine);
            }
        }
        self.machines(machines, environment, reporter).await
    }

    /// What machines of this box have written lies on it, for root.
    async fn this_box(
        &mut self,
        options: &Adopt,
        environment: &Environment,
        reporter: &dyn Reporter,
    ) -> Result<(), CommandError> {
        let cloud =
            clouds::without_topology(CloudName::LOCAL, &options.target, environment).await?;
        let disks = cloud.disks(self.id).await?;
        if !disks.is_empty() {
            root::ensure("read the copy of the state", reporter).await?;
        }
        for (node, disk) in disks {
            self.read(&HereHost::new(&node), &node, &disk, None).await?;
        }
        Ok(())
    }

    async fn machines(
        &mut self,
        mut machines: BTreeMap<String, Machine>,
        environment: &Environment,
        reporter: &dyn Reporter,
    ) -> Result<(), CommandError> {
        let nowhere = tempfile::tempdir()?;
        let mut shown = BTreeMap::new();
        let mut connections = connect(&machines, nowhere.path(), environment, reporter).await?;
        let unknown = connections.unreachable.iter();
        let unknown =
            unknown.filter(|(_, error)| matches!(error, HostError::UnknownHostKey { .. }));
        let unknown: Vec<String> = unknown.map(|(node, _)| node.clone()).collect();
        for node in unknown {
            let Some(Access::Ssh(ssh)) = machines.get_mut(&node).map(|machine| &mut machine.access)
            else {
                continue;
            };
            // One that the inventory names is the user's to know.
            ssh.host_key = host_key(ssh).await;
            shown.extend(ssh.host_key.clone().map(|key| (node, key)));
        }
        if !shown.is_empty() {
            connections.close(false).await?;
            connections = connect(&machines, nowhere.path(), environment, reporter).await?;
        }
        let read = self.all(&connections, &shown).await;
        let silent = require_none(&connections.unreachable);
        // Nobody comes back to connections of a directory that goes at once.
        connections.close(false).await?;
        connector::forget(nowhere.path(), environment.runtime_dir.as_deref()).await?;
        read?;
        match silent {
            Err(error) if self.found.is_empty() => Err(error),
            Err(error) => {
                reporter.event(&Event::Warning(error.cause.to_string()));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn all(
        &mut self,
        connections: &Connections,
        shown: &BTreeMap<String, String>,
    ) -> Result<(), CommandError> {
        for node in connections.nodes() {
            let host = connections.host(node)?;
            self.read(host, node, "", shown.get(node)).await?;
        }
        Ok(())
    }

    /// Reads what lies on a host below a directory.
    async fn read(
        &mut self,
        host: &dyn Host,
        place: &str,
        below: &str,
        host_key: Option<&String>,
    ) -> Result<(), CommandError> {
        let marks = run(host, place, MARKS, &[below]).await?;
        for mark in marks.lines().filter_map(StateMark::read) {
            if mark.id != self.id {
                self.others
                    .push(format!("{} --id {}", mark.deployment, mark.id));
                continue;
            }
            if mark.version != StateMark::VERSION {
                return Err(CommandError::failed(format!(
                    "{place}: the copy has format {}; this deployer knows format {}",
                    mark.version,
                    StateMark::VERSION
                )));
            }
            let path = StateMark::copy_path(&mark.deployment);
            let closed = run(host, place, COPY, &[below, &path]).await?;
            if closed.is_empty() {
                continue;
            }
            self.found.push(Found {
                place: place.to_owned(),
                marked: sha256(closed.as_bytes()) == mark.sha256,
                mark,
                closed,
                host_key: host_key.cloned(),
            });
        }
        Ok(())
    }

    fn newest(self) -> Result<Found, CommandError> {
        let found = self.found.into_iter();
        let newest = found.max_by_key(|found| (found.marked, found.mark.number));
        newest.ok_or_else(|| {
            let mut others = self.others;
            others.sort();
            others.dedup();
            let error = CommandError::failed(format!(
                "no machine that was reached has a copy of the state of a deployment with the id {}",
                self.id
            ))
            .hint("there is one where the inventory of its last `up` had `state_copy:` (deployer guide adopt)");
            others.into_iter().fold(error, |error, other| {
                error.hint(format!("there is a copy of {other}"))
            })
        })
    }
}

/// The machine that `[USER@]HOST` means.
fn named(host: &str) -> Machine {
    let (user, address) = match host.rsplit_once('@') {
        Some((user, address)) => (Some(user.to_owned()), address),
        None => (None, host),
    };
    Machine {
        node: address.to_owned(),
        id: address.to_owned(),
        access: Access::Ssh(SshAccess {
            address: address.to_owned(),
            user,
            port: None,
            key: None,
            host_key: None,
            jump: None,
        }),
        networks: BTreeMap::new(),
        public: None,
        operator: None,
    }
}

async fn connect(
    machines: &BTreeMap<String, Machine>,
    directory: &Path,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<Connections, CommandError> {
    let runtime = environment.runtime_dir.as_deref();
    let connector = Connector::reading(machines, directory, runtime, &environment.home)?;
    Ok(Connections::connect(&connector, machines, CONNECT_TIMEOUT_RUNNING, reporter).await)
}

/// The host key that a machine shows to who asks; `None`: none. Whether it is the right one is told by the copy alone.
async fn host_key(access: &SshAccess) -> Option<String> {
    if access.jump.is_some() {
        return None;
    }
    let port = access.port.unwrap_or(22).to_string();
    let mut scan = process::command("ssh-keyscan");
    scan.args([
        "-T",
        "10",
        "-t",
        "ed25519",
        "-p",
        &port,
        "--",
        &access.address,
    ]);
    let ended = process::run(&mut scan, b"", QUICK, &|_| {}).await.ok()??;
    let printed = String::from_utf8_lossy(&ended.stdout).into_owned();
    let line = printed.lines().find(|line| !line.starts_with('#'))?;
    let (_, key) = line.split_once(' ')?;
    Some(key.to_owned())
}

/// Runs a script as root; what it printed.
async fn run(
    host: &dyn Host,
    place: &str,
    script: &str,
    arguments: &[&str],
) -> Result<String, CommandError> {
    let first = ["-c", script, "state copy"];
    let words = first.iter().chain(arguments);
    let command = Command {
        program: "sh".into(),
        arguments: words.map(ToString::to_string).collect(),
        input: Input::Nothing,
        timeout: QUICK,
        root: true,
    };
    let output = host.run(&command).await?;
    if output.status == 0 {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(CommandError::failed(format!(
        "{place}: the copy of the state cannot be read: {said}"
    )))
}
