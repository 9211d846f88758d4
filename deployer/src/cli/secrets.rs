//! Options of `secrets`.

use clap::{Args, Subcommand};

use super::Target;

/// Options of `secrets`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Secrets {
    /// What to do [default: show].
    #[command(subcommand)]
    pub verb: Option<SecretsVerb>,
    /// Options of `show`, where nothing is said.
    #[command(flatten)]
    pub show: Listed,
}

/// What can be done with secrets.
#[derive(Debug, Subcommand)]
pub enum SecretsVerb {
    /// Lists what secrets there are, or prints one password and nothing else.
    Show(Show),
    /// Brings new passwords in the places of those that there are, and proves that events arrive.
    ///
    /// Without a name all that can be changed while everything goes on: the passwords of the agents, of the inventory's `users`, and
    /// of the documents' store. No broker stops for them; no event is lost, and none is stored twice. What stops all brokers for up
    /// to a minute is changed only where it is named; `deployer secrets` says what that is. The inventory is that of the last `up`.
    /// Whatever was interrupted goes on when the same command is run again, or `up`.
    Rotate(Rotate),
}

/// Options of `secrets` alone.
#[derive(Debug, Args)]
pub struct Listed {
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `secrets show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Whose password to print; without it, all secrets are listed and none is shown.
    #[arg(value_name = "USER")]
    pub user: Option<String>,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// Print the list as JSON.
    #[arg(long, conflicts_with = "user")]
    pub json: bool,
}

/// Options of `secrets rotate`.
#[derive(Debug, Args)]
pub struct Rotate {
    /// Whose, as `secrets` lists them; may be several [default: all for which nothing stops]
    #[arg(value_name = "USER")]
    pub users: Vec<String>,
    /// Which deployment.
    #[command(flatten)]
    pub target: Target,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
}

impl Secrets {
    /// The options that say which deployment it is about.
    pub fn target(&self) -> &Target {
        match &self.verb {
            Some(SecretsVerb::Show(options)) => &options.target,
            Some(SecretsVerb::Rotate(options)) => &options.target,
            None => &self.show.target,
        }
    }
}
