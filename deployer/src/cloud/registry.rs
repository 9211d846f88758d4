//! The clouds that can be reached: a row for each. Another one is a folder here, its section and kind in the inventory, and a row.

use std::sync::OnceLock;

use super::provider::Provider;
use super::{CloudError, aws, chameleon, existing, local};
use crate::topology::CloudName;

/// Rows.
pub type Registry = Vec<&'static dyn Provider>;

static REGISTRY: OnceLock<Registry> = OnceLock::new();

/// Those that this program comes with.
pub fn built_in() -> Registry {
    vec![
        &local::provider::Provider,
        &existing::Provider,
        &aws::provider::Provider,
        &chameleon::provider::Provider,
    ]
}

/// Says which clouds there are: once, before anything is read. Without, those that this program comes with.
pub fn install(registry: Registry) {
    CloudName::know(registry.iter().map(|provider| provider.kind()));
    REGISTRY.get_or_init(|| registry);
}

/// The row of a cloud.
pub fn provider(cloud: CloudName) -> Result<&'static dyn Provider, CloudError> {
    let mut rows = REGISTRY.get_or_init(built_in).iter().copied();
    rows.find(|row| row.kind().name == cloud.name())
        .ok_or_else(|| CloudError::Refused(format!("nobody says how `{cloud}` is reached")))
}
