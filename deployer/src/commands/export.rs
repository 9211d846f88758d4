//! `export`: all documents of a deployment into one file.

use crate::cli::{Environment, Export};
use crate::documents::export::export;
use crate::error::CommandError;
use crate::reach::deployment::Deployment;
use crate::report::Reporter;

/// Writes the file.
pub async fn run(
    options: &Export,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    export(&deployment, &options.file, environment, reporter).await?;
    Ok(0)
}
