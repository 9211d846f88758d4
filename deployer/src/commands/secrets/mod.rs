//! `secrets`: what passwords and keys there are, one of them, and others in their places.

use std::io::Write;

use crate::cli::{Environment, Secrets, SecretsVerb, Up};
use crate::component::secrets::Named;
use crate::error::CommandError;
use crate::report::Reporter;

mod rotate;
mod show;

/// What is left to do.
pub enum Next {
    /// Nothing.
    Done(u8),
    /// To bring other secrets, by the ways of `up`.
    Bring(Box<Up>),
}

/// Shows them, or says what `up` is to do.
pub fn run(
    options: &Secrets,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<Next, CommandError> {
    let code = match &options.verb {
        Some(SecretsVerb::Rotate(options)) => {
            let up = rotate::up(options, environment, reporter)?;
            return Ok(Next::Bring(Box::new(up)));
        }
        Some(SecretsVerb::Show(show)) => match &show.user {
            Some(name) => show::one(name, &show.target, environment, reporter, out),
            None => show::all(&show.target, show.json, environment, reporter, out),
        },
        None => {
            let show = &options.show;
            show::all(&show.target, show.json, environment, reporter, out)
        }
    };
    code.map(Next::Done)
}

/// The error of a name that none of them has.
fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a Named>) -> CommandError {
    let known: Vec<&str> = known.map(|one| one.name.as_str()).collect();
    CommandError::usage(format!(
        "there is no secret `{name}`; there are {}",
        known.join(", ")
    ))
    .hint("deployer secrets says what each is for")
}
