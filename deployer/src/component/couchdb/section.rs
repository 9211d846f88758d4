//! What an inventory says of CouchDB.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inventory::Setting;

/// `CouchDB`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CouchdbSection {
    /// HTTP port. It is open to its own node alone, unless security is off.
    #[schemars(range(min = 1024))]
    pub port: u16,
    /// HTTPS port, for members.
    #[schemars(range(min = 1024))]
    pub tls_port: u16,
    /// Where it comes from.
    pub distribution: Distribution,
    /// A relocatable release as tar.gz on this box, for `distribution: archive`.
    #[schemars(extend("format" = "path"))]
    pub archive: Option<String>,
    /// Another package repository than Apache's: a base address.
    #[schemars(extend("format" = "web-address"))]
    pub repository: Option<String>,
    /// The public key, a file on this box, that signs another repository. Default: Apache's, which a mirror has, too.
    #[schemars(extend("format" = "path"))]
    pub repository_key: Option<String>,
    /// More settings: section, key, value, as in `CouchDB`'s ini files.
    #[schemars(extend("propertyNames" = {"format": "setting-name"}, "additionalProperties" = {
        "type": "object",
        "propertyNames": {"format": "setting-name"},
        "additionalProperties": {"type": ["string", "number", "boolean"], "format": "setting"},
    }))]
    pub settings: BTreeMap<String, BTreeMap<String, Setting>>,
}

impl Default for CouchdbSection {
    fn default() -> Self {
        Self {
            port: 5984,
            tls_port: 6984,
            distribution: Distribution::Auto,
            archive: None,
            repository: None,
            repository_key: None,
            settings: BTreeMap::new(),
        }
    }
}

/// Which CouchDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// `apache`; on `local` the stand-in when Apache's repository does not answer. Decided once.
    Auto,
    /// Apache's own packages.
    Apache,
    /// A release folder as tar.gz.
    Archive,
    /// The npm package `pouchdb-server`: a stand-in for trying things out.
    Pouchdb,
}
