//! From where is looked: a deployment's directory with its keys, its clouds, and what the user allows.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cli::{Change, Environment};
use crate::error::CommandError;
use crate::host::connector;
use crate::prepare::prepared::Prepared;
use crate::reach::clouds::Clouds;
use crate::report::Reporter;
use crate::run::keys::Keys;

/// What looking needs beside what is prepared.
pub struct ObserveOptions<'a> {
    /// Where keys and the SSH configuration lie.
    pub directory: &'a Path,
    /// The clouds.
    pub clouds: &'a Clouds,
    /// The keys; `None`: there are none yet, so there are no machines either.
    pub keys: Option<&'a Keys>,
    /// What the user allows.
    pub change: &'a Change,
    /// The environment.
    pub environment: &'a Environment,
    /// Shows progress.
    pub reporter: &'a dyn Reporter,
    /// The directory is locked for us.
    pub locked: bool,
    /// This command made machines already, as the inventory says: they may take longer to answer.
    pub made: bool,
}

/// Where to look from without a journal: the deployment's directory and keys, or before the first `up` an empty one and none.
pub struct Observer {
    directory: PathBuf,
    clouds: Clouds,
    keys: Option<Keys>,
    /// Keeps the empty directory for as long.
    _nowhere: TempDir,
}

impl Observer {
    /// Finds the deployment of what is prepared.
    pub async fn of(prepared: &Prepared, environment: &Environment) -> Result<Self, CommandError> {
        let nowhere = tempfile::tempdir()?;
        let entry = prepared.entry.as_ref();
        let keys = entry
            .map(|entry| Keys::read(&entry.directory))
            .transpose()?;
        let directory = entry.map_or(nowhere.path().into(), |entry| entry.directory.clone());
        let clouds = Clouds::open(
            &prepared.topology,
            &prepared.receipt,
            &directory,
            environment,
        )
        .await?;
        Ok(Self {
            directory,
            clouds,
            keys,
            _nowhere: nowhere,
        })
    }

    /// The clouds.
    pub fn clouds(&self) -> &Clouds {
        &self.clouds
    }

    /// Ends the connections of a look that failed, where no later command would take them up.
    pub async fn close(&self, environment: &Environment) -> Result<(), CommandError> {
        if self.keys.is_none() {
            connector::forget(&self.directory, environment.runtime_dir.as_deref()).await?;
        }
        Ok(())
    }

    /// What a look at machines that should run needs.
    pub fn observe_options<'a>(
        &'a self,
        change: &'a Change,
        environment: &'a Environment,
        reporter: &'a dyn Reporter,
    ) -> ObserveOptions<'a> {
        ObserveOptions {
            directory: &self.directory,
            clouds: &self.clouds,
            keys: self.keys.as_ref(),
            change,
            environment,
            reporter,
            locked: false,
            made: false,
        }
    }
}
