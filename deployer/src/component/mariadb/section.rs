//! What an inventory says of MariaDB.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `MariaDB`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MariadbSection {
    /// Its port, for members.
    #[schemars(range(min = 1024))]
    pub port: u16,
    /// Memory in MiB for what it keeps of its tables.
    #[schemars(range(min = 16, max = 1_000_000))]
    pub buffer_pool_mib: u64,
    /// Whether phpMyAdmin is beside it: Debian's package, for its own node alone.
    pub phpmyadmin: bool,
    /// The port of that.
    #[schemars(range(min = 1024))]
    pub phpmyadmin_port: u16,
}

impl Default for MariadbSection {
    fn default() -> Self {
        Self {
            port: 3306,
            buffer_pool_mib: 128,
            phpmyadmin: false,
            phpmyadmin_port: 8081,
        }
    }
}
