//! A section of an inventory that belongs to a component, or to a kind of sink: its key, what may stand there, and how that is read.

use std::any::Any;
use std::fmt::Debug;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::formats::Format;
use super::generate::of_type;
use super::sections::{Sections, Stored};

/// A section, or a part of one that several components share.
#[derive(Debug)]
pub struct Section {
    /// Its key.
    pub key: &'static str,
    /// The JSON Schema of what may stand there.
    pub schema: Value,
    /// The forms of texts in it that no other section has.
    pub formats: &'static [Format],
    read: fn(&Value) -> serde_json::Result<Box<dyn Stored>>,
}

impl Section {
    /// The section at `key` that is read as a `T`, whose doc comments and defaults the schema has.
    pub fn of<T>(key: &'static str) -> Self
    where
        T: Any + Clone + Debug + Default + PartialEq + Send + Sync,
        T: DeserializeOwned + JsonSchema + Serialize,
    {
        let mut schema = of_type::<T>();
        if let Some(schema) = schema.as_object_mut() {
            // Of a whole schema, not of a part.
            schema.remove("$schema");
            schema.remove("title");
            let default = serde_json::to_value(T::default()).unwrap_or_default();
            schema.insert("default".to_owned(), default);
        }
        Self {
            key,
            schema,
            formats: &[],
            read: |value| Ok(Box::new(T::deserialize(value)?)),
        }
    }

    /// The same with the forms of texts in it.
    #[must_use]
    pub fn with(self, formats: &'static [Format]) -> Self {
        Self { formats, ..self }
    }
}

/// What those sections of a mapping say that are there.
pub(super) fn read_said(sections: &[Section], mapping: &Value) -> serde_json::Result<Sections> {
    let mut found = Sections::default();
    for Section { key, read, .. } in sections {
        if let Some(said) = mapping.get(key) {
            found.push(key, read(said)?);
        }
    }
    Ok(found)
}

/// What the sections of a mapping say, which was held against their schema. One that is not there has its defaults.
pub(super) fn read(sections: &[Section], mapping: &Value) -> serde_json::Result<Sections> {
    let nothing = Value::Object(serde_json::Map::new());
    let mut found = Sections::default();
    for Section { key, read, .. } in sections {
        found.push(key, read(mapping.get(key).unwrap_or(&nothing))?);
    }
    Ok(found)
}
