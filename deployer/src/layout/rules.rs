//! The rules that a text is held against: the schema of an inventory with the roles of all components.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::component;
use crate::inventory::{self, Inventory, Problems, Rules, Section};

/// Made once: it takes some milliseconds.
static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::new(schema()));

/// The JSON Schema of an inventory, with a description of each key.
pub fn schema() -> Value {
    let mut schema = inventory::schema();
    let roles = component::ALL
        .iter()
        .filter(|component| component.is_role());
    let words: Vec<Value> = roles
        .map(|component| {
            let (name, about) = (component.name(), component.about());
            json!({"description": about, "type": "string", "const": name})
        })
        .collect();
    if let Some(items) = schema.pointer_mut(ROLES) {
        *items = json!({"description": "What a node does.", "oneOf": words});
    }
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    if let Some(properties) = properties {
        for Section { key, schema } in component::ALL.iter().filter_map(|one| one.section()) {
            match properties.get_mut(key) {
                Some(there) => add(there, &schema),
                None => {
                    properties.insert(key.into(), schema);
                }
            }
        }
    }
    schema
}

/// Adds the keys of another component to a section.
fn add(section: &mut Value, more: &Value) {
    let keys = more.get("properties").and_then(Value::as_object);
    let there = section.get_mut("properties").and_then(Value::as_object_mut);
    if let (Some(keys), Some(there)) = (keys, there) {
        there.extend(keys.clone());
    }
}

/// Where the schema has the items of a node's roles.
const ROLES: &str = "/properties/nodes/additionalProperties/properties/roles/items";

/// Reads an inventory. `file` is the name of the file in messages; nothing is read from it.
///
/// # Errors
/// All that is wrong with the text by itself. What does not fit together is found by
/// [`Topology::new`](crate::topology::Topology::new).
pub fn parse(bytes: &[u8], file: &str) -> Result<Inventory, Problems> {
    inventory::parse(bytes, file, &RULES)
}

/// As [`parse`], as far as it can be read.
pub(super) fn read(bytes: &[u8], file: &str) -> inventory::Reading {
    inventory::read(bytes, file, &RULES)
}
