//! A sink: what an inventory says of where the events of a topic go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sections::Sections;

/// Where events of a topic go. It is of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct Sink {
    /// The topic.
    #[schemars(extend("format" = "topic-name"))]
    pub from: String,
    /// What stands below the name of its kind.
    #[serde(skip)]
    pub kinds: Sections,
}
