//! How this box is come by as a cloud.

use async_trait::async_trait;

use super::Local;
use crate::cloud::provider::{self, Opening};
use crate::cloud::{Cloud, CloudError};
use crate::topology::{CloudKind, CloudName};

/// The row of this box.
pub struct Provider;

#[async_trait]
impl provider::Provider for Provider {
    fn kind(&self) -> &'static CloudKind {
        CloudName::LOCAL.kind()
    }

    async fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Cloud>, CloudError> {
        let Opening {
            clouds, user_key, ..
        } = opening;
        Ok(Box::new(Local::new(&clouds.local, user_key)))
    }
}
