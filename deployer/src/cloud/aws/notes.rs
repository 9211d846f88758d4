//! What is noted: ids of what was made, choices that are kept, and attempts to make machines.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::cloud::wait::ON_ITS_WAY;
use crate::cloud::{CloudError, Notes};

/// Keys of notes.
pub mod note {
    /// The account, so that other credentials are noticed.
    pub const ACCOUNT: &str = "account";
    /// The region, so that another one in the environment is noticed.
    pub const REGION: &str = "region";
    /// The image that was chosen, with its root device.
    pub const IMAGE: &str = "image";
    /// The VPC.
    pub const VPC: &str = "vpc";
    /// The internet gateway.
    pub const GATEWAY: &str = "gateway";
    /// The route table.
    pub const ROUTE_TABLE: &str = "route table";
    /// The security group.
    pub const GROUP: &str = "group";
    pub use crate::cloud::caller::SSH_FROM;

    /// The subnet of a zone.
    pub fn subnet(zone: &str) -> String {
        format!("subnet in {zone}")
    }

    const LAUNCH: &str = "launch ";

    /// The last attempt to make a node's machine.
    pub fn launch(node: &str) -> String {
        format!("{LAUNCH}{node}")
    }

    /// The node that a note of an attempt is about.
    pub fn launched(key: &str) -> Option<&str> {
        key.strip_prefix(LAUNCH)
    }
}

/// What is noted of an attempt to make a machine, before the call and after it. Everything in the call that varies is here, for
/// a repeated call must be the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number: part of the token.
    pub number: u32,
    /// The zone it was tried in; empty where it was refused.
    pub zone: String,
    /// The image.
    pub image: String,
    /// The type.
    pub instance_type: String,
    /// When it powers itself off.
    pub expires: Option<Timestamp>,
    /// When it was noted.
    pub noted: Timestamp,
    /// The machine that came of it.
    pub instance: Option<String>,
    /// The machine ran once: it may hold data.
    pub ran: bool,
}

impl Attempt {
    /// Reads the note about a node.
    pub fn read(notes: &BTreeMap<String, String>, node: &str) -> Option<Self> {
        notes
            .get(&note::launch(node))
            .and_then(|text| serde_json::from_str(text).ok())
    }

    /// Writes the note about a node.
    pub(super) fn write(&self, notes: &dyn Notes, node: &str) -> Result<(), CloudError> {
        let text =
            serde_json::to_string(self).map_err(|error| CloudError::Refused(error.to_string()))?;
        notes.record(&note::launch(node), &text)
    }

    /// Whether nobody knows yet what came of it. After an hour a machine that had come of it would have been listed, and would soon
    /// have to end.
    pub fn is_open(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.noted);
        let over = self.expires.is_some_and(|end| end <= now);
        self.instance.is_none() && age < SignedDuration::from_hours(1) && !over
    }

    /// Whether a machine may come of it yet that is not listed.
    pub(super) fn is_on_its_way(&self, now: Timestamp) -> bool {
        let unanswered = self.instance.is_none() && !self.zone.is_empty();
        unanswered && now.duration_since(self.noted) < ON_ITS_WAY
    }

    /// The token of the call: the same call twice makes one machine.
    pub fn token(&self, id: &str, node: &str) -> String {
        hex::encode(Sha256::digest(format!("{id} {node} {}", self.number)))
    }
}
