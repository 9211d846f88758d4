//! `status`: says how a deployment is. Exit code 0 only when all is well.

use std::io::Write;

use crate::cli::{Environment, Status};
use crate::error::CommandError;
use crate::reach::deployment::Deployment;
use crate::report::Reporter;
use crate::tell::health::look;

/// Prints the report. Exit code 0 only when all is well.
pub async fn run(
    options: &Status,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    let report = look(&deployment, environment, reporter).await?;
    if options.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", report.text())?;
    }
    Ok(u8::from(!report.healthy))
}
