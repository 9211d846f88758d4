//! The sections of an inventory that belong to components: the file of each says what may stand in its own.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::generate::of_type;

/// Key → what stands there, held against the schema of its component.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sections(BTreeMap<String, Value>);

impl Sections {
    /// Whether the inventory has none of them.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What stands in a section, defaults filled in.
    ///
    /// # Panics
    /// When the type does not take what the schema made of it does.
    pub fn get<T: DeserializeOwned + Default>(&self, key: &str) -> T {
        let said = self.0.get(key).cloned();
        said.map_or_else(T::default, |said| {
            serde_json::from_value(said).expect("held against the schema of the same type")
        })
    }
}

/// A section, or a part of one that several components share.
#[derive(Debug)]
pub struct Section {
    /// Its key.
    pub key: &'static str,
    /// The JSON Schema of what may stand there.
    pub schema: Value,
}

impl Section {
    /// The section at `key` that is read as a `T`.
    pub fn of<T: JsonSchema>(key: &'static str) -> Self {
        Self {
            key,
            schema: of_type::<T>(),
        }
    }
}
