//! How a cloud is come by, and what it knows of its own section of the inventory before anybody is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use async_trait::async_trait;

use super::{Cloud, CloudError};
use crate::secret::Secret;
use crate::topology::{CloudKind, Clouds, Node};

/// What a cloud is reached with.
#[derive(Clone, Copy)]
pub struct Opening<'a> {
    /// The sections of the inventory.
    pub clouds: &'a Clouds,
    /// The deployment's nodes; none where only its id is known.
    pub nodes: &'a BTreeMap<String, Node>,
    /// The path of the private key that opens the machines.
    pub user_key: &'a str,
    /// The operator's home.
    pub home: &'a Path,
    /// The variables of the environment that credentials are read from.
    pub variables: &'a BTreeMap<String, Secret>,
}

/// What an image's name tells.
pub struct ImageName {
    /// The name, or what is known instead.
    pub name: String,
    /// `uname -m` of its machines.
    pub machine: &'static str,
}

/// A row of the registry.
#[async_trait]
pub trait Provider: Send + Sync {
    /// What is known of the cloud.
    fn kind(&self) -> &'static CloudKind;

    /// Connects.
    async fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Cloud>, CloudError>;

    /// What is wrong with its section for these nodes: each begins with the key it is about.
    fn problems(&self, _clouds: &Clouds, _nodes: &BTreeSet<String>) -> Vec<String> {
        Vec::new()
    }

    /// The image of its machines, where the section names one.
    fn image(&self, _clouds: &Clouds) -> Option<ImageName> {
        None
    }

    /// `uname -m` of its machines, where the section says so.
    fn architecture(&self, _clouds: &Clouds) -> Option<&'static str> {
        None
    }

    /// Whether its machines can be something to its other services.
    fn has_profiles(&self) -> bool {
        false
    }

    /// Where this box asks for the address it is seen by, if the cloud lets others in by address.
    fn address_url<'a>(&self, _clouds: &'a Clouds) -> Option<&'a str> {
        None
    }
}
