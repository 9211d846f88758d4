//! The command line of `consumer`.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use super::{CommandError, Outcome, Start, seconds};
use crate::admin::couchdb_setup::Credentials;
use crate::admin::dead_letters::Deed;
use crate::admin::{
    await_canaries, compare, dead_letters, export, import, in_sync, inspect, newest, prepare,
    read_request, send, tail,
};
use crate::config::{ConsumerConfig, Login};
use crate::consumer;
use crate::shutdown::Shutdown;

/// Writes every event as one document, and looks after Kafka and `CouchDB` for the deployer.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    start: Start,
    /// Ask Kafka by the login on the first line of the standard input, and not by the agent's; what a command reads follows.
    #[arg(long)]
    login: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Make topics, databases and the user that a request on the standard input names.
    Prepare,
    /// Show Kafka and `CouchDB` at one moment.
    Inspect {
        /// How many seconds all questions together may take.
        #[arg(long, default_value_t = 2, value_parser = seconds())]
        timeout: u64,
    },
    /// Show the newest documents.
    Newest {
        /// How many.
        #[arg(short, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
        n: u16,
        /// Of which topic; of all but the canaries' where none is given.
        #[arg(long)]
        topic: Option<String>,
    },
    /// Compare what a topic holds with what became of it in `CouchDB`, id by id.
    Compare {
        /// Which topic; all but the canaries' where none is given.
        #[arg(long)]
        topic: Option<String>,
    },
    /// Show what could never be a document, with the reason.
    DeadLetters {
        /// Of which topic; of all where none is given.
        #[arg(long)]
        topic: Option<String>,
        /// Try each again; one that becomes a document is no dead letter any more.
        #[arg(long)]
        retry: bool,
        /// Put each away: it stays where it is, with the time, and counts no more.
        #[arg(long, conflicts_with = "retry")]
        put_away: bool,
    },
    /// List the databases; the standard input holds the administrator's credentials.
    Databases,
    /// Show a part of a database's documents, which a request on the standard input names.
    Export,
    /// Write the documents on the standard input; its first line holds the administrator's credentials.
    Import,
    /// Show the events of a topic as they come, a line each, until the standard input ends.
    Tail {
        /// Which topic.
        #[arg(long)]
        topic: String,
        /// Show those, too, which are there already.
        #[arg(long)]
        from_beginning: bool,
        /// End after so many.
        #[arg(short)]
        n: Option<u64>,
    },
    /// Send the lines on the standard input as events of a topic.
    Send {
        /// Which topic.
        #[arg(long)]
        topic: String,
        /// The id of this run, in which they are numbered.
        #[arg(long)]
        run: String,
        /// The number of the first one.
        #[arg(long, default_value_t = 1)]
        first: u64,
    },
    /// Wait for the documents of canaries.
    AwaitCanaries {
        /// The id of this run of canaries.
        #[arg(long)]
        run: String,
        /// The clients that send them.
        #[arg(long, value_delimiter = ',', required = true)]
        clients: Vec<String>,
        /// How many each client sends.
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        count: u64,
        /// How many seconds to wait.
        #[arg(long, default_value_t = 30, value_parser = seconds())]
        timeout: u64,
    },
    /// Wait until all brokers are there and every partition has all its copies.
    WaitInSync {
        /// How many brokers there should be.
        #[arg(long)]
        brokers: usize,
        /// How many seconds to wait.
        #[arg(long, default_value_t = 120, value_parser = seconds())]
        timeout: u64,
    },
}

/// Runs the consumer as the command line says, to its end.
pub fn main() -> ExitCode {
    let Arguments {
        start,
        login,
        command,
    } = Arguments::parse();
    if login && command.is_none() {
        let words = "--login is for a command: the service has a login of its own";
        Arguments::command()
            .error(ErrorKind::MissingSubcommand, words)
            .exit();
    }
    start.run(async |mut config: ConsumerConfig| {
        if login {
            config.log_in(Login::read(&mut std::io::stdin().lock())?);
        }
        run(command, config).await
    })
}

/// Turns true when the standard input has ended: whoever waits for the output holds it open.
fn until_input_ends() -> Arc<AtomicBool> {
    let ended = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&ended);
    // One that cannot be read has ended.
    std::thread::spawn(move || {
        let _ended = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        told.store(true, Ordering::Relaxed);
    });
    ended
}

async fn run(command: Option<Command>, config: ConsumerConfig) -> Result<Outcome, CommandError> {
    let output = &mut std::io::stdout().lock();
    match command {
        None => {
            consumer::run(
                &config,
                Shutdown::on_signals().map_err(CommandError::signals)?,
            )
            .await?;
        }
        Some(Command::Prepare) => {
            let request: prepare::Request = read_request(std::io::stdin().lock())?;
            super::print(
                output,
                &[Box::pin(prepare::prepare(&config, &request)).await?],
            )?;
        }
        Some(Command::Inspect { timeout }) => super::print(
            output,
            &[inspect::inspect(&config, Duration::from_secs(timeout)).await?],
        )?,
        Some(Command::Newest { n, topic }) => {
            super::print(
                output,
                &newest::newest(&config, n.into(), topic.as_deref()).await?,
            )?;
        }
        Some(Command::Compare { topic }) => {
            super::print(output, &compare::compare(&config, topic.as_deref()).await?)?;
        }
        Some(Command::DeadLetters {
            topic,
            retry,
            put_away,
        }) => {
            let mut printed = Ok(());
            let deed = match (retry, put_away) {
                (true, _) => Deed::Retry,
                (false, true) => Deed::PutAway,
                (false, false) => Deed::Show,
            };
            dead_letters::walk(&config, topic.as_deref(), deed, |letter| {
                if printed.is_ok() {
                    printed = super::print(output, &[letter]);
                }
            })
            .await?;
            printed?;
        }
        Some(Command::Databases) => {
            let credentials: Credentials = read_request(std::io::stdin().lock())?;
            let found = export::databases(&config, &credentials).await?;
            super::print(output, &found)?;
        }
        Some(Command::Export) => {
            let part: export::Part = read_request(std::io::stdin().lock())?;
            let mut printed = Ok(());
            export::export(&config, part, |document| {
                if printed.is_ok() {
                    printed = super::print(output, &[document]);
                }
            })
            .await?;
            printed?;
        }
        Some(Command::Import) => {
            let input = std::io::stdin().lock();
            let imported = import::import(&config, input).await?;
            super::print(output, &[imported])?;
        }
        Some(Command::Tail {
            topic,
            from_beginning,
            n,
        }) => {
            let wish = tail::Wish {
                topic: &topic,
                from_beginning,
                most: n,
            };
            let begun = |partitions| {
                // A lost line on a closed stderr cannot be told to anyone.
                let _ = writeln!(
                    std::io::stderr(),
                    "reading {topic}, partitions: {partitions}"
                );
            };
            let ended = until_input_ends();
            tokio::task::block_in_place(|| {
                tail::tail(&config, wish, &ended, begun, |line| {
                    super::print_line(output, line)
                })
            })?;
        }
        Some(Command::Send { topic, run, first }) => {
            let lines = send::Lines {
                topic: &topic,
                run: &run,
                first,
            };
            let input = std::io::stdin().lock();
            let sent = tokio::task::block_in_place(|| send::send(&config, lines, input))?;
            super::print(output, &[sent])?;
        }
        Some(Command::AwaitCanaries {
            run,
            clients,
            count,
            timeout,
        }) => {
            let report =
                await_canaries::wait(&config, &run, &clients, count, Duration::from_secs(timeout))
                    .await?;
            super::print(output, &[&report])?;
            return Ok(Outcome::met(report.is_complete()));
        }
        Some(Command::WaitInSync { brokers, timeout }) => {
            let report = in_sync::wait(&config, brokers, Duration::from_secs(timeout)).await?;
            super::print(output, &[&report])?;
            return Ok(Outcome::met(report.is_whole()));
        }
    }
    Ok(Outcome::Done)
}
