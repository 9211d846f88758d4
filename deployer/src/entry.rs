//! The program: parse, run, exit.

use std::ffi::OsString;
use std::io::Write as _;

use clap::Parser as _;

use crate::cli::{Cli, Environment, advice};
use crate::cloud::registry::{self, Registry};
use crate::commands;
use crate::error::CommandError;

/// Does what a command line says, with these clouds. Returns the exit code.
pub async fn run(clouds: Registry, words: impl IntoIterator<Item = OsString>) -> u8 {
    registry::install(clouds);
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(advice) = advice(&error) {
                let _ = write!(std::io::stderr(), "{}", advice.block());
                return advice.exit_code();
            }
            let code = if error.use_stderr() { 64 } else { 0 };
            // Nothing can be said when the terminal is gone.
            let _ = error.print();
            return code;
        }
    };
    let result = match Environment::read() {
        Ok(environment) => Box::pin(commands::run(&cli, &environment)).await,
        Err(words) => Err(CommandError::usage(words)),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            let _ = write!(std::io::stderr(), "{}", error.block());
            error.exit_code()
        }
    }
}
