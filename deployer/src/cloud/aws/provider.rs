//! How AWS is come by.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::Aws;
use crate::cloud::provider::{self, ImageName, Opening};
use crate::cloud::{Cloud, CloudError};
use crate::topology::{CloudKind, CloudName, Clouds};

/// The row of AWS.
pub struct Provider;

#[async_trait]
impl provider::Provider for Provider {
    fn kind(&self) -> &'static CloudKind {
        CloudName::AWS.kind()
    }

    async fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Cloud>, CloudError> {
        Ok(Box::new(Aws::connect(opening.clouds.aws.clone()).await?))
    }

    fn problems(&self, clouds: &Clouds, nodes: &BTreeSet<String>) -> Vec<String> {
        clouds.aws.problems(nodes)
    }

    fn image(&self, clouds: &Clouds) -> Option<ImageName> {
        let image = &clouds.aws.image;
        // Of an image by its id only the login tells whose it is.
        let pattern = image.id.is_none().then_some(&image.pattern);
        Some(ImageName {
            name: pattern.unwrap_or(&image.user).clone(),
            machine: clouds.aws.architecture.machine(),
        })
    }

    fn architecture(&self, clouds: &Clouds) -> Option<&'static str> {
        Some(clouds.aws.architecture.machine())
    }

    fn has_profiles(&self) -> bool {
        true
    }

    fn address_url<'a>(&self, clouds: &'a Clouds) -> Option<&'a str> {
        Some(&clouds.aws.address_url)
    }
}
