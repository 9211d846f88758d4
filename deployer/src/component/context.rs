//! What a component may look at.

use super::artifact::{Artifact, Artifacts};
use super::repository_key::Keys;
use crate::receipt::{Choices, Receipt, Secrets};
use crate::signing_key::SigningKey;
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
    /// What the operator's box would send, by component.
    pub artifacts: &'a Artifacts,
    /// Some member is reached by IPv6.
    pub ipv6: bool,
}

impl<'a> Context<'a> {
    /// The address on which a service listens for all members. That of IPv6 takes in IPv4, too; but not every host has it.
    pub(super) fn everywhere(&self) -> &'static str {
        if self.ipv6 { "::" } else { "0.0.0.0" }
    }

    /// What is known of a component's artifact. `template` is the one that cannot be rendered without it.
    pub(super) fn artifact(
        &self,
        component: &str,
        template: &str,
    ) -> Result<&'a Artifact, TemplateError> {
        self.artifacts.get(component).ok_or_else(|| TemplateError {
            name: template.to_owned(),
            source: tera::Error::message(format!("the artifact `{component}` is not known")),
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
