//! All that an operation needs.

use std::collections::BTreeMap;

use aws_sdk_ec2::Client;

use super::Aws;
use super::operation::Ref;
use super::settings::Settings;
use super::tags::Scope;
use super::wait::Pace;
use crate::cloud::{CloudError, Notes, Progress, Wanted};

/// All that an operation needs.
pub struct CloudContext<'a> {
    pub(super) aws: &'a Aws,
    pub(super) wanted: &'a Wanted,
    pub(super) notes: &'a dyn Notes,
    pub(super) progress: &'a dyn Progress,
}

impl CloudContext<'_> {
    pub(super) fn ec2(&self) -> &Client {
        &self.aws.ec2
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.aws.settings
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.aws.pace
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        Scope::Deployment(&self.wanted.id)
    }

    pub(super) fn public(&self, node: &str) -> bool {
        self.settings().is_public(node)
    }

    /// One note, as a map.
    pub(super) fn noted(&self, key: &str) -> BTreeMap<String, String> {
        self.notes
            .get(key)
            .map(|value| (key.to_owned(), value))
            .into_iter()
            .collect()
    }

    /// The id behind a reference.
    pub(super) fn id(&self, reference: &Ref) -> Result<String, CloudError> {
        match reference {
            Ref::Id(id) => Ok(id.clone()),
            Ref::New(key) => self
                .notes
                .get(key)
                .ok_or_else(|| CloudError::Refused(format!("the new {key} has not been made"))),
        }
    }

    pub(super) async fn forget_look(&self) {
        *self.aws.last_look.lock().await = None;
    }
}
