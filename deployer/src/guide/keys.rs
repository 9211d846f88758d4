//! Every key of an inventory with its meaning and default, from the schema: what the types say is not written a second time.

use std::fmt::Write as _;

use serde_json::Value;

use crate::layout;

/// All keys, those of each section below its heading.
pub(super) fn reference() -> String {
    let mut text = String::new();
    section("", &layout::schema(), &mut text);
    text
}

/// The keys of a mapping, then the sections in it.
fn section(path: &str, schema: &Value, text: &mut String) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    if path.is_empty() {
        text.push_str("## Keys of the deployment\n\n");
    } else {
        let _ = write!(text, "\n## `{path}`\n\n{}\n\n", described(schema));
    }
    let keys = text.len();
    let mut sections = Vec::new();
    for (name, below) in properties {
        let place = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let each = below
            .get("additionalProperties")
            .filter(|each| each.get("properties").is_some());
        if let Some(each) = each {
            sections.push((format!("{place}.{}", entry(name)), each));
        } else if below.get("properties").is_some() {
            sections.push((place, below));
        } else {
            let must = names(schema, "required").any(|required| required == name);
            key(&place, below, must, text);
        }
    }
    if text.len() == keys {
        // It has sections only: the empty line stands already.
        text.pop();
    }
    for (place, below) in sections {
        section(&place, below, text);
    }
}

/// What stands for the name of one entry of a mapping.
fn entry(mapping: &str) -> &'static str {
    match mapping {
        "extra" => "TOPIC",
        "sinks" => "SINK",
        "users" => "USER",
        _ => "NODE",
    }
}

fn key(place: &str, schema: &Value, must: bool, text: &mut String) {
    let mut line = format!("* `{place}`: {}", described(schema));
    if let Some(bounds) = bounds(schema) {
        let _ = write!(line, " {bounds}.");
    }
    if must {
        line.push_str(" Must be given.");
    } else if !line.contains("Default:") {
        let default = default(schema).unwrap_or_else(|| "not set".to_owned());
        let _ = write!(line, " Default: {default}.");
    }
    text.push_str(&line);
    text.push('\n');
    for (word, meaning) in choices(schema) {
        let _ = writeln!(text, "  * `{word}`: {meaning}");
    }
}

fn described(schema: &Value) -> &str {
    schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The limits that mean something: not those of the type alone.
fn bounds(schema: &Value) -> Option<String> {
    let limit = |name: &str| schema.get(name).and_then(Value::as_u64);
    let low = limit("minimum").filter(|low| *low > 0);
    let high = limit("maximum").filter(|high| *high < u64::from(u32::MAX));
    match (low, high) {
        (Some(low), Some(high)) => Some(format!("From {low} to {high}")),
        (None, Some(high)) => Some(format!("At most {high}")),
        (Some(low), None) => Some(format!("At least {low}")),
        (None, None) => None,
    }
}

fn default(schema: &Value) -> Option<String> {
    Some(match schema.get("default")? {
        Value::Null => "not set".to_owned(),
        Value::Array(all) if all.is_empty() => "none".to_owned(),
        Value::Object(all) if all.is_empty() => "none".to_owned(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    })
}

/// The words of a closed list, with what each means.
fn choices(schema: &Value) -> Vec<(&str, &str)> {
    let several = |name: &str| schema.get(name).and_then(Value::as_array);
    let below = ["oneOf", "anyOf"].into_iter().filter_map(several).flatten();
    below
        .chain(schema.get("items"))
        .flat_map(|one| match one.get("const").and_then(Value::as_str) {
            Some(word) => vec![(word, described(one))],
            None => choices(one),
        })
        .collect()
}

fn names<'a>(schema: &'a Value, list: &str) -> impl Iterator<Item = &'a str> {
    let all = schema.get(list).and_then(Value::as_array);
    all.into_iter().flatten().filter_map(Value::as_str)
}
