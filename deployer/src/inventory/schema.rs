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
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<Inventory>()
        .to_value();
    bound(&mut schema);
    schema
}

/// Says the largest number that a type holds where the types say no less: what is larger could not be read.
fn bound(schema: &mut Value) {
    let largest = match schema.get("format").and_then(Value::as_str) {
        Some("uint16") => Some(u64::from(u16::MAX)),
        Some("uint32") => Some(u64::from(u32::MAX)),
        Some("uint64") => Some(u64::MAX),
        _ => None,
    };
    if let (Some(largest), Some(rule)) = (largest, schema.as_object_mut()) {
        rule.entry("maximum").or_insert(largest.into());
    }
    match schema {
        Value::Object(parts) => parts.values_mut().for_each(bound),
        Value::Array(parts) => parts.iter_mut().for_each(bound),
        _ => {}
    }
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
