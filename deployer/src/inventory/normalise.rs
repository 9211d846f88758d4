//! From YAML's values to those of JSON, forgiving what YAML makes easy to get wrong and what has one meaning only.

use serde_json::{Map, Number, Value};

use super::schema::{allows, below};
use crate::yaml::{self, Entry, Meaning, Node};

/// Turns a YAML value into the JSON value that the schema is about:
///
/// * a key with nothing after it (`clouds:` with all its keys commented out) is as good as none, or an empty mapping;
/// * a whole number is taken where a text is wanted (`name: 2024`), `2.0` and `1e9` where a whole number is, and so is what
///   stands in quotes there (`'2'`);
/// * the value of a setting that is passed on stays as it is written, but for whole numbers with an exponent.
pub(super) fn normalise(node: &Node, schema: &Value) -> Value {
    match &node.value {
        yaml::Value::Plain(word) => word_as(word, schema),
        yaml::Value::Text(text) => match Meaning::of(text) {
            Meaning::Bool(value) if only(schema, "boolean") => value.into(),
            meaning if only(schema, "integer") => meaning.whole().map_or_else(
                || text.as_str().into(),
                |_| meaning_as(meaning, text, schema),
            ),
            _ => text.as_str().into(),
        },
        yaml::Value::List(items) => {
            let item_schema = schema.get("items").unwrap_or(&Value::Null);
            let items = items.iter().map(|item| normalise(item, item_schema));
            items.collect()
        }
        yaml::Value::Map(entries) => Value::Object(normalise_mapping(entries, schema)),
    }
}

fn normalise_mapping(entries: &[Entry], schema: &Value) -> Map<String, Value> {
    let mut object = Map::new();
    for Entry { key, node, .. } in entries {
        let Some(value_schema) = below(schema, key) else {
            // Unknown: kept as it is, so that the schema refuses it.
            object.insert(key.clone(), node.to_json());
            continue;
        };
        match normalise(node, value_schema) {
            Value::Null if allows(value_schema, "object") => {
                object.insert(key.clone(), Value::Object(Map::new()));
            }
            Value::Null => {}
            value => {
                object.insert(key.clone(), value);
            }
        }
    }
    object
}

/// Whether a schema allows this type and no text.
fn only(schema: &Value, name: &str) -> bool {
    allows(schema, name) && !allows(schema, "string")
}

fn word_as(word: &str, schema: &Value) -> Value {
    let meaning = Meaning::of(word);
    let setting = schema.get("format").and_then(Value::as_str) == Some("setting");
    match meaning {
        Meaning::Nothing => Value::Null,
        Meaning::Number(_) if setting => meaning
            .whole()
            .filter(|_| word.contains(['e', 'E']))
            .map_or_else(|| word.to_owned(), |whole| whole.to_string())
            .into(),
        _ if setting => word.into(),
        Meaning::Whole(_) if allows(schema, "string") && !allows(schema, "number") => word.into(),
        _ => meaning_as(meaning, word, schema),
    }
}

fn meaning_as(meaning: Meaning, word: &str, schema: &Value) -> Value {
    if let Some(whole) = meaning.whole().filter(|_| allows(schema, "integer")) {
        return Number::from_i128(whole)
            // Out of every range: the nearest number that can be shown.
            .or_else(|| Number::from_f64(word.parse().unwrap_or(f64::MAX)))
            .map_or_else(|| word.into(), Value::Number);
    }
    meaning.to_json(word)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;

    use super::normalise;
    use crate::inventory::generate::of_type;
    use crate::inventory::{Inventory, Setting};

    fn normalised<T: JsonSchema>(text: &str) -> String {
        let root = crate::yaml::read(text).root.expect("yaml");
        normalise(&root, &of_type::<T>()).to_string()
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "its schema is looked at")]
    struct Software {
        port: u16,
        version: String,
        raw: bool,
        settings: BTreeMap<String, Setting>,
    }

    #[test]
    fn nothing_after_a_key_is_an_empty_mapping_or_no_key() {
        assert_eq!(
            normalised::<Inventory>("nodes: {vm1: }\nclouds:\ncloud:\nfoo:\n"),
            r#"{"clouds":{},"foo":null,"nodes":{"vm1":{}}}"#
        );
    }

    #[test]
    fn whole_numbers_are_texts_where_texts_are_wanted() {
        assert_eq!(normalised::<Inventory>("name: 2024"), r#"{"name":"2024"}"#);
        assert_eq!(
            normalised::<Software>("{port: 9092.0, version: 3.9, settings: {a: 1, b: 0.5}}"),
            r#"{"port":9092,"settings":{"a":"1","b":"0.5"},"version":3.9}"#
        );
    }

    #[test]
    fn settings_stay_as_they_are_written() {
        assert_eq!(
            normalised::<Software>(
                "settings: {a: 1e9, b: 1.10, c: True, d: 123456789012345678901234567890, e: 1.5e0}"
            ),
            r#"{"settings":{"a":"1000000000","b":"1.10","c":"True","d":"123456789012345678901234567890","e":"1.5e0"}}"#
        );
    }

    #[test]
    fn what_is_quoted_is_a_number_where_only_a_number_can_be() {
        assert_eq!(
            normalised::<Software>("{port: '9092', raw: 'true'}"),
            r#"{"port":9092,"raw":true}"#
        );
        assert_eq!(normalised::<Software>("port: 'x'"), r#"{"port":"x"}"#);
    }

    #[test]
    fn what_json_has_no_number_for_is_a_text() {
        assert_eq!(normalised::<Software>("port: .nan"), r#"{"port":".nan"}"#);
    }
}
