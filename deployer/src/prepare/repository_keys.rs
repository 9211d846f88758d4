//! The keys that sign the package repositories of components: their makers', or those that the inventory names.

use std::path::Path;

use crate::component::repository_key::{Keys, RepositoryKey, wanted};
use crate::inventory::{Inventory, Problems};
use crate::prepare::login_keys::expanded;
use crate::signing_key::SigningKey;
use crate::topology::Topology;

/// The keys of all components that are installed from a repository of their own.
pub fn read(inventory: &Inventory, topology: &Topology, home: &Path) -> Result<Keys, Problems> {
    wanted(topology)
        .map(|(name, wanted)| Ok((name, key(&wanted, inventory, home)?)))
        .collect()
}

fn key(
    wanted: &RepositoryKey<'_>,
    inventory: &Inventory,
    home: &Path,
) -> Result<SigningKey, Problems> {
    let problem = |message: String, hint: Option<String>| {
        Problems::from(inventory.problem(wanted.key, message, hint))
    };
    let Some(file) = wanted.file else {
        let own = SigningKey::pinned(wanted.bytes, wanted.fingerprint);
        let makers = wanted.makers;
        return own.map_err(|error| problem(format!("{makers}'s own key {error}"), None));
    };
    let path = expanded(file, home);
    let bytes = std::fs::read(&path).map_err(|error| {
        let hint = "give the path of the repository's public key on this box";
        problem(
            format!("cannot read {}: {error}", path.display()),
            Some(hint.into()),
        )
    })?;
    SigningKey::read(&bytes).map_err(|error| problem(format!("{} {error}", path.display()), None))
}
