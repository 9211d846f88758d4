//! Documents of the deployment's CouchDB.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::component::couchdb;
use crate::inventory::Section;

/// The kind.
pub(super) struct Couchdb;

/// Documents of the deployment's `CouchDB`, in the database that has the topic's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {}

impl Kind for Couchdb {
    fn name(&self) -> &'static str {
        couchdb::NAME
    }

    fn section(&self) -> Section {
        Section::of::<Settings>(self.name())
    }

    fn needs(&self) -> Option<&'static str> {
        Some(couchdb::NAME)
    }

    fn makes_documents(&self) -> bool {
        true
    }
}
