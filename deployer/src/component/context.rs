//! What a component may look at.

use std::collections::BTreeMap;

use super::repository_key::Keys;
use crate::receipt::{Choices, Receipt, Secrets};
use crate::signing_key::SigningKey;
use crate::step::Download;
use crate::template::TemplateError;
use crate::topology::Topology;

/// All that a component may look at.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The deployment as it should be.
    pub topology: &'a Topology,
    /// What is remembered: id, epochs.
    pub receipt: &'a Receipt,
    /// Generated secrets.
    pub secrets: &'a Secrets,
    /// What `auto` became.
    pub choices: &'a Choices,
    /// The keys of package repositories.
    pub keys: &'a Keys,
    /// Artifact → identity and checksum: what the operator's box would send.
    pub artifacts: &'a BTreeMap<String, Artifact>,
    /// Some member is reached by IPv6.
    pub ipv6: bool,
}

impl<'a> Context<'a> {
    /// The address on which a service listens for all members. That of IPv6 takes in IPv4, too; but not every host has it.
    pub(super) fn everywhere(&self) -> &'static str {
        if self.ipv6 { "::" } else { "0.0.0.0" }
    }

    /// What is known of an artifact. `template` is the one that cannot be rendered without it.
    pub(super) fn artifact(
        &self,
        key: &str,
        template: &str,
    ) -> Result<&'a Artifact, TemplateError> {
        self.artifacts.get(key).ok_or_else(|| TemplateError {
            name: template.to_owned(),
            source: tera::Error::message(format!("the artifact `{key}` is not known")),
        })
    }

    /// The key of a component's package repository. `template` is the one that is of no use without it.
    pub(super) fn key(
        &self,
        component: &str,
        template: &str,
    ) -> Result<&'a SigningKey, TemplateError> {
        self.keys.get(component).ok_or_else(|| TemplateError {
            name: template.to_owned(),
            source: tera::Error::message(format!("no key of `{component}` is known")),
        })
    }
}

/// What is known of an artifact before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Name, version, source and pinned checksum in one line: another identity is another content.
    pub identity: String,
    /// SHA-256 of a single file (an agent binary); for archives the identity is enough.
    pub sha256: Option<String>,
    /// Where nodes get an archive by themselves, if from anywhere.
    pub download: Option<Download>,
}

/// The artifacts' keys.
pub mod artifact_key {
    /// Kafka's (and so ZooKeeper's) jars as one tar: a folder `libs` of jars.
    pub const KAFKA: &str = "kafka";
    /// The producer binary.
    pub const PRODUCER: &str = "producer";
    /// The consumer binary.
    pub const CONSUMER: &str = "consumer";
    /// A CouchDB release folder as tar.gz, or the stand-in's folder (with `node_modules` in it) as tar.
    pub const COUCHDB: &str = "couchdb";
}
