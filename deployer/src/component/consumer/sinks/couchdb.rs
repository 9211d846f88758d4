//! Documents of the deployment's CouchDB.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::component::couchdb;
use crate::inventory::{Section, Sink};

/// The kind.
pub(super) struct Couchdb;

/// Documents of the deployment's `CouchDB`, in the database that has the topic's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Whether each key has one document, of its newest record; else each record is one.
    replace: bool,
}

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

    fn replaces(&self, sink: &Sink) -> bool {
        sink.kinds.get::<Settings>().replace
    }
}
