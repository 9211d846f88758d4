//! Whether what members say to each other is closed to others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether members know each other by certificates and passwords, and speak TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// All of it.
    #[default]
    On,
    /// Plain text: to see on the wire what is said.
    Off,
}

impl Security {
    /// Whether it is on.
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}
