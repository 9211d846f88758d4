//! A document as a row: a line of JSON, or the values of some columns.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// How rows are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The whole document, one a line.
    #[default]
    Json,
    /// The values of some columns, separated by commas, below a line with their names.
    Csv,
}

impl Format {
    /// The end of the files' names.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Json => "jsonl",
            Self::Csv => "csv",
        }
    }

    /// What a file begins with.
    pub(super) fn head(self, columns: &[String]) -> String {
        match self {
            Self::Json => String::new(),
            Self::Csv => line(columns.iter().map(|column| Cow::from(column.as_str()))),
        }
    }

    /// Writes a document, with the end of its line.
    pub(super) fn row(self, json: &str, columns: &[String]) -> String {
        match self {
            Self::Json => {
                let mut text = one_line(json).into_owned();
                text.push('\n');
                text
            }
            Self::Csv => line(columns.iter().map(|column| value(json, column))),
        }
    }
}

/// Outside of its words JSON may have ends of lines, which mean nothing; within them it has none.
fn one_line(json: &str) -> Cow<'_, str> {
    if json.contains(['\n', '\r']) {
        json.replace(['\n', '\r'], " ").into()
    } else {
        json.into()
    }
}

/// Returns a value of a document by the names that lead to it, as in `memory.free`; its numbers keep all their digits. It is
/// empty where there is none.
fn value<'a>(json: &'a str, column: &str) -> Cow<'a, str> {
    let (name, rest) = column
        .split_once('.')
        .map_or((column, None), |(name, rest)| (name, Some(rest)));
    // Names may be escaped, so they cannot be borrowed.
    let fields: Option<HashMap<String, &RawValue>> = serde_json::from_str(json).ok();
    let Some(found) = fields.and_then(|fields| fields.get(name).copied()) else {
        return "".into();
    };
    if let Some(rest) = rest {
        return value(found.get(), rest);
    }
    match found.get() {
        "null" => "".into(),
        text if text.starts_with('"') => serde_json::from_str::<String>(text)
            .unwrap_or_default()
            .into(),
        text => one_line(text),
    }
}

fn line<'a>(values: impl Iterator<Item = Cow<'a, str>>) -> String {
    let mut line = String::new();
    for (index, value) in values.enumerate() {
        if index > 0 {
            line.push(',');
        }
        if value.contains([',', '"', '\n', '\r']) {
            line.push('"');
            line.push_str(&value.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(&value);
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_one_line_of_json() {
        let json = "{\"_id\":\"a\",\n\"x\" :\r\n1.50}";
        let row = Format::Json.row(json, &[]);
        assert_eq!(row, "{\"_id\":\"a\", \"x\" :  1.50}\n");
        assert_eq!(Format::Json.head(&[]), "");
    }

    #[test]
    fn columns_are_found_by_their_names_and_quoted_where_they_must_be() {
        let json = r#"{"_id":"a","n":123456789012345678901234567890,"t":"x, \"y\"\nz","cpu":{"user":1.50,"all":[1,2]},"no":null,"yes":true,"e\u0061":"é"}"#;
        let columns = [
            "_id", "n", "t", "cpu.user", "cpu.all", "cpu.none", "no", "yes", "ea", "t.x",
        ];
        let columns = columns.map(str::to_owned);
        assert_eq!(
            Format::Csv.head(&columns),
            "_id,n,t,cpu.user,cpu.all,cpu.none,no,yes,ea,t.x\n"
        );
        assert_eq!(
            Format::Csv.row(json, &columns),
            "a,123456789012345678901234567890,\"x, \"\"y\"\"\nz\",1.50,\"[1,2]\",,,true,é,\n"
        );
    }
}
