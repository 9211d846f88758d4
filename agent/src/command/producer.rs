//! The command line of `producer`.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use super::{CommandError, Outcome, Start, seconds};
use crate::config::ProducerConfig;
use crate::producer::{self, canaries};
use crate::shutdown::Shutdown;

/// Makes events and sends them to Kafka.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    start: Start,
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
    let Arguments { start, command } = Arguments::parse();
    start.run(|config| run(command, config))
}

async fn run(command: Option<Command>, config: ProducerConfig) -> Result<Outcome, CommandError> {
    let output = &mut std::io::stdout().lock();
    match command {
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
