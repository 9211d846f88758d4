//! The keys of an inventory. Their doc comments are the descriptions in the JSON Schema.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Problem;
use super::cloud_name::CloudName;
use super::clouds::Clouds;
use super::positions::Positions;
use super::sections::Sections;
use super::security::Security;
use super::sink::Sink;
use super::state_copy::StateCopy;

/// A pipeline: its nodes, what they do, and what each cloud needs to give machines for them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct Inventory {
    /// The deployment's name; `--name` overrides it. At most 16 lower-case letters, digits and `-`.
    #[schemars(extend("format" = "deployment-name"))]
    pub name: String,
    /// The cloud of all nodes that name no other; `--cloud` overrides it.
    #[serde(default = "default_cloud")]
    pub cloud: CloudName,
    /// `on`: members know each other by certificates and passwords, and speak TLS. `off`: plain text.
    #[serde(default)]
    pub security: Security,
    /// An encrypted copy, on the nodes, of what another laptop needs to take the deployment over. Without this key there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_copy: Option<StateCopy>,
    /// The nodes by name: each name is a host name.
    #[schemars(extend("minProperties" = 1, "propertyNames" = {"format": "node-name"}))]
    pub nodes: BTreeMap<String, Node>,
    /// Where events go, by name: several may read one topic, each at its own pace. Without any, each topic becomes
    /// documents.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"format": "node-name"}))]
    pub sinks: BTreeMap<String, Sink>,
    /// What each cloud needs. Only the sections of the clouds in use matter.
    #[serde(default)]
    pub clouds: Clouds,
    /// What the sections of components say.
    #[serde(skip)]
    pub sections: Sections,
    /// Where each key stands in the file.
    #[serde(skip)]
    pub(super) positions: Positions,
    /// What was left out because it is wrong; `None`: the file is good by itself.
    #[serde(skip)]
    pub(super) left_out: Option<Vec<String>>,
}

impl Inventory {
    /// A problem with a key (`nodes.vm2.roles`) of this inventory, with its place in the file.
    pub fn problem(
        &self,
        key: impl Into<String>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Problem {
        self.positions.problem(key.into(), message.into(), hint)
    }

    /// The keys that were left out because they are wrong; `None`: the file is good by itself, and all that is not in it is a
    /// default.
    pub(crate) fn left_out(&self) -> Option<&[String]> {
        self.left_out.as_deref()
    }

    /// Whether the file itself says what a key is, so that it is not a default.
    pub(crate) fn says(&self, key: &str) -> bool {
        self.positions.has(key)
    }
}

fn default_cloud() -> CloudName {
    CloudName::DEFAULT
}

/// A node, or `count` equal ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("additionalProperties" = false))]
pub struct Node {
    /// How many: with a count the nodes are called `vm1-1`, `vm1-2` …, without one just `vm1`.
    #[schemars(range(min = 1, max = 50))]
    pub count: Option<u32>,
    /// What it does. Nothing: a plain machine.
    #[schemars(extend("uniqueItems" = true))]
    pub roles: BTreeSet<String>,
    /// Its cloud, when it is another than the inventory's.
    pub cloud: Option<CloudName>,
    /// Memory in MiB. What the cloud gives unless said here; of a host of yours unknown unless said here.
    #[schemars(range(min = 256, max = 1_048_576))]
    pub memory_mib: Option<u64>,
    /// What the node's sections of components say.
    #[serde(skip)]
    pub sections: Sections,
}
