//! The JSON Schema of an inventory, generated from its types.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::types::Inventory;

/// The JSON Schema of an inventory, with a description of each key.
pub fn schema() -> Value {
    // Inlined, so that a place in the inventory is a place in the schema: see `normalise` and `explain`.
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
    });
    settings
        .into_generator()
        .into_root_schema_for::<Inventory>()
        .to_value()
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
