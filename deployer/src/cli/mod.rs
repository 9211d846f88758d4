//! The command line: types only, and the few environment variables that count.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use crate::topology::CloudName;

mod advice;
mod environment;
mod lifecycle;
mod pipeline;
mod secrets;

pub use advice::advice;
pub use environment::{Environment, STEP};
pub use lifecycle::{
    Adopt, Allow, BuildAgents, Change, Check, Completions, Extend, Guide, Init, List, Plan,
    Rehearse, Render, Teardown, Up,
};
pub use pipeline::{
    ClientConfig, ClientKind, DeadLetters, Docs, Export, Import, Lineage, Logs, Open, Produce,
    Send, Service, Ssh, Status, Tail, Tools, Try, Verify,
};
pub use secrets::{Listed, Rotate, Secrets, SecretsVerb, Show};

/// From nothing to a running Kafka → CouchDB pipeline with one command, and back with another.
#[derive(Debug, Parser)]
#[command(
    name = "deployer",
    version,
    about,
    max_term_width = 110,
    propagate_version = true,
    after_help = "`deployer guide` has pages about all of this."
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
    /// Shows what a stream of the inventory makes of the lines of a file, on this box and without a deployment.
    Try(Try),
    /// Shows the way of events by the inventory: from sources by topics and streams to sinks.
    Lineage(Lineage),
    /// Looks for whatever would make `up` fail: tools, access, disk, memory, ports, clocks.
    Check(Check),
    /// Opens a shell on a node, or runs a command there.
    Ssh(Ssh),
    /// Shows the logs of a node's services, or of all services of a role.
    Logs(Logs),
    /// Shows the newest documents.
    Docs(Docs),
    /// Shows what could never be a document, with the reason; can try it again.
    DeadLetters(DeadLetters),
    /// Writes all documents of a deployment into a file.
    Export(Export),
    /// Writes the documents of such a file into a deployment; what is there is never overwritten.
    Import(Import),
    /// Opens a tunnel to CouchDB or Kafka and prints how to use it.
    Open(Open),
    /// Runs Kafka's own tools on a broker's node.
    #[command(name = "kafka")]
    Tools(Tools),
    /// Shows the events of a topic as they come, until Ctrl-C: time, partition and offset, key, headers, value.
    Tail(Tail),
    /// Sends each line of a file as an event; the same file sent twice makes no second document.
    Send(Send),
    /// Writes what a user's program needs to reach Kafka: certificate, password and settings.
    ClientConfig(ClientConfig),
    /// Shows what passwords and keys there are, or one password; brings new ones while all goes on.
    Secrets(Secrets),
    /// Starts a new run of the producers.
    Produce(Produce),
    /// Lists all deployments that a cloud knows of, whoever made them.
    List(List),
    /// Takes a deployment over from another laptop, by the copy of its state on its machines (`state_copy:`).
    Adopt(Adopt),
    /// Lets the address this box is seen by today use SSH.
    Allow(Allow),
    /// Lets the machines live that much longer from now on.
    Extend(Extend),
    /// Tries all of this on machines that are thrown away, and writes a report.
    Rehearse(Rehearse),
    /// Builds the agents, in a checkout, so that they run from Debian 11 and Ubuntu 20.04 on.
    BuildAgents(BuildAgents),
    /// Prints pages about all of this: clouds, inventories, agents, security, what to do when something fails.
    Guide(Guide),
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
            Self::Try(options) => &options.target,
            Self::Lineage(options) => &options.target,
            Self::Check(options) => &options.target,
            Self::Ssh(options) => &options.target,
            Self::Logs(options) => &options.target,
            Self::Docs(options) => &options.target,
            Self::DeadLetters(options) => &options.target,
            Self::Export(options) => &options.target,
            Self::Import(options) => &options.target,
            Self::Open(options) => &options.target,
            Self::ClientConfig(options) => &options.target,
            Self::Tools(options) => &options.target,
            Self::Tail(options) => &options.target,
            Self::Send(options) => &options.target,
            Self::Secrets(options) => options.target(),
            Self::Produce(options) => &options.target,
            Self::List(options) => &options.target,
            Self::Allow(options) => &options.target,
            Self::Extend(options) => &options.target,
            Self::Rehearse(options) => &options.target,
            Self::Adopt(options) => &options.target,
            Self::BuildAgents(_)
            | Self::Guide(_)
            | Self::Init(_)
            | Self::Schema
            | Self::Completions(_) => return None,
        })
    }
}

/// Which deployment, and where we keep what we know of it.
#[derive(Debug, Clone, Default, Args)]
pub struct Target {
    /// The inventory, or one that is built in: logins, trucks, utilization [default: inventory/utilization.yaml, else the one built in]
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
    #[arg(long, value_name = "DIR", value_parser = absolute())]
    pub state_dir: Option<PathBuf>,
    /// The inventory's text, where it is not to be read from a file: that of the last `up`.
    #[arg(skip)]
    pub text: Option<String>,
}

/// Paths in it are recorded, and have to hold wherever the next command is called.
fn absolute() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(std::path::absolute)
}

fn parse_cloud(text: &str) -> Result<CloudName, String> {
    CloudName::find(text).ok_or_else(|| {
        let known: Vec<&str> = CloudName::all().map(CloudName::name).collect();
        format!("this build knows the clouds {}", known.join(" and "))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
