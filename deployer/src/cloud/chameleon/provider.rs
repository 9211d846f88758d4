//! How Chameleon is come by.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::Chameleon;
use super::places::Places;
use crate::cloud::provider::{self, ImageName, Opening};
use crate::cloud::{Cloud, CloudError};
use crate::topology::{CloudKind, CloudName, Clouds};

/// The row of Chameleon.
pub struct Provider;

#[async_trait]
impl provider::Provider for Provider {
    fn kind(&self) -> &'static CloudKind {
        CloudName::CHAMELEON.kind()
    }

    async fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Cloud>, CloudError> {
        let places = Places::usual(opening.variables.clone(), opening.home);
        let settings = opening.clouds.chameleon.clone();
        Ok(Box::new(Chameleon::connect(settings, &places)?))
    }

    fn problems(&self, clouds: &Clouds, nodes: &BTreeSet<String>) -> Vec<String> {
        clouds.chameleon.problems(nodes)
    }

    fn image(&self, clouds: &Clouds) -> Option<ImageName> {
        Some(ImageName {
            name: clouds.chameleon.image.clone(),
            machine: "x86_64",
        })
    }

    fn address_url<'a>(&self, clouds: &'a Clouds) -> Option<&'a str> {
        Some(&clouds.chameleon.address_url)
    }
}
