//! Components of which there are several distributions. Which one a deployment gets is decided once, for as long as there are data
//! of it; what the inventory leaves open, a package repository decides by having packages for the system of the component's node.

use crate::topology::Topology;

/// The choice which one it is.
pub const DISTRIBUTION: &str = "distribution";

/// A distribution that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Its word in receipts and inventories.
    pub name: &'static str,
    /// It takes the place of packages that are not to be had: what it is.
    pub instead: Option<&'static str>,
}

/// Why none can be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// A recorded choice that this build does not know.
    #[error(
        "the receipt's choice for {software}'s distribution, `{choice}`, is not known to this deployer"
    )]
    Unknown {
        /// The software's name.
        software: &'static str,
        /// The recorded word.
        choice: String,
    },
    /// The inventory asks for another one than the deployment was made with.
    #[error(
        "this deployment was made with {software}'s distribution `{recorded}`, which is kept for its life; \
         the inventory says `{wanted}`: take `{recorded}` or `auto`, or make another deployment with --name"
    )]
    Flipped {
        /// The software's name.
        software: &'static str,
        /// What the receipt says.
        recorded: &'static str,
        /// What the inventory says.
        wanted: &'static str,
    },
    /// The one that was chosen speaks plain text only, on machines where security does not allow that.
    #[error(
        "this deployment was made with a stand-in for {software}, which speaks plain text: with `security: on`, the default, nothing \
         does outside of this box; take it away with `deployer teardown --export FILE`, then `up` and `deployer import FILE` bring its \
         documents to another distribution"
    )]
    InTheClear {
        /// The software's name.
        software: &'static str,
    },
    /// The package repository does not answer, and nothing may take its place.
    #[error("{0}")]
    NoPackages(&'static str),
}

/// What is to be known of such a component.
pub trait Distributions: Sync {
    /// The package repository that decides; `None`: the inventory says which one it is.
    fn asked<'a>(&self, topology: &'a Topology) -> Option<&'a str>;

    /// Decides: what was chosen already is kept. `has_packages` is the repository's answer.
    ///
    /// # Errors
    /// What was chosen and what is wanted do not fit, or there is none to be had.
    fn choose(
        &self,
        topology: &Topology,
        on_this_box: bool,
        chosen: Option<&str>,
        has_packages: bool,
    ) -> Result<Choice, ChoiceError>;
}
