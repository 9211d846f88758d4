//! The command line of `producer`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use super::{CommandError, Outcome, seconds};
use crate::config::{self, ProducerConfig};
use crate::producer::{self, canaries};
use crate::shutdown::Shutdown;

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
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        count: u64,
        /// The topic of the canaries.
        #[arg(long)]
        topic: String,
        /// How many seconds their confirmation may take.
        #[arg(long, default_value_t = 30, value_parser = seconds())]
        timeout: u64,
    },
}

/// Runs the producer as the command line says, to its end.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    super::run(|| {
        let config: ProducerConfig = config::load(&arguments.config)?;
        super::start_logging(config.log);
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
        Some(Command::NewRun) => super::print(output, &[producer::new_run(&config)?])?,
        Some(Command::Canaries {
            run,
            count,
            topic,
            timeout,
        }) => {
            let sent =
                canaries::send(&config, &run, count, &topic, Duration::from_secs(timeout)).await?;
            super::print(output, &[&sent])?;
            return Ok(Outcome::met(sent.is_complete()));
        }
    }
    Ok(Outcome::Done)
}
