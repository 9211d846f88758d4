//! Files on their way to several nodes of one network: the operator's box sends each to one node, and that one gives it to the
//! others. A home's uplink is narrow, a cloud's own network is not. Where any of this fails, files are sent to each node.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::shell::{FETCHING, LONG, QUICK, Script, Shell, WRITE, last_lines, unreadable};
use crate::host::{Command, Host, HostError, Input, Line};
use crate::run::StepError;
use crate::step::Download;

const FETCH: Script = Script {
    name: "fetch for neighbours",
    text: concat!(include_str!("fetch.sh"), include_str!("relay_fetch.sh")),
};
const SERVE: Script = Script {
    name: "serve files to neighbours",
    text: include_str!("relay_serve.sh"),
};
const TAKE: Script = Script {
    name: "fetch from a neighbour",
    text: concat!(
        include_str!("relay_take.sh"),
        include_str!("write.sh"),
        "}\n"
    ),
};
const STOP: &str =
    "systemctl stop \"$1\" 2>/dev/null; rm -rf -- \"$2\"; rmdir -- \"${2%/*}\" 2>/dev/null; :";
/// Where files lie meanwhile.
const PLACE: &str = "/var/tmp/deployer-relay";

/// Who may give files to whom.
#[derive(Debug, Default)]
pub struct Relays {
    /// Node → the network it shares with its neighbours, and its address there.
    pub addresses: BTreeMap<String, (String, IpAddr)>,
    /// Keys of the artifacts that several of these nodes need.
    pub artifacts: BTreeSet<String>,
}

/// A node that has a file for its neighbours.
#[derive(Debug, Clone)]
struct Seed {
    node: String,
    /// The file on that node.
    file: String,
    sum: String,
    /// Where neighbours get it; `None`: it cannot serve.
    address: Option<String>,
}

/// Network and file of the operator's box → the node that has it there.
type Seeds = BTreeMap<(String, PathBuf), Arc<OnceCell<Seed>>>;

/// Network and checksum of somebody else's file → the node that fetched it; `None`: it could not, and nobody else tries.
type Fetched = BTreeMap<(String, String), Arc<OnceCell<Option<Seed>>>>;

/// The files that are on their way.
#[derive(Debug, Default)]
pub(super) struct Relay {
    relays: Relays,
    seeds: Mutex<Seeds>,
    fetched: Mutex<Fetched>,
}

/// How one file comes to one node.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) relay: &'a Relay,
    pub(super) node: &'a str,
    pub(super) artifact: &'a str,
    pub(super) line: Line<'a>,
}

impl Relay {
    pub(super) fn new(relays: Relays) -> Self {
        Self {
            relays,
            ..Self::default()
        }
    }

    fn seed_of(&self, network: &str, local: &Path) -> Arc<OnceCell<Seed>> {
        let key = (network.to_owned(), local.to_owned());
        let mut seeds = self.seeds.lock().unwrap_or_else(PoisonError::into_inner);
        seeds.entry(key).or_default().clone()
    }

    /// Ends what was served. Whatever is not reached any more ends by itself.
    pub(super) async fn end(
        self,
        hosts: &BTreeMap<String, Box<dyn Host>>,
    ) -> Result<(), HostError> {
        let seeds = self.seeds.into_inner().unwrap_or_default().into_values();
        let fetched = self.fetched.into_inner().unwrap_or_default().into_values();
        let fetched = fetched.filter_map(|cell| cell.get().cloned().flatten());
        let seeds = seeds.filter_map(|cell| cell.get().cloned()).chain(fetched);
        for seed in seeds {
            let Some(host) = hosts.get(&seed.node) else {
                continue;
            };
            let (unit, directory) = (unit(&seed.sum), directory(&seed.sum));
            let command = Command {
                program: "sh".into(),
                arguments: ["-c", STOP, "end relay", &unit, &directory]
                    .map(Into::into)
                    .into(),
                input: Input::Nothing,
                timeout: QUICK,
                root: true,
            };
            host.run(&command).await?;
        }
        Ok(())
    }
}

impl Way<'_> {
    /// Where a node gets a file that others publish. Of several nodes of a network one fetches it, and the others get it there:
    /// the publisher counts what an address takes, and a site has one for all its machines.
    pub(super) async fn sources(
        self,
        shell: &Shell<'_>,
        download: &Download,
    ) -> Result<Vec<String>, StepError> {
        let relays = &self.relay.relays;
        let shared = relays.artifacts.contains(self.artifact);
        let Some((network, address)) = relays.addresses.get(self.node).filter(|_| shared) else {
            return Ok(download.addresses.clone());
        };
        let cell = {
            let key = (network.clone(), download.sha512.clone());
            let fetched = &self.relay.fetched;
            let mut fetched = fetched.lock().unwrap_or_else(PoisonError::into_inner);
            fetched.entry(key).or_default().clone()
        };
        let seed = cell
            .get_or_try_init(|| fetch(shell, self.node, *address, download, self.line))
            .await?;
        let source = seed.as_ref().and_then(|seed| {
            if seed.node == self.node {
                Some(seed.file.clone())
            } else {
                let from = seed.address.as_ref();
                from.map(|from| format!("neighbour:{from}"))
            }
        });
        Ok(source.into_iter().collect())
    }

    /// Brings a file of the operator's box to a node by way of its neighbours, into `path`, for root alone. `false`: it does
    /// not come that way, and must be sent.
    pub(super) async fn bring(
        self,
        shell: &Shell<'_>,
        local: &Path,
        path: &str,
    ) -> Result<bool, StepError> {
        let Self {
            relay,
            node,
            artifact,
            line,
        } = self;
        let Some((network, address)) = relay.relays.addresses.get(node) else {
            return Ok(false);
        };
        if !relay.relays.artifacts.contains(artifact) {
            return Ok(false);
        }
        let cell = relay.seed_of(network, local);
        let seed = cell
            .get_or_try_init(|| seed(shell, node, *address, local, line))
            .await?;
        if seed.node == node {
            let copy = ["-D", "-m", "0600", "--", &seed.file, path];
            shell.run("install", &copy, Input::Nothing, LONG).await?;
            return Ok(true);
        }
        let Some(from) = &seed.address else {
            return Ok(false);
        };
        line(&format!("fetching from {}", seed.node));
        let arguments = [from, "root", "root", "0600", &seed.sum, path];
        let taken = shell
            .script_output(&TAKE, &arguments, Input::Nothing, LONG)
            .await?;
        if taken.status != 0 {
            let why = last_lines(&taken).pop().unwrap_or_default();
            line(&format!(
                "{} does not give it ({why}), so it is sent",
                seed.node
            ));
        }
        Ok(taken.status == 0)
    }
}

fn directory(sum: &str) -> String {
    format!("{PLACE}/{sum}")
}

fn unit(sum: &str) -> String {
    format!("deployer-relay-{}.service", &sum[..12])
}

/// Makes the first node that needs a file of somebody else's fetch it and serve it.
async fn fetch(
    shell: &Shell<'_>,
    node: &str,
    address: IpAddr,
    download: &Download,
    line: Line<'_>,
) -> Result<Option<Seed>, StepError> {
    let sum = &download.sha512;
    let file = format!("{}/file", directory(sum));
    let addresses = download.addresses.iter().map(String::as_str);
    let arguments: Vec<&str> = [file.as_str(), sum].into_iter().chain(addresses).collect();
    let output = shell
        .script_output(&FETCH, &arguments, Input::Nothing, FETCHING)
        .await?;
    if output.status != 0 {
        return Ok(None);
    }
    serve(shell, node, address, sum, line).await.map(Some)
}

/// Sends a file to the first node that needs it, and makes that one serve it.
async fn seed(
    shell: &Shell<'_>,
    node: &str,
    address: IpAddr,
    local: &Path,
    line: Line<'_>,
) -> Result<Seed, StepError> {
    let sum = sum_of(local).await?;
    let file = format!("{}/file", directory(&sum));
    let input = Input::File(local.into());
    let arguments = ["root", "root", "0644", &sum, &file];
    shell.script(&WRITE, &arguments, input, LONG).await?;
    serve(shell, node, address, &sum, line).await
}

/// Makes a node serve the file that lies in the directory of its checksum.
async fn serve(
    shell: &Shell<'_>,
    node: &str,
    address: IpAddr,
    sum: &str,
    line: Line<'_>,
) -> Result<Seed, StepError> {
    let directory = directory(sum);
    let arguments = [directory.as_str(), &address.to_string(), &unit(sum)];
    let served = shell
        .script_output(&SERVE, &arguments, Input::Nothing, QUICK)
        .await?;
    let port: Option<u16> = String::from_utf8_lossy(&served.stdout).trim().parse().ok();
    if port.is_none() {
        let why = last_lines(&served).pop().unwrap_or_default();
        line(&format!(
            "{node} cannot give it to its neighbours ({why}): it is sent to each"
        ));
    }
    Ok(Seed {
        node: node.into(),
        address: port
            .map(|port| format!("http://{}/file", std::net::SocketAddr::new(address, port))),
        file: format!("{directory}/file"),
        sum: sum.into(),
    })
}

async fn sum_of(local: &Path) -> Result<String, StepError> {
    let path = local.to_owned();
    let summed = tokio::task::spawn_blocking(move || {
        let mut digest = Sha256::new();
        std::io::copy(&mut std::fs::File::open(path)?, &mut digest)?;
        Ok::<_, std::io::Error>(hex::encode(digest.finalize()))
    });
    let result = summed.await.map_err(std::io::Error::other);
    result.flatten().map_err(|source| unreadable(local, source))
}
