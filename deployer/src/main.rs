//! The program with the clouds that it comes with.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use deployer::cloud::registry;
use deployer::entry;

#[tokio::main]
async fn main() -> ExitCode {
    let code = entry::run(registry::built_in(), std::env::args_os()).await;
    ExitCode::from(code)
}
