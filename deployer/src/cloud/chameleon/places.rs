//! Where credentials are looked for: what the environment says. Plain data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::secret::Secret;

/// Where to look: what the environment says, read by the caller.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The variables that begin with `OS_`.
    pub variables: BTreeMap<String, Secret>,
    /// Where a `clouds.yaml` may lie, in order. `OS_CLIENT_CONFIG_FILE` goes before them.
    pub directories: Vec<PathBuf>,
    /// What `~` stands for.
    pub home: PathBuf,
}

impl Places {
    /// The usual directories of somebody whose home is this.
    pub fn usual(variables: BTreeMap<String, Secret>, home: &Path) -> Self {
        Self {
            variables,
            directories: vec![
                PathBuf::from("."),
                home.join(".config/openstack"),
                PathBuf::from("/etc/openstack"),
            ],
            home: home.to_owned(),
        }
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(Secret::expose)
            .filter(|value| !value.is_empty())
    }
}
