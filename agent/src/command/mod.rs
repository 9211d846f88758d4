//! The command lines of the two binaries and what they share: logging, output, exit codes and the runtime.

mod certificates;
pub mod consumer;
pub mod producer;

use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use rdkafka::error::KafkaError;
use serde::Serialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;

use crate::admin::AdminError;
use crate::config::{self, Checked, LogFormat};
use crate::consumer::ConsumerError;
use crate::error::chain;
use crate::producer::ProducerError;

/// The exit code for a configuration that cannot work (`EX_CONFIG`).
pub const EXIT_CONFIG: u8 = 78;

/// How long the runtime waits, after the end, for threads that are still busy.
const GRACE: Duration = Duration::from_secs(1);

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it was asked.
    Done,
    /// It ran, but what was asked for is not so.
    Unmet,
}

impl Outcome {
    /// Returns [`Self::Done`] where the condition was met.
    pub fn met(condition: bool) -> Self {
        if condition { Self::Done } else { Self::Unmet }
    }
}

/// Says why a command ended early.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// The producer ended.
    #[error(transparent)]
    Producer(#[from] ProducerError),
    /// The consumer ended.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    /// A call of the deployer failed.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The output or the runtime failed.
    #[error("{subject}")]
    System {
        /// What failed.
        subject: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

impl CommandError {
    /// Returns whether only another configuration helps.
    fn is_config(&self) -> bool {
        match self {
            Self::Config(_)
            | Self::Producer(ProducerError::Config(_))
            | Self::Consumer(ConsumerError::Config(_) | ConsumerError::Sink(_))
            | Self::Admin(AdminError::Config(_) | AdminError::Open(_) | AdminError::Asked(_)) => {
                true
            }
            // What librdkafka refuses before it opens anything, such as a key that does not fit its certificate.
            Self::Producer(ProducerError::Client(error))
            | Self::Consumer(ConsumerError::Client(error))
            | Self::Admin(AdminError::Kafka { source: error, .. }) => {
                matches!(
                    error,
                    KafkaError::ClientCreation(_) | KafkaError::ClientConfig(..)
                )
            }
            _ => false,
        }
    }

    /// Says that signals cannot be caught.
    pub fn signals(source: std::io::Error) -> Self {
        Self::System {
            subject: "the signals to end cannot be caught",
            source,
        }
    }
}

/// What both command lines begin with.
#[derive(Debug, Args)]
pub struct Start {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only check the configuration and the files it names.
    #[arg(long)]
    check: bool,
}

impl Start {
    /// Runs a command with the configuration to its end, and turns the result into an exit code; an error is one line on
    /// stderr.
    pub fn run<C, F>(&self, command: impl FnOnce(C) -> F) -> ExitCode
    where
        C: Checked,
        F: Future<Output = Result<Outcome, CommandError>>,
    {
        match self.try_run(command) {
            Ok(Outcome::Done) => ExitCode::SUCCESS,
            Ok(Outcome::Unmet) => ExitCode::FAILURE,
            Err(error) => {
                // The one place that writes an error; a lost line on a closed stderr cannot be told to anyone.
                let _ = writeln!(std::io::stderr(), "{}", chain(&error));
                ExitCode::from(if error.is_config() { EXIT_CONFIG } else { 1 })
            }
        }
    }

    fn try_run<C, F>(&self, command: impl FnOnce(C) -> F) -> Result<Outcome, CommandError>
    where
        C: Checked,
        F: Future<Output = Result<Outcome, CommandError>>,
    {
        let config: C = config::load(&self.config)?;
        if self.check {
            config.check_files()?;
            return Ok(Outcome::Done);
        }
        if !config.needs_certificates() {
            certificates::leave_out();
        }
        start_logging(config.log());
        block_on(command(config))
    }
}

fn block_on<F>(command: F) -> Result<Outcome, CommandError>
where
    F: Future<Output = Result<Outcome, CommandError>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| CommandError::System {
            subject: "the runtime cannot be started",
            source,
        })?;
    let result = runtime.block_on(command);
    // A read of the standard input, or a Kafka client that waits for a dead broker, must not hold the exit up.
    runtime.shutdown_timeout(GRACE);
    result
}

/// Accepts a number of seconds up to a day.
fn seconds() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..=86_400)
}

/// Sends log lines to stderr in this format; `RUST_LOG` chooses which.
pub fn start_logging(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    // Set without the bridge from the `log` crate: librdkafka's lines come through our own context, and the bridge's
    // records carry the path of a source file on the machine that built us.
    let set = match format {
        LogFormat::Text => {
            let layer = tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(false)
                .with_target(false);
            tracing::subscriber::set_global_default(registry.with(layer))
        }
        LogFormat::Json => {
            let layer = tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .json()
                .flatten_event(true)
                .with_target(false);
            tracing::subscriber::set_global_default(registry.with(layer))
        }
    };
    if let Err(error) = set {
        // Only a second call ends here; the first one's format stays.
        tracing::debug!(%error, "logging is set already");
    }
}

/// Writes documents as JSON, one a line.
///
/// # Errors
/// When the writer fails.
pub fn print<T: Serialize>(writer: &mut impl Write, documents: &[T]) -> Result<(), CommandError> {
    for document in documents {
        serde_json::to_writer(&mut *writer, document).map_err(|error| unwritten(error.into()))?;
        writeln!(writer).map_err(unwritten)?;
    }
    writer.flush().map_err(unwritten)
}

/// Writes a line that is seen at once.
///
/// # Errors
/// When the writer fails.
pub fn print_line(writer: &mut impl Write, line: &str) -> Result<(), CommandError> {
    writeln!(writer, "{line}").map_err(unwritten)?;
    writer.flush().map_err(unwritten)
}

fn unwritten(source: std::io::Error) -> CommandError {
    CommandError::System {
        subject: "the result cannot be written",
        source,
    }
}
