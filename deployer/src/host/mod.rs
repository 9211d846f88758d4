//! Hosts: an open shell on a machine. Knows nothing of clouds, components or plans.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

pub mod connector;
mod exchange;
pub mod here;
mod jump;
mod moving;
mod route;
pub mod ssh;
pub mod ssh_config;
mod ssh_connect;
mod ssh_error;
pub mod ssh_program;
mod transport;

pub use crate::process::{Bytes, Line};
pub use connector::{Connector, ConnectorError};

/// A command for a machine: program and arguments, never a shell string.
#[derive(Debug, Clone)]
pub struct Command {
    /// The program.
    pub program: String,
    /// Its arguments. No secrets: every user of the machine can see them.
    pub arguments: Vec<String>,
    /// What it reads from its standard input.
    pub input: Input,
    /// When to give up. The command is ended on the machine too. Where it reads a file: how long it may take once all of that
    /// is sent; until then something must move.
    pub timeout: Duration,
    /// Run as root (by `sudo -n` where the login is another).
    pub root: bool,
}

/// What a command reads.
#[derive(Clone)]
pub enum Input {
    /// Nothing.
    Nothing,
    /// These bytes. `Debug` shows their number only: they may be secret.
    Bytes(Vec<u8>),
    /// A file of the operator's box.
    File(PathBuf),
    /// These bytes, and then no end for as long as somebody waits for the command: by it the command knows that nobody does.
    Held(Vec<u8>),
    /// What this program itself reads.
    Own,
}

impl Input {
    /// A text; an empty one is nothing.
    pub fn text(text: String) -> Self {
        if text.is_empty() {
            Self::Nothing
        } else {
            Self::Bytes(text.into_bytes())
        }
    }
}

/// The time of a command that ends when somebody wishes it.
pub const UNTIL_ENDED: Duration = Duration::from_hours(365 * 24);

/// How a command ended, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit code; 128 + n when signal n ended it.
    pub status: i32,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it printed on the error channel.
    pub stderr: Vec<u8>,
}

/// An open shell on a machine. May be used by several tasks at once; at most [`MAX_CHANNELS`] commands run at a time, the
/// others wait.
#[async_trait]
pub trait Host: Send + Sync {
    /// Runs a command to its end.
    async fn run(&self, command: &Command) -> Result<Output, HostError> {
        self.run_telling(command, &|_| {}).await
    }

    /// Runs a command to its end; `line` gets each line of its error channel as it comes.
    async fn run_telling(&self, command: &Command, line: Line<'_>) -> Result<Output, HostError> {
        self.run_heard(command, None, line).await
    }

    /// The same; `out` gets what the command prints as it comes, and [`Output`] has none of it. A command that nobody waits for
    /// any more is not ended where it runs: it has to look after that itself, by [`Input::Held`].
    async fn run_live(
        &self,
        command: &Command,
        out: Bytes<'_>,
        line: Line<'_>,
    ) -> Result<Output, HostError> {
        self.run_heard(command, Some(out), line).await
    }

    /// What all of these are made of.
    async fn run_heard(
        &self,
        command: &Command,
        out: Option<Bytes<'_>>,
        line: Line<'_>,
    ) -> Result<Output, HostError>;

    /// Leaves the connection open in the background for the next command line (for some minutes), or closes it.
    async fn close(self: Box<Self>, keep: bool) -> Result<(), HostError>;
}

/// Well below sshd's default of 10 sessions on a connection.
pub const MAX_CHANNELS: usize = 8;

/// Why a machine did not do as told. What the command itself said of failure is in [`Output`], not here.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Nobody listens.
    #[error("{node}: {address} refused the connection")]
    Refused {
        /// The node.
        node: String,
        /// Where.
        address: String,
    },
    /// The name means nothing.
    #[error("{node}: the name of {address} does not resolve ({detail})")]
    Name {
        /// The node.
        node: String,
        /// What ssh was asked to connect to.
        address: String,
        /// ssh's own words.
        detail: String,
    },
    /// No answer.
    #[error("{node}: no answer from {address} within {seconds} s ({detail})")]
    Timeout {
        /// The node.
        node: String,
        /// Where.
        address: String,
        /// The deadline.
        seconds: u64,
        /// ssh's own last words.
        detail: String,
    },
    /// Nobody has said which host key is the right one.
    #[error("{node}: the host key of {address} is not known, so it is not trusted ({detail})")]
    UnknownHostKey {
        /// The node.
        node: String,
        /// Where.
        address: String,
        /// ssh's own words.
        detail: String,
    },
    /// The host key is another than the known one.
    #[error("{node}: the host key of {address} is not the expected one ({detail})")]
    HostKey {
        /// The node.
        node: String,
        /// Where.
        address: String,
        /// ssh's own words.
        detail: String,
    },
    /// The machine does not accept our key or user.
    #[error("{node}: {address} does not accept the login ({detail})")]
    Login {
        /// The node.
        node: String,
        /// Where.
        address: String,
        /// ssh's own words.
        detail: String,
    },
    /// The login is not root's and may not become root without a password.
    #[error("{node}: no root rights by `sudo -n` ({detail})")]
    Sudo {
        /// The node.
        node: String,
        /// sudo's own words.
        detail: String,
    },
    /// The login's shell, or its start-up files, did something else than it was told.
    #[error("{node}: the login's shell does not run what it is told ({detail})")]
    Shell {
        /// The node.
        node: String,
        /// The last words that came instead.
        detail: String,
    },
    /// The machine could not say how it is.
    #[error("{node}: cannot say how it is: exit code {status} ({detail})")]
    NoAnswer {
        /// The node.
        node: String,
        /// Exit code of the question.
        status: i32,
        /// Its last words.
        detail: String,
    },
    /// The host on the way does not lead there.
    #[error("{node}: there is no way through {gate} ({detail})")]
    Jump {
        /// The node.
        node: String,
        /// The host on the way.
        gate: String,
        /// What was said there.
        detail: String,
    },
    /// This box has no SSH client.
    #[error("{node}: this box has no program `ssh`")]
    NoSsh {
        /// The node.
        node: String,
    },
    /// The connection broke, or ssh itself failed.
    #[error("{node}: the connection failed ({detail})")]
    Connection {
        /// The node.
        node: String,
        /// What happened.
        detail: String,
    },
    /// A command took too long; it was ended.
    #[error("{node}: `{command}` was ended after {seconds} s")]
    CommandTimeout {
        /// The node.
        node: String,
        /// The program.
        command: String,
        /// The deadline.
        seconds: u64,
    },
    /// A file of the operator's box that should have been sent.
    #[error("{node}: cannot read {path}")]
    Local {
        /// The node.
        node: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl std::fmt::Debug for Input {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => formatter.write_str("Nothing"),
            Self::Bytes(bytes) => write!(formatter, "Bytes({})", bytes.len()),
            Self::File(path) => write!(formatter, "File({})", path.display()),
            Self::Held(bytes) => write!(formatter, "Held({})", bytes.len()),
            Self::Own => formatter.write_str("Own"),
        }
    }
}
