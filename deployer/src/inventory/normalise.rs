//! From YAML's values to those of JSON, forgiving what YAML makes easy to get wrong and what has one meaning only.

use serde_json::{Map, Number, Value};

use super::schema::{allows, below};

/// Turns a YAML value into the JSON value that the schema is about:
///
/// * a key with nothing after it (`producer:` with all its keys commented out) is as good as none, or an empty mapping;
/// * a whole number is taken where a text is wanted (`name: 2024`), and `2.0` where a whole number is;
/// * keys may be numbers or true and false.
pub(super) fn normalise(value: serde_yaml::Value, schema: &Value) -> Value {
    match value {
        serde_yaml::Value::Null => Value::Null,
        serde_yaml::Value::Bool(value) => Value::Bool(value),
        serde_yaml::Value::Number(number) => normalise_number(&number, schema),
        serde_yaml::Value::String(text) => Value::String(text),
        serde_yaml::Value::Sequence(items) => {
            let item_schema = schema.get("items").unwrap_or(&Value::Null);
            items
                .into_iter()
                .map(|item| normalise(item, item_schema))
                .collect()
        }
        serde_yaml::Value::Mapping(mapping) => Value::Object(normalise_mapping(mapping, schema)),
        serde_yaml::Value::Tagged(tagged) => normalise(tagged.value, schema),
    }
}

fn normalise_mapping(mapping: serde_yaml::Mapping, schema: &Value) -> Map<String, Value> {
    let mut object = Map::new();
    for (key, value) in mapping {
        let key = match normalise(key, &Value::Null) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let Some(value_schema) = below(schema, &key) else {
            // Unknown: kept as it is, so that the schema refuses it.
            object.insert(key, normalise(value, &Value::Null));
            continue;
        };
        match normalise(value, value_schema) {
            Value::Null if allows(value_schema, "object") => {
                object.insert(key, Value::Object(Map::new()));
            }
            Value::Null => {}
            value => {
                object.insert(key, value);
            }
        }
    }
    object
}

fn normalise_number(number: &serde_yaml::Number, schema: &Value) -> Value {
    let whole = number
        .as_u64()
        .map(Number::from)
        .or_else(|| number.as_i64().map(Number::from));
    if let Some(whole) = whole {
        return if allows(schema, "string") && !allows(schema, "number") {
            Value::String(whole.to_string())
        } else {
            Value::Number(whole)
        };
    }
    let float = number.as_f64().unwrap_or(f64::NAN);
    if allows(schema, "integer")
        && float.fract() == 0.0
        && let Ok(whole) = format!("{float:.0}").parse::<i64>()
    {
        return Value::from(whole);
    }
    // What JSON has no number for (`.nan`, `.inf`) becomes a text, which is refused where a number is wanted.
    Number::from_f64(float).map_or_else(|| Value::String(number.to_string()), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::normalise;
    use crate::inventory::schema;

    fn normalised(text: &str) -> String {
        let value = serde_yaml::from_str(text).expect("yaml");
        normalise(value, &schema()).to_string()
    }

    #[test]
    fn nothing_after_a_key_is_an_empty_mapping_or_no_key() {
        assert_eq!(
            normalised("nodes: {vm1: }\nproducer:\ncloud:\nfoo:\n"),
            r#"{"foo":null,"nodes":{"vm1":{}},"producer":{}}"#
        );
    }

    #[test]
    fn whole_numbers_are_texts_where_texts_are_wanted() {
        assert_eq!(
            normalised("name: 2024\nkafka: {port: 9092.0, version: 3.9, settings: {a: 1, b: 0.5}}"),
            r#"{"kafka":{"port":9092,"settings":{"a":1,"b":0.5},"version":3.9},"name":"2024"}"#
        );
    }

    #[test]
    fn what_json_has_no_number_for_is_a_text() {
        assert_eq!(
            normalised("zookeeper: {port: .nan}"),
            r#"{"zookeeper":{"port":".nan"}}"#
        );
    }
}
