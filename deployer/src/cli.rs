//! The command line: types only, and the few environment variables that count.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::secret::Secret;
use crate::topology::{CloudName, Ttl};

/// From nothing to a running Kafka → CouchDB pipeline with one command, and back with another.
#[derive(Debug, Parser)]
#[command(
    name = "deployer",
    version,
    about,
    max_term_width = 110,
    propagate_version = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Makes the machines, installs and starts all that is missing, and proves that events arrive.
    Up(Up),
    /// Shows what `up` would change; changes nothing. Exit code 0: nothing to do, 2: changes.
    Plan(Plan),
    /// Shows nodes, units, brokers, topics and documents. Exit code 0 only when all is well.
    Status(Status),
    /// Sends numbered canaries through the pipeline and waits for their documents.
    Verify(Verify),
    /// Takes a deployment away and checks that nothing is left.
    Teardown(Teardown),
    /// Writes every file that `up` would put on the nodes into a directory, secrets left out.
    Render(Render),
    /// Looks for whatever would make `up` fail: tools, access, disk, memory, ports, clocks.
    Check(Check),
    /// Opens a shell on a node, or runs a command there.
    Ssh(Ssh),
    /// Shows the logs of a node's services, or of all services of a role.
    Logs(Logs),
    /// Shows the newest documents.
    Docs(Docs),
    /// Opens a tunnel to CouchDB or Kafka and prints how to use it.
    Open(Open),
    /// Starts a new run of the producers.
    Produce(Produce),
    /// Lists all deployments that a cloud knows of, whoever made them.
    List(List),
    /// Lets the address this box is seen by today use SSH.
    Allow(Allow),
    /// Lets the machines live that much longer from now on.
    Extend(Extend),
    /// Builds the agents, in a checkout, so that they run from Debian 11 and Ubuntu 20.04 on.
    BuildAgents(BuildAgents),
    /// Writes an inventory to begin with.
    Init(Init),
    /// Prints the JSON Schema of inventories.
    Schema,
    /// Prints a completion script for a shell.
    Completions(Completions),
}

impl Verb {
    /// The options that say which deployment it is about.
    pub fn target(&self) -> Option<&Target> {
        Some(match self {
            Self::Up(options) => &options.target,
            Self::Plan(options) => &options.target,
            Self::Status(options) => &options.target,
            Self::Verify(options) => &options.target,
            Self::Teardown(options) => &options.target,
            Self::Render(options) => &options.target,
            Self::Check(options) => &options.target,
            Self::Ssh(options) => &options.target,
            Self::Logs(options) => &options.target,
            Self::Docs(options) => &options.target,
            Self::Open(options) => &options.target,
            Self::Produce(options) => &options.target,
            Self::List(options) => &options.target,
            Self::Allow(options) => &options.target,
            Self::Extend(options) => &options.target,
            Self::BuildAgents(_) | Self::Init(_) | Self::Schema | Self::Completions(_) => {
                return None;
            }
        })
    }
}

/// Which deployment, and where we keep what we know of it.
#[derive(Debug, Clone, Default, Args)]
pub struct Target {
    /// The inventory [default: inventory/utilization.yaml, else the one built in]
    #[arg(long, short, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// The deployment's name [default: the inventory's]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The cloud [default: the inventory's]
    #[arg(long, value_name = "CLOUD", value_parser = parse_cloud)]
    pub cloud: Option<CloudName>,
    /// The entry of clouds.yaml for Chameleon [default: `$OS_CLOUD`, else the inventory's, else the only one]
    #[arg(long, value_name = "NAME")]
    pub os_cloud: Option<String>,
    /// Where receipts, keys and secrets are kept [default: `$XDG_STATE_HOME/deployer`, else `~/.local/state/deployer`]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// Options of `up`.
#[derive(Debug, Args)]
pub struct Up {
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// What may change.
    #[command(flatten)]
    pub change: Change,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
    /// Wait until every producer with a count has sent all its events and they are documents.
    #[arg(long)]
    pub wait: bool,
}

/// Options of `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// What may change.
    #[command(flatten)]
    pub change: Change,
    /// Print the plan as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What `up` and `plan` may change beyond making and repairing.
#[derive(Debug, Clone, Default, Args)]
pub struct Change {
    /// Directory with the `producer` and `consumer` binaries, or with such a directory for each kind of machine
    /// [default: beside this program]
    #[arg(long, value_name = "DIR")]
    pub agents: Option<PathBuf>,
    /// Remove machines that the inventory no longer names.
    #[arg(long)]
    pub prune: bool,
    /// Accept that the data of this node is lost; may be given several times.
    #[arg(long, value_name = "NODE")]
    pub destroy_data: Vec<String>,
}

/// Options of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// Canaries of each producer.
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `teardown`.
#[derive(Debug, Args)]
pub struct Teardown {
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// Take away the deployment with this id, without a receipt.
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Leave data directories on existing hosts.
    #[arg(long)]
    pub keep_data: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
}

/// Options of `render`.
#[derive(Debug, Args)]
pub struct Render {
    /// Where to write; one directory per node. Made if missing; must be empty.
    pub directory: PathBuf,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// Directory with the `producer` and `consumer` binaries, or with such a directory for each kind of machine
    /// [default: beside this program]
    #[arg(long, value_name = "DIR")]
    pub agents: Option<PathBuf>,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// Directory with the `producer` and `consumer` binaries, or with such a directory for each kind of machine
    /// [default: beside this program]
    #[arg(long, value_name = "DIR")]
    pub agents: Option<PathBuf>,
}

/// Options of `ssh`.
#[derive(Debug, Args)]
pub struct Ssh {
    /// The node.
    pub node: String,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// A command to run there instead of a shell.
    #[arg(last = true)]
    pub command: Vec<String>,
}

/// Options of `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// A node, or a role for all nodes that have it.
    #[arg(value_name = "NODE|ROLE")]
    pub subject: String,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// Newest lines of each node.
    #[arg(long, short = 'n', default_value_t = 50)]
    pub lines: u32,
}

/// Options of `docs`.
#[derive(Debug, Args)]
pub struct Docs {
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// How many.
    #[arg(short = 'n', default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// Of this topic only.
    #[arg(long)]
    pub topic: Option<String>,
}

/// Options of `open`.
#[derive(Debug, Args)]
pub struct Open {
    /// What to open.
    #[arg(value_enum)]
    pub service: Service,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// The local port [default: the service's own]
    #[arg(long)]
    pub port: Option<u16>,
}

/// What `open` opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Service {
    /// CouchDB's HTTP port.
    Couchdb,
    /// The brokers.
    Kafka,
}

/// Options of `produce`.
#[derive(Debug, Args)]
pub struct Produce {
    /// The client; all of them when none is named.
    pub client: Option<String>,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// Wait until the run is finished and its events are documents.
    #[arg(long)]
    pub wait: bool,
}

/// Options of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// How the cloud is reached; without `--cloud` this box and the clouds of all receipts.
    #[command(flatten)]
    pub target: Target,
}

/// Options of `allow`.
#[derive(Debug, Args)]
pub struct Allow {
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
}

/// Options of `extend`.
#[derive(Debug, Args)]
pub struct Extend {
    /// From now on, such as `6h` or `2d`; on AWS also `never`.
    #[arg(value_name = "DURATION", value_parser = parse_ttl)]
    pub time: Ttl,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
}

/// Options of `build-agents`.
#[derive(Debug, Args)]
pub struct BuildAgents {
    /// The machine they are for; may be given several times [default: one like this box]
    #[arg(long, value_enum, value_name = "MACHINE", default_values_t = AgentMachine::here())]
    pub target: Vec<AgentMachine>,
    /// Where to put them, each kind in a folder of its name [default: `agents` beside this program, where `up` finds them]
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
    /// The checkout.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub source: PathBuf,
}

/// A kind of machine that agents are built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AgentMachine {
    /// Intel and AMD.
    #[value(name = "x86_64")]
    X86,
    /// ARM, 64 bits.
    #[value(name = "aarch64")]
    Arm,
}

impl AgentMachine {
    /// As `uname -m` says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "aarch64",
        }
    }

    /// The kind of this box, if there is a name for it.
    fn here() -> Vec<Self> {
        let all = [Self::X86, Self::Arm].into_iter();
        all.filter(|machine| machine.name() == std::env::consts::ARCH)
            .collect()
    }
}

/// Options of `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The file to write; must not exist.
    #[arg(default_value = "inventory.yaml")]
    pub file: PathBuf,
    /// The smallest inventory with every optional key commented, instead of the utilization pipeline.
    #[arg(long)]
    pub minimal: bool,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

fn parse_ttl(text: &str) -> Result<Ttl, String> {
    Ttl::try_from(text.to_owned()).map_err(|why| format!("it {why}"))
}

fn parse_cloud(text: &str) -> Result<CloudName, String> {
    let known = CloudName::ALL.map(CloudName::name);
    CloudName::ALL
        .into_iter()
        .find(|cloud| cloud.name() == text)
        .ok_or_else(|| format!("this build knows the clouds {}", known.join(" and ")))
}

/// What counts of the environment, read once.
#[derive(Debug, Clone)]
pub struct Environment {
    /// `$XDG_STATE_HOME/deployer`, else `~/.local/state/deployer`.
    pub state_dir: PathBuf,
    /// `$XDG_CACHE_HOME/deployer`, else `~/.cache/deployer`.
    pub cache_dir: PathBuf,
    /// `$XDG_RUNTIME_DIR`, if set.
    pub runtime_dir: Option<PathBuf>,
    /// `$HOME`.
    pub home: PathBuf,
    /// Who calls: `$USER`, else `$LOGNAME`.
    pub user: String,
    /// What OpenStack's own tools read: the variables that begin with `OS_`. Some are secrets.
    pub openstack: BTreeMap<String, Secret>,
}

impl Environment {
    /// Reads the environment. Fails without `$HOME`.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn read() -> Result<Self, String> {
        let path = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let home = path("HOME").ok_or("HOME is not set: it says where state and cache are kept")?;
        let below = |name, default: &str| {
            path(name)
                .unwrap_or_else(|| home.join(default))
                .join("deployer")
        };
        Ok(Self {
            state_dir: below("XDG_STATE_HOME", ".local/state"),
            cache_dir: below("XDG_CACHE_HOME", ".cache"),
            runtime_dir: path("XDG_RUNTIME_DIR"),
            openstack: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .filter(|(name, _)| name.starts_with("OS_"))
                .map(|(name, value)| (name, Secret::new(value)))
                .collect(),
            user: std::env::var("USER")
                .or_else(|_| std::env::var("LOGNAME"))
                .unwrap_or_else(|_| "unknown".into()),
            home,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
