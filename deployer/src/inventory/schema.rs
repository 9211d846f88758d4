//! The JSON Schema of an inventory, generated from its types.

use serde_json::Value;

use super::generate::of_type;
use super::types::Inventory;

/// The JSON Schema of an inventory, with a description of each key.
pub fn schema() -> Value {
    of_type::<Inventory>()
}

/// The schema of what stands at a key of a mapping.
pub(super) fn below<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    schema
        .get("properties")
        .and_then(|properties| properties.get(key))
        .or_else(|| schema.get("additionalProperties"))
        .filter(|schema| schema.is_object())
}

/// Whether a schema allows a type.
pub(super) fn allows(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    }
}
