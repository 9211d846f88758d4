//! The producer agent: see `producer --help`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use agent::command::{self, CommandError, Outcome};
use agent::config::{self, ProducerConfig};
use agent::producer::{self, canaries};
use agent::shutdown::Shutdown;
use clap::{Parser, Subcommand};

/// Makes events and sends them to Kafka.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only check the configuration.
    #[arg(long)]
    check: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Let the next start begin a new run; the service must be stopped.
    NewRun,
    /// Send numbered events that prove the way to `CouchDB`.
    Canaries {
        /// The id of this run of canaries.
        #[arg(long)]
        run: String,
        /// How many are sent.
        #[arg(long)]
        count: u64,
        /// The topic of the canaries.
        #[arg(long)]
        topic: String,
        /// How many seconds their confirmation may take.
        #[arg(long, default_value_t = 30)]
        timeout: u64,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    command::run(|| {
        let config: ProducerConfig = config::load(&arguments.config)?;
        command::start_logging(config.log);
        Ok(run(arguments, config))
    })
}

async fn run(arguments: Arguments, config: ProducerConfig) -> Result<Outcome, CommandError> {
    let output = &mut std::io::stdout().lock();
    match arguments.command {
        _ if arguments.check => {}
        None => {
            producer::run(
                config,
                Shutdown::on_signals().map_err(CommandError::signals)?,
            )
            .await?;
        }
        Some(Command::NewRun) => command::print(output, &[producer::new_run(&config)?])?,
        Some(Command::Canaries {
            run,
            count,
            topic,
            timeout,
        }) => {
            let sent =
                canaries::send(&config, &run, count, &topic, Duration::from_secs(timeout)).await?;
            command::print(output, &[&sent])?;
            return Ok(Outcome::met(sent.is_complete()));
        }
    }
    Ok(Outcome::Done)
}
