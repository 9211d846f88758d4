//! Settings as texts.

use std::collections::BTreeMap;

use crate::inventory::Setting;

/// Settings as the texts that are written into configuration files.
pub(super) fn texts(settings: &BTreeMap<String, Setting>) -> BTreeMap<String, String> {
    settings
        .iter()
        .map(|(name, value)| (name.clone(), value.0.clone()))
        .collect()
}
