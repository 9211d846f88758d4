//! Where a rehearsal keeps what it knows: apart from all other deployments, one rehearsal at a time.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::CommandError;
use crate::layout;
use crate::rehearsal::Variant;
use crate::report::{Reporter, aloud};
use crate::retry::Retry;
use crate::run::journal;
use crate::topology::{CloudName, Ids, Options, Topology};

use super::target::Source;

/// Below the usual directory of receipts. Its name has no hyphen, so it is no deployment's.
const DIRECTORY: &str = "rehearsals";
/// How long a step may go on whose rehearsal was killed, and how often that is looked at.
const ORPHAN: Duration = Duration::from_mins(10);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The directory, and what is rehearsed in it.
pub(super) struct Place {
    /// The state directory of all its deployments.
    pub(super) directory: PathBuf,
    /// The cloud.
    pub(super) cloud: CloudName,
    /// The deployments as they will be, in the order of the variants.
    pub(super) topologies: Vec<Topology>,
    /// Held for its lock. Each step has it, too, as its standard input: what a killed rehearsal began is seen to be at work.
    pub(super) lock: File,
}

impl Place {
    /// Locks it and writes the variants' inventories. Refuses what no rehearsal can be made of.
    pub(super) async fn open(
        state_dir: &Path,
        cloud: CloudName,
        variants: &[Variant],
        source: &Source,
        reporter: &dyn Reporter,
    ) -> Result<Self, CommandError> {
        let mut texts = Vec::new();
        let mut topologies = Vec::new();
        for variant in variants {
            let text = variant.inventory(&source.text)?;
            let file = format!("{} as {}", source.file, variant.name);
            let parsed = layout::parse(text.as_bytes(), &file).map_err(CommandError::usage)?;
            let options = Options {
                cloud: Some(cloud),
                name: None,
            };
            let (topology, _) =
                Topology::new(&parsed, &options, &Ids::default()).map_err(CommandError::usage)?;
            if let Some(node) = topology.nodes.values().find(|node| node.cloud != cloud) {
                return Err(CommandError::usage(format!(
                    "{}: it is on the cloud `{}`, and a rehearsal is for machines that are thrown away",
                    node.name, node.cloud
                ))
                .hint("take it out of the inventory, or name another with --inventory"));
            }
            texts.push((variant.name, text));
            topologies.push(topology);
        }
        let directory = state_dir.join(DIRECTORY).join(cloud.name());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)?;
        let lock = locked(&directory, reporter).await?;
        let place = Self {
            directory,
            cloud,
            topologies,
            lock,
        };
        for (name, text) in texts {
            std::fs::write(place.inventory(name), text)?;
        }
        Ok(place)
    }

    /// The inventory of a variant.
    pub(super) fn inventory(&self, variant: &str) -> PathBuf {
        self.directory.join(format!("{variant}.yaml"))
    }

    /// The deployments that are there.
    pub(super) fn deployments(&self) -> Result<Vec<journal::Entry>, CommandError> {
        Ok(journal::list(&self.directory)?)
    }

    /// The command that takes one of them away without this verb.
    pub(super) fn teardown(&self, name: &str) -> String {
        format!(
            "deployer teardown --name {name} --cloud {} --state-dir {}",
            self.cloud,
            self.directory.display()
        )
    }
}

/// Takes the lock. A rehearsal that lives is not waited for; what one that was killed began is.
async fn locked(directory: &Path, reporter: &dyn Reporter) -> Result<File, CommandError> {
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join("lock"))?;
    let mut owner = String::new();
    file.read_to_string(&mut owner)?;
    let busy = |words: String| {
        CommandError::failed(format!("{words} in {}", directory.display()))
            .hint("wait for its end, or stop it with Ctrl-C: it takes all away")
    };
    let take = async {
        let mut retry = Retry::every(LOOK_AGAIN);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::Error(error)) => return Err(error.into()),
                Err(TryLockError::WouldBlock) => {}
            }
            let lives = Path::new("/proc").join(owner.trim()).exists();
            if !owner.is_empty() && lives {
                let words = format!("a rehearsal (process {}) is at work", owner.trim());
                return Err(busy(words));
            }
            retry.pause().await;
        }
    };
    let take = tokio::time::timeout(ORPHAN, take);
    let words = "wait for the step of a rehearsal that was killed";
    let taken = aloud(reporter, None, words, take).await;
    taken.map_err(|_| busy("a step of a rehearsal that was killed is still at work".into()))??;
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())?;
    Ok(file)
}
