//! Artifacts: files on the operator's box that are sent to nodes. Each has an identity that is known before it is
//! fetched, is fetched once into a [`cache`], and is verified on every use.

use std::path::PathBuf;

pub mod agents;
pub mod cache;
pub mod download;
pub mod folder;
pub mod jars;
pub mod maven;
pub mod npm;
pub mod origin;
pub mod pack;
pub mod parcel;
pub mod portable;
pub mod program;
pub mod read_once;
pub mod repository;

pub use download::DownloadError;
pub use program::ProgramError;

/// Gets one line on what happens now.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Why an artifact is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// A file or directory of the operator's box.
    #[error("cannot {verb} {path}")]
    File {
        /// What was tried: `read`, `write`, `create` …
        verb: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Another process holds the cache.
    #[error("another process has been fetching {what} for {seconds} s (it holds {lock})")]
    Busy {
        /// What it fetches.
        what: String,
        /// How long it was waited for.
        seconds: u64,
        /// The lock file.
        lock: PathBuf,
    },
    /// No source gave the artifact.
    #[error("no source gave {what}:{}\n  {cure}", listed(.tried))]
    NoSource {
        /// What was wanted.
        what: String,
        /// The sources in the order they were tried.
        tried: Vec<Attempt>,
        /// What the user can do.
        cure: String,
    },
    /// A configured source gave something else than the pinned content.
    #[error("the configured mirror does not serve {what} as Apache published it")]
    Mirror {
        /// What was wanted.
        what: String,
        /// What it gave.
        #[source]
        source: DownloadError,
    },
    /// A set of files is not the pinned one.
    #[error("{what} is not the pinned set{}", lines(.differences))]
    NotPinned {
        /// Which set.
        what: String,
        /// One line for each missing, unexpected or different file.
        differences: Vec<String>,
    },
    /// A file given by the user is not what it should be.
    #[error("{path} is not {wanted}: {why}")]
    NotUsable {
        /// The file.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// An agent's binary is missing.
    #[error("no `{agent}` in {directory}; {cure}")]
    NoAgent {
        /// Its name.
        agent: &'static str,
        /// Where it was looked for.
        directory: PathBuf,
        /// How to get it.
        cure: String,
    },
    /// A recorded choice that this build does not know.
    #[error("the receipt's choice for {what}, `{choice}`, is not known to this deployer")]
    Choice {
        /// What was chosen.
        what: String,
        /// The recorded word.
        choice: String,
    },
    /// A package repository does not answer, and nothing may take its place.
    #[error("{cure}")]
    NoPackages {
        /// What is said of it, and what the user can do.
        cure: &'static str,
        /// Why it does not answer.
        #[source]
        source: DownloadError,
    },
    /// A download failed.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// A program of the operator's box failed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The program is shutting down.
    #[error("work on {what} was abandoned")]
    Abandoned {
        /// What was being made.
        what: String,
        /// Why.
        #[source]
        source: tokio::task::JoinError,
    },
}

/// A source that was tried in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which source.
    pub source: String,
    /// Why it did not serve.
    pub why: String,
}

impl Attempt {
    /// A source, what its error says, and the cause at its root: what lies between repeats them in other words.
    pub fn new(source: impl Into<String>, error: &dyn std::error::Error) -> Self {
        let root = std::iter::successors(error.source(), |cause| cause.source()).last();
        let why = root.map_or(error.to_string(), |root| format!("{error}: {root}"));
        Self {
            source: source.into(),
            why,
        }
    }
}

fn listed(tried: &[Attempt]) -> String {
    let texts: Vec<String> = tried
        .iter()
        .map(|attempt| format!("{}: {}", attempt.source, attempt.why))
        .collect();
    lines(&texts)
}

fn lines(texts: &[String]) -> String {
    texts.iter().flat_map(|text| ["\n  ", text]).collect()
}

/// Makes the error of a file operation.
fn file_error(
    verb: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(std::io::Error) -> ArtifactError {
    let path = path.into();
    move |source| ArtifactError::File { verb, path, source }
}

/// Runs work that computes or reads files for long off the async threads.
async fn off_thread<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> Result<T, ArtifactError> + Send + 'static,
) -> Result<T, ArtifactError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(source) => Err(ArtifactError::Abandoned {
            what: what.into(),
            source,
        }),
    }
}
