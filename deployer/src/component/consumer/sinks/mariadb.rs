//! Rows of the deployment's MariaDB.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Kind, Told, password_file};
use crate::component::mariadb::{self, CANARIES, DATABASE, USER, USER_PASSWORD};
use crate::component::service::AUTHORITY;
use crate::inventory::{Findings, Section, Sink};

/// The kind.
pub(super) struct Mariadb;

/// The longest name of a table: that of its dead letters is longer, and may have 64 characters.
const TABLE_CHARACTERS: usize = 51;

/// Rows of the deployment's `MariaDB`: each event is one, in a table that the consumer makes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// The table. Default: the sink's name, with `_` for `-`.
    #[schemars(extend("format" = "sql-name"))]
    table: Option<String>,
    /// The columns beside the table's own, by name.
    #[schemars(extend("propertyNames" = {"format": "sql-name"}))]
    columns: BTreeMap<String, Column>,
    /// Whether each key has one row, of its newest record; else each record is one.
    replace: bool,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Column {
    /// The form of its values.
    #[serde(rename = "type")]
    form: Form,
    /// The names that lead to its value in the event, such as `memory.free`. Default: the column's name.
    #[schemars(extend("format" = "event-path"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

/// The form of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Form {
    /// A moment in UTC, with microseconds.
    Datetime,
    /// A number with a point.
    Double,
    /// A whole number of 64 bits.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A text of any length; of what is no text, its JSON.
    Text,
}

impl Kind for Mariadb {
    fn name(&self) -> &'static str {
        mariadb::NAME
    }

    fn section(&self) -> Section {
        Section::of::<Settings>(self.name())
            .with(&[("sql-name", check_name), ("event-path", check_path)])
    }

    fn needs(&self) -> Option<&'static str> {
        Some(mariadb::NAME)
    }

    fn takes_canaries(&self) -> bool {
        true
    }

    fn password(&self) -> Option<(&'static str, &'static str)> {
        Some((mariadb::NAME, USER_PASSWORD))
    }

    /// Its table, and that of its dead letters.
    fn places(&self, name: &str, sink: &Sink) -> Vec<String> {
        let table = sink.kinds.get::<Settings>().table(name);
        let tables = [table.clone(), format!("{table}_dead_letters")];
        tables.map(|table| format!("the table `{table}`")).into()
    }

    fn table(&self, name: &str, sink: &Sink) -> Option<(String, BTreeMap<String, String>)> {
        let settings = sink.kinds.get::<Settings>();
        let columns = settings.columns.iter();
        let columns = columns.map(|(name, column)| (name.clone(), column.form.word().to_owned()));
        Some((settings.table(name), columns.collect()))
    }

    fn check(&self, name: &str, key: &str, sink: &Sink, findings: &mut Findings<'_>) {
        let settings = sink.kinds.get::<Settings>();
        if settings.columns.is_empty() {
            findings.add(
                format!("{key}.columns"),
                "a table needs columns",
                "add such as `columns: { timestamp: { type: datetime } }`",
            );
        }
        let table = settings.table(name);
        if table.len() > TABLE_CHARACTERS {
            findings.add(
                format!("{key}.table"),
                format!("`{table}` has more than {TABLE_CHARACTERS} characters"),
                "name a shorter one",
            );
        }
        let mut names = BTreeSet::new();
        for column in settings.columns.keys() {
            let lower = column.to_lowercase();
            let problem = if lower == "id" || lower.starts_with("kafka_") {
                "is a column of every table, or looks like one"
            } else if !names.insert(lower) {
                "is another column's name but for capitals, which MariaDB does not tell apart"
            } else {
                continue;
            };
            findings.add(
                format!("{key}.columns.{column}"),
                problem,
                "name it otherwise, and say with `from` what is in it",
            );
        }
    }

    fn settings(&self, sink: &Sink, told: &Told<'_>) -> BTreeMap<&'static str, Value> {
        let settings = sink.kinds.get::<Settings>();
        let columns = settings.columns.iter();
        let columns = columns.map(|(name, Column { form, from })| {
            let from = from.as_ref().unwrap_or(name);
            format!("{name} {} {from}", form.word())
        });
        let columns: Vec<String> = columns.collect();
        let mut all = BTreeMap::from([
            ("user", json!(USER)),
            (
                "password_file",
                json!(told.place.file(&password_file(self))),
            ),
            ("database", json!(DATABASE)),
            ("canaries", json!(CANARIES)),
            ("table", json!(settings.table(told.name))),
            ("columns", json!(columns)),
            ("replace", json!(settings.replace)),
        ]);
        if let Some((host, port)) = mariadb::place(told.topology) {
            all.extend([("host", json!(host)), ("port", json!(port))]);
        }
        if told.topology.security.is_on() {
            all.insert("ca_file", json!(told.place.file(AUTHORITY)));
        }
        all
    }
}

/// Says what is wrong with the name of a table or a column.
fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if (1..=64).contains(&name.len()) && name.chars().all(is_plain) {
        return Ok(());
    }
    Err("is no name of a table or a column: up to 64 of a-z, A-Z, 0-9 and _".to_owned())
}

/// Says what is wrong with the way to a value.
fn check_path(path: &str) -> Result<(), String> {
    let is_name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
    if path.split('.').all(is_name) {
        return Ok(());
    }
    Err("is no way to a value: names with points between them, such as `memory.free`".to_owned())
}

impl Form {
    /// Its name.
    fn word(self) -> &'static str {
        match self {
            Self::Datetime => "datetime",
            Self::Double => "double",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Text => "text",
        }
    }
}

impl Settings {
    fn table(&self, name: &str) -> String {
        let table = self.table.clone();
        table.unwrap_or_else(|| name.replace('-', "_"))
    }
}
