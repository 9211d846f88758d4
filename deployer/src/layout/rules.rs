//! The rules that a text is held against: the schema of an inventory with the roles and the sections of all components and
//! the kinds of sinks.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::component::{self, pipeline};
use crate::inventory::{self, Inventory, Problems, Rules, Section};

/// Made once: it takes some milliseconds.
static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let all = component::ALL.iter();
    let sections: Vec<Section> = all.clone().flat_map(|one| one.sections()).collect();
    let of_nodes: Vec<Section> = all.flat_map(|one| one.node_sections()).collect();
    let of_sinks: Vec<Section> = pipeline::SINKS.iter().map(|kind| kind.section()).collect();
    let mut schema = with_roles(inventory::schema());
    enter(&mut schema, "/properties", &sections);
    enter(&mut schema, NODE, &of_nodes);
    enter(&mut schema, SINK, &of_sinks);
    let kinds = schema.pointer_mut(SINK).and_then(Value::as_object_mut);
    for kind in kinds.into_iter().flat_map(serde_json::Map::values_mut) {
        // A sink is of one kind: one that is left out has no defaults.
        kind.as_object_mut().and_then(|kind| kind.remove("default"));
    }
    Rules::new(schema, sections, of_nodes, of_sinks)
});

/// The JSON Schema of an inventory, with a description of each key.
pub fn schema() -> Value {
    RULES.schema().clone()
}

/// Where the schema has the keys of a node.
const NODE: &str = "/properties/nodes/additionalProperties/properties";
/// Where the schema has the keys of a sink.
const SINK: &str = "/properties/sinks/additionalProperties/properties";
/// Where the schema has the items of a node's roles.
const ROLES: &str = "/properties/nodes/additionalProperties/properties/roles/items";

/// Says which roles there are.
fn with_roles(mut schema: Value) -> Value {
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
    schema
}

/// Enters sections where the schema has the keys of a mapping.
fn enter(schema: &mut Value, place: &str, sections: &[Section]) {
    let keys = schema.pointer_mut(place).and_then(Value::as_object_mut);
    let keys = keys.expect("the keys of a mapping");
    for Section { key, schema, .. } in sections {
        match keys.get_mut(*key) {
            Some(there) => add(there, schema),
            None => {
                keys.insert((*key).into(), schema.clone());
            }
        }
    }
}

/// Adds what another component has in a section.
fn add(section: &mut Value, more: &Value) {
    for part in ["properties", "default"] {
        let keys = more.get(part).and_then(Value::as_object);
        let there = section.get_mut(part).and_then(Value::as_object_mut);
        if let (Some(keys), Some(there)) = (keys, there) {
            there.extend(keys.clone());
        }
    }
}

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
