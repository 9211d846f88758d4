//! What the schema refuses, in plain words, at its place in the file.

use std::collections::BTreeMap;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::{Location, LocationSegment};
use serde_json::Value;

use super::formats::Check;
use super::positions::{Positions, join, join_index};
use super::problem::Problem;
use super::rules::Rules;

/// Turns one error of the validator into problems.
pub(super) fn explain(
    error: &ValidationError<'_>,
    rules: &Rules,
    positions: &Positions,
) -> Vec<Problem> {
    let path = key_path(error.instance_path());
    let rule = rule(error.schema_path(), rules.schema());
    let explain_value =
        |error: &ValidationError<'_>, rule| explain_value(&path, error, rule, &rules.formats);
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|name| {
                let known = property_names(rule);
                let what = if path == "clouds" { "cloud" } else { "key" };
                let hint = suggestion(name, &known).unwrap_or_else(|| known_are(&known));
                let message = format!("unknown {what}");
                positions.key_problem(join(&path, name), message, Some(hint))
            })
            .collect(),
        ValidationErrorKind::PropertyNames { error } => {
            let name = error.instance().as_str().unwrap_or_default();
            let (message, hint) = explain_value(error, &Value::Null);
            vec![positions.key_problem(join(&path, name), message, hint)]
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let message = "is missing".to_owned();
            vec![positions.key_problem(join(&path, name), message, None)]
        }
        _ => {
            let (message, hint) = explain_value(error, rule);
            vec![positions.problem(path, message, hint)]
        }
    }
}

/// What is wrong with a value, and what to do.
fn explain_value(
    path: &str,
    error: &ValidationError<'_>,
    rule: &Value,
    formats: &BTreeMap<&'static str, Check>,
) -> (String, Option<String>) {
    let value = error.instance();
    match error.kind() {
        ValidationErrorKind::Format { format } => {
            let text = value.as_str().unwrap_or_default();
            let reason = formats
                .get(format.as_str())
                .and_then(|check| check(text).err())
                .unwrap_or_else(|| format!("is not a {format}"));
            (format!("`{}` {reason}", shortened(text)), None)
        }
        ValidationErrorKind::Enum { .. }
        | ValidationErrorKind::Constant { .. }
        | ValidationErrorKind::AnyOf { .. }
        | ValidationErrorKind::OneOfNotValid { .. } => not_one_of(path, value, rule),
        ValidationErrorKind::Type { .. } => {
            let wanted = wanted(rule);
            let hint =
                (value.is_number() && wanted == "a text").then(|| "put it in quotes".to_owned());
            (format!("must be {wanted}, is {}", in_words(value)), hint)
        }
        ValidationErrorKind::Minimum { .. } | ValidationErrorKind::Maximum { .. } => {
            let message = match (rule.get("minimum"), rule.get("maximum")) {
                (Some(low), Some(high)) => format!("must be between {low} and {high}, is {value}"),
                (Some(low), None) => format!("must be at least {low}, is {value}"),
                (None, Some(high)) => format!("must be at most {high}, is {value}"),
                (None, None) => format!("{value} is out of range"),
            };
            let root_only = rule.get("minimum").and_then(Value::as_u64) == Some(1024)
                && rule.get("maximum").and_then(Value::as_u64) == Some(u64::from(u16::MAX));
            let hint = root_only.then(|| "ports below 1024 belong to root".to_owned());
            (message, hint)
        }
        ValidationErrorKind::MinProperties { .. } => (
            "is empty".to_owned(),
            Some("a deployment has at least one node".to_owned()),
        ),
        ValidationErrorKind::UniqueItems => ("names the same twice".to_owned(), None),
        _ => (
            "is not what can stand here".to_owned(),
            Some("`deployer schema` says what can".to_owned()),
        ),
    }
}

/// The beginning of a text that is too long to be read.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn not_one_of(path: &str, value: &Value, rule: &Value) -> (String, Option<String>) {
    let mut known = Vec::new();
    constants(rule, &mut known);
    let message = match value.as_str() {
        Some(text) => format!("unknown {} `{text}`", noun(path)),
        None => format!("must be a name, is {}", in_words(value)),
    };
    let hint = match value.as_str().and_then(|text| suggestion(text, &known)) {
        Some(suggestion) => format!("{suggestion} ({})", known_are(&known)),
        None => known_are(&known),
    };
    (message, Some(hint))
}

/// What stands at a path, by its key: `role` at `nodes.vm2.roles[1]`.
fn noun(path: &str) -> &str {
    let key = path.rsplit('.').next().unwrap_or(path);
    let key = key.split('[').next().unwrap_or(key);
    key.strip_suffix('s').unwrap_or(key)
}

/// All texts that a rule allows by name.
fn constants<'a>(rule: &'a Value, found: &mut Vec<&'a str>) {
    found.extend(rule.get("const").and_then(Value::as_str));
    if let Some(options) = rule.get("enum").and_then(Value::as_array) {
        found.extend(options.iter().filter_map(Value::as_str));
    }
    for several in ["oneOf", "anyOf"] {
        for one in rule
            .get(several)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            constants(one, found);
        }
    }
}

fn property_names(rule: &Value) -> Vec<&str> {
    rule.get("properties")
        .and_then(Value::as_object)
        .map(|properties| properties.keys().map(String::as_str).collect())
        .unwrap_or_default()
}

fn known_are(known: &[&str]) -> String {
    let quoted: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    format!("known: {}", quoted.join(", "))
}

/// `did you mean …?` with the nearest of the known words, if one is near; of equally near ones the first.
pub(crate) fn suggestion(word: &str, known: &[&str]) -> Option<String> {
    let word = word.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for name in known {
        let likeness = likeness(&word, name);
        if likeness > best.map_or(0.0, |(most, _)| most) {
            best = Some((likeness, name));
        }
    }
    best.map(|(_, name)| format!("did you mean `{name}`?"))
}

/// From 0 (nothing alike) to 1. A common beginning counts (`memory`, `memory_mib`), and so do few slips of the finger
/// (`mv2`, `vm2`).
fn likeness(word: &str, name: &str) -> f64 {
    let beginning = strsim::jaro_winkler(word, name);
    let slips = strsim::normalized_damerau_levenshtein(word, name);
    let beginning = if beginning >= 0.82 { beginning } else { 0.0 };
    let slips = if slips >= 0.6 { slips } else { 0.0 };
    beginning.max(slips)
}

fn wanted(rule: &Value) -> String {
    let names: Vec<&str> = match rule.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let words: Vec<&str> = names
        .into_iter()
        .filter(|name| *name != "null")
        .map(|name| match name {
            "string" => "a text",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "true or false",
            "array" => "a list",
            "object" => "a mapping of keys",
            other => other,
        })
        .collect();
    words.join(", ")
}

fn in_words(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text `{text}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping of keys".to_owned(),
    }
}

/// The schema that holds the keyword which refused. Nothing in our schema is behind a reference.
fn rule<'a>(keyword: &Location, schema: &'a Value) -> &'a Value {
    let path = keyword.as_str();
    let parent = path.rfind('/').map_or("", |slash| &path[..slash]);
    schema.pointer(parent).unwrap_or(&Value::Null)
}

fn key_path(location: &Location) -> String {
    location
        .segments()
        .fold(String::new(), |path, segment| match segment {
            LocationSegment::Property(name) => join(&path, &name),
            LocationSegment::Index(index) => join_index(&path, index),
        })
}
