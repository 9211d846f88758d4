//! All that an operation needs.

use serde_json::Value;

use super::failure::unanswered;
use super::session::Session;
use super::settings::Settings;
use super::{Chameleon, marks};
use crate::cloud::wait::{Kinds, Pace};
use crate::cloud::{CloudError, Notes, Progress, Wanted};

/// All that an operation needs.
pub(super) struct CloudContext<'a> {
    pub(super) cloud: &'a Chameleon,
    pub(super) wanted: &'a Wanted,
    pub(super) notes: &'a dyn Notes,
    pub(super) progress: &'a dyn Progress,
}

/// Which failures are which.
pub(super) const KINDS: Kinds = Kinds {
    // OpenStack knows of what it has answered for.
    not_found: |_| false,
    unanswered,
};

impl CloudContext<'_> {
    pub(super) fn session(&self) -> &Session {
        &self.cloud.session
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.cloud.settings
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.cloud.pace
    }

    /// Whether marks are of this deployment.
    pub(super) fn ours(&self, marks: &marks::Marks) -> bool {
        marks.get(marks::ID) == Some(&self.wanted.id)
    }

    /// What an earlier step noted.
    pub(super) fn made(&self, key: &str) -> Result<String, CloudError> {
        self.notes
            .get(key)
            .ok_or_else(|| CloudError::Refused(format!("the {key} has not been made")))
    }
}

/// The id in an answer.
pub(super) fn id(thing: &Value, what: &str) -> Result<String, CloudError> {
    let id = thing["id"].as_str().map(Into::into);
    id.ok_or_else(|| CloudError::Api {
        call: format!("make a {what}"),
        code: "no id".into(),
        message: "the site answered without an id".into(),
    })
}
