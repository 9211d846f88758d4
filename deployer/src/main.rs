//! Parse, run, exit.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use deployer::cli::{Cli, Environment, advice};
use deployer::error::CommandError;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(advice) = advice(&error) {
                let _ = write!(std::io::stderr(), "{}", advice.block());
                return ExitCode::from(advice.exit_code());
            }
            let code = if error.use_stderr() { 64 } else { 0 };
            // Nothing can be said when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let result = match Environment::read() {
        Ok(environment) => deployer::commands::run(&cli, &environment).await,
        Err(words) => Err(CommandError::usage(words)),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = write!(std::io::stderr(), "{}", error.block());
            ExitCode::from(error.exit_code())
        }
    }
}
