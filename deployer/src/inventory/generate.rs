//! From a type to the JSON Schema of what it reads.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The JSON Schema of a type.
pub(super) fn of_type<T: JsonSchema>() -> Value {
    // Inlined, so that a place in the inventory is a place in the schema: see `normalise` and `explain`.
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
    });
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
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
