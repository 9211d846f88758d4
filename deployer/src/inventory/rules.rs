//! What a text is held against, and how what it says of components is read.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::Value;

use super::formats::{Check, FORMATS};
use super::section::{Section, read, read_said};
use super::sections::Sections;
use super::types::Inventory;

/// A schema, what holds values against it, and the sections that are read as components' own types.
#[derive(Debug)]
pub struct Rules {
    schema: Value,
    pub(super) validator: Result<Validator, String>,
    pub(super) formats: BTreeMap<&'static str, Check>,
    sections: Vec<Section>,
    of_nodes: Vec<Section>,
    of_sinks: Vec<Section>,
}

impl Rules {
    /// The rules of a schema that has the schemas of these sections in it: of the inventory's, of those of its
    /// nodes, and of those of its sinks, which are of one kind each.
    pub fn new(
        schema: Value,
        sections: Vec<Section>,
        of_nodes: Vec<Section>,
        of_sinks: Vec<Section>,
    ) -> Self {
        let own = sections.iter().chain(&of_nodes).chain(&of_sinks);
        let own = own.flat_map(|section| section.formats);
        let formats = FORMATS.iter().chain(own).copied().collect();
        Self {
            validator: validator(&schema, &formats),
            schema,
            formats,
            sections,
            of_nodes,
            of_sinks,
        }
    }

    /// The JSON Schema.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// The inventory that a value is, which was held against the schema.
    pub(super) fn inventory(&self, value: Value) -> serde_json::Result<Inventory> {
        let sections = read(&self.sections, &value)?;
        let of_each = |key, read: &dyn Fn(&Value) -> serde_json::Result<Sections>| {
            let all = value.get(key).and_then(Value::as_object);
            let all = all.into_iter().flatten();
            all.map(|(name, one)| Ok((name.clone(), read(one)?)))
                .collect::<serde_json::Result<BTreeMap<String, Sections>>>()
        };
        let mut of_nodes = of_each("nodes", &|node| read(&self.of_nodes, node))?;
        let mut of_sinks = of_each("sinks", &|sink| read_said(&self.of_sinks, sink))?;
        let mut inventory: Inventory = serde_json::from_value(value)?;
        inventory.sections = sections;
        for (name, node) in &mut inventory.nodes {
            node.sections = of_nodes.remove(name).unwrap_or_default();
        }
        for (name, sink) in &mut inventory.sinks {
            sink.kinds = of_sinks.remove(name).unwrap_or_default();
        }
        Ok(inventory)
    }
}

/// A validator that knows our formats. The error is a mistake in the types, not in the inventory.
fn validator(schema: &Value, formats: &BTreeMap<&'static str, Check>) -> Result<Validator, String> {
    let mut options = jsonschema::options().should_validate_formats(true);
    for (name, check) in formats.clone() {
        options = options.with_format(name, move |text: &str| check(text).is_ok());
    }
    options.build(schema).map_err(|error| error.to_string())
}
