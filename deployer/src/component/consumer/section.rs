//! What an inventory says of what moves events.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inventory::TimeSpan;

/// What moves events from Kafka to `CouchDB`.
// A batch is sent when one of its limits is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConsumerSection {
    /// Documents in one request at most.
    #[schemars(range(min = 1, max = 10_000))]
    pub batch_documents: u32,
    /// Bytes in one request at most.
    #[schemars(range(min = 1000, max = 64_000_000))]
    pub batch_bytes: u64,
    /// How long the first event of a batch waits for others.
    pub batch_age: TimeSpan,
    /// The port at which it tells its own node about itself. Another one where deployments share a host.
    #[schemars(range(min = 1024))]
    pub metrics_port: u16,
}

impl Default for ConsumerSection {
    fn default() -> Self {
        Self {
            batch_documents: 500,
            batch_bytes: 4_000_000,
            batch_age: TimeSpan::from_milliseconds(50),
            metrics_port: 9442,
        }
    }
}
