//! The keys that sign the package repositories of components.

use std::collections::BTreeMap;

use crate::component::ALL;
use crate::signing_key::{KeyError, SigningKey};
use crate::topology::Topology;

/// Component → the key of the repository it is installed from.
pub type Keys = BTreeMap<&'static str, SigningKey>;

/// The key of a package repository: its makers', which is in this program, or another one that the inventory names.
#[derive(Debug, Clone, Copy)]
pub struct RepositoryKey<'a> {
    /// Who made the packages.
    pub makers: &'static str,
    /// The makers' key, as it lies at theirs.
    pub bytes: &'static [u8],
    /// Its fingerprint.
    pub fingerprint: &'static str,
    /// The inventory's key that names the file of another one.
    pub key: &'static str,
    /// That file, on the operator's box.
    pub file: Option<&'a str>,
}

/// Which keys a deployment needs, by component.
pub fn wanted(topology: &Topology) -> impl Iterator<Item = (&'static str, RepositoryKey<'_>)> {
    ALL.iter().filter_map(|component| {
        let key = component.repository_key(topology)?;
        Some((component.name(), key))
    })
}

/// The makers' own keys.
///
/// # Errors
/// One is not what it should be.
pub fn of_makers(topology: &Topology) -> Result<Keys, KeyError> {
    wanted(topology)
        .map(|(name, key)| Ok((name, SigningKey::pinned(key.bytes, key.fingerprint)?)))
        .collect()
}
