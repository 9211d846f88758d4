//! Options of the verbs that look into a deployment and use it.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Target;

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
    /// Write all that was seen into a file for others, as `.json` or `.html`: the canaries, each topic against its database, and on what.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Kill a broker and prove the same again, while it is dead and until it has caught up.
    #[arg(long)]
    pub kill_broker: bool,
}

/// Options of `ssh`.
#[derive(Debug, Args)]
pub struct Ssh {
    /// The node.
    pub node: String,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// A command to run there instead of a shell: its words, or one text for the shell there (`'cd /x; ls'`).
    #[arg(last = true)]
    pub command: Vec<String>,
}

/// Options of `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// A node, or a role or a program for all nodes that have it.
    #[arg(value_name = "NODE|ROLE|PROGRAM")]
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
    /// How many, 1000 at most.
    #[arg(short = 'n', default_value_t = 3, value_parser = newest)]
    pub count: u32,
    /// Of this topic only.
    #[arg(long)]
    pub topic: Option<String>,
    /// As a table: a row for each, as wide as the terminal.
    #[arg(long)]
    pub table: bool,
}

/// A number of documents that the nodes take.
fn newest(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(count @ 1..=1000) => Ok(count),
        _ => Err("from 1 to 1000; `deployer export FILE` writes all documents".to_owned()),
    }
}

/// Options of `dead-letters`.
#[derive(Debug, Args)]
pub struct DeadLetters {
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// Of this topic only.
    #[arg(long)]
    pub topic: Option<String>,
    /// Try each again; one that becomes a document is no dead letter any more. Exit code 1 when some stay dead.
    #[arg(long)]
    pub retry: bool,
    /// Put each away: it stays in its database with the time, and `status` is well again.
    #[arg(long, conflicts_with = "retry")]
    pub put_away: bool,
    /// Print JSON lines.
    #[arg(long)]
    pub json: bool,
}

/// Options of `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The file to write; must not exist.
    pub file: PathBuf,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
}

/// Options of `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// A file that `export` wrote.
    pub file: PathBuf,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
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
    /// MariaDB's port.
    Mariadb,
    /// phpMyAdmin's pages.
    Phpmyadmin,
    /// Spark's own web page.
    Spark,
}

impl Service {
    /// The component's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Couchdb => "couchdb",
            Self::Kafka => "kafka",
            Self::Mariadb => "mariadb",
            Self::Phpmyadmin => "phpmyadmin",
            Self::Spark => "spark",
        }
    }
}

/// Options of `client-config`.
#[derive(Debug, Args)]
pub struct ClientConfig {
    /// The user; one of the inventory's `users`.
    pub user: String,
    /// For which client; for all of them when none is named.
    #[arg(value_enum, value_name = "CLIENT")]
    pub kind: Option<ClientKind>,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// The directory to write; must not exist [default: DEPLOYMENT-USER here]
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
}

/// A kind of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClientKind {
    /// kcat, and all that is made of librdkafka.
    Kcat,
    /// Kafka's own tools, and programs in Java.
    Java,
    /// Programs in Python, by confluent-kafka or kafka-python.
    Python,
    /// A shell's variables.
    Env,
}

impl ClientKind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kcat => "kcat",
            Self::Java => "java",
            Self::Python => "python",
            Self::Env => "env",
        }
    }
}

/// Options of `kafka`.
#[derive(Debug, Args)]
pub struct Tools {
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// Which tool.
    #[command(subcommand)]
    pub tool: OwnTool,
}

/// Kafka's own tools. All that follows a name is the tool's.
#[derive(Debug, Subcommand)]
pub enum OwnTool {
    /// Shows, makes, alters and deletes topics.
    Topics(ToolArguments),
    /// Shows consumer groups, and resets their offsets.
    Groups(ToolArguments),
    /// Shows where partitions begin and end.
    Offsets(ToolArguments),
    /// Moves partitions between brokers.
    Reassign(ToolArguments),
    /// Shows and alters settings.
    Configs(ToolArguments),
    /// Shows and alters who may do what.
    Acls(ToolArguments),
    /// Sends the lines of the standard input.
    ConsoleProducer(ToolArguments),
    /// Shows events as they come.
    ConsoleConsumer(ToolArguments),
}

/// What a tool of somebody else is given.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, disable_version_flag = true)]
pub struct ToolArguments {
    /// Its own options; `--bootstrap-server` is added.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

impl OwnTool {
    /// Its name, and what it is given.
    pub fn call(&self) -> (&'static str, &[String]) {
        let (name, given) = match self {
            Self::Topics(given) => ("topics", given),
            Self::Groups(given) => ("groups", given),
            Self::Offsets(given) => ("offsets", given),
            Self::Reassign(given) => ("reassign", given),
            Self::Configs(given) => ("configs", given),
            Self::Acls(given) => ("acls", given),
            Self::ConsoleProducer(given) => ("console-producer", given),
            Self::ConsoleConsumer(given) => ("console-consumer", given),
        };
        (name, &given.arguments)
    }
}

/// Options of `tail`.
#[derive(Debug, Args)]
pub struct Tail {
    /// The topic.
    pub topic: String,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// Show those, too, which are there already.
    #[arg(long)]
    pub from_beginning: bool,
    /// End after so many.
    #[arg(short = 'n', value_name = "COUNT")]
    pub count: Option<u64>,
}

/// Options of `send`.
#[derive(Debug, Args)]
pub struct Send {
    /// The topic; one of the inventory's.
    pub topic: String,
    /// The file; `-`: standard input.
    pub file: PathBuf,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
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

/// Options of `try`.
#[derive(Debug, Args)]
pub struct Try {
    /// The stream of the inventory.
    pub stream: String,
    /// The file: each line is an event.
    pub file: PathBuf,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
}

/// Options of `lineage`.
#[derive(Debug, Args)]
pub struct Lineage {
    /// As a drawing of Mermaid's, which renders in Markdown.
    #[arg(long)]
    pub mermaid: bool,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
}
