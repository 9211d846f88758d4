//! Columns: what of an event is in a row, and in which form.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;

/// A column of a table; in a configuration its name, its form and the way to its value: `free integer memory.free`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its form.
    pub form: Form,
    /// The names that lead to its value in the event, as in `memory.free`.
    pub from: String,
}

impl TryFrom<String> for Column {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let [name, form, from] = words[..] else {
            return Err(format!(
                "{text:?} is not the name, the form and the way of a column, as in \"free integer memory.free\""
            ));
        };
        let known = Form::ALL.iter().find(|(_, word)| *word == form);
        let (form, _) = known.ok_or_else(|| {
            let words: Vec<&str> = Form::ALL.iter().map(|(_, word)| *word).collect();
            format!("{form:?} is no form of a column: {}", words.join(", "))
        })?;
        Ok(Self {
            name: name.to_owned(),
            form: *form,
            from: from.to_owned(),
        })
    }
}

/// The forms of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A moment in UTC, with microseconds.
    Datetime,
    /// A number of 64 bits with a point.
    Double,
    /// A whole number of 64 bits.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A text of any length; of what is no text, its JSON.
    Text,
}

impl Form {
    /// All of them, with their names.
    const ALL: [(Self, &str); 5] = [
        (Self::Datetime, "datetime"),
        (Self::Double, "double"),
        (Self::Integer, "integer"),
        (Self::Boolean, "boolean"),
        (Self::Text, "text"),
    ];

    /// The word for a column's type as the server says it: ours, else the server's own.
    pub(super) fn word(kind: &str) -> &str {
        let known = Self::ALL.iter().find(|(form, _)| form.is(kind));
        known.map_or(kind, |(_, word)| word)
    }

    /// Its type in the table.
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Datetime => "DATETIME(6)",
            Self::Double => "DOUBLE",
            Self::Integer => "BIGINT",
            Self::Boolean => "BOOLEAN",
            Self::Text => "LONGTEXT",
        }
    }

    /// Whether a column's type, as the server says it, is this one.
    pub(super) fn is(self, kind: &str) -> bool {
        let said = match self {
            Self::Boolean => "tinyint(1)".to_owned(),
            // Its width is said, too, and means nothing.
            Self::Integer => return kind.starts_with("bigint") && !kind.contains("unsigned"),
            other => other.sql().to_lowercase(),
        };
        kind == said
    }
}

impl fmt::Display for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Datetime => "moment such as 2026-11-30T04:09:45.000001Z",
            Self::Double => "number",
            Self::Integer => "whole number of 64 bits",
            Self::Boolean => "true or false",
            Self::Text => "text",
        })
    }
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    /// The event has none.
    Null,
    Double(f64),
    Integer(i64),
    Boolean(bool),
    /// A text, or a moment as `MariaDB` writes it.
    Text(String),
}

impl Column {
    /// Takes its value out of an event.
    pub(super) fn cell(&self, event: &Value) -> Result<Cell, String> {
        let steps = || self.from.split('.');
        let value = steps().try_fold(event, |value, name| value.get(name));
        let value = match value {
            None | Some(Value::Null) => return Ok(Cell::Null),
            Some(value) => value,
        };
        let cell = match self.form {
            Form::Datetime => value.as_str().and_then(moment).map(Cell::Text),
            Form::Double => value.as_f64().map(Cell::Double),
            Form::Integer => value.as_i64().map(Cell::Integer),
            Form::Boolean => value.as_bool().map(Cell::Boolean),
            Form::Text => Some(Cell::Text(match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })),
        };
        cell.ok_or_else(|| format!("`{}` is {value}: no {}", self.from, self.form))
    }
}

/// A moment as a literal of `DATETIME(6)`, in UTC.
fn moment(text: &str) -> Option<String> {
    let moment: Timestamp = text.parse().ok()?;
    let moment = moment.to_zoned(TimeZone::UTC);
    // The years of that type.
    (1000..=9999)
        .contains(&moment.year())
        .then(|| moment.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cell(form: Form, from: &str, event: &Value) -> Result<Cell, String> {
        let column = Column {
            name: "c".into(),
            form,
            from: from.into(),
        };
        column.cell(event)
    }

    #[test]
    fn a_column_is_three_words() {
        let read = |text: &str| Column::try_from(text.to_owned());
        let column = read("free integer memory.free").expect("is a column");
        assert_eq!((column.name.as_str(), column.form), ("free", Form::Integer));
        assert_eq!(column.from, "memory.free");
        for (text, reason) in [
            ("free", "not the name"),
            ("free  integer x", "not the name"),
            ("free number x", "datetime, double, integer"),
        ] {
            let refused = read(text).expect_err("is refused");
            assert!(refused.contains(reason), "{refused}");
        }
    }

    #[test]
    fn a_type_has_our_word_or_the_servers() {
        for (said, word) in [
            ("datetime(6)", "datetime"),
            ("double", "double"),
            ("bigint(20)", "integer"),
            ("tinyint(1)", "boolean"),
            ("longtext", "text"),
            ("bigint(20) unsigned", "bigint(20) unsigned"),
            ("varchar(64)", "varchar(64)"),
        ] {
            assert_eq!(Form::word(said), word);
        }
    }

    #[test]
    fn a_value_is_what_its_column_wants_or_there_is_a_reason_why_not() {
        let event = json!({
            "at": "2026-11-30T05:09:45.123456789+01:00", "n": 7, "x": -1.5, "big": 9_007_199_254_740_993_i64,
            "yes": true, "t": "é\0", "truck": { "tank": [1, 2], "none": null },
        });
        let text = |text: &str| Ok(Cell::Text(text.to_owned()));
        for (form, from, expected) in [
            (Form::Datetime, "at", text("2026-11-30 04:09:45.123456")),
            (Form::Double, "n", Ok(Cell::Double(7.0))),
            (Form::Double, "x", Ok(Cell::Double(-1.5))),
            (
                Form::Integer,
                "big",
                Ok(Cell::Integer(9_007_199_254_740_993)),
            ),
            (Form::Boolean, "yes", Ok(Cell::Boolean(true))),
            (Form::Text, "t", text("é\0")),
            (Form::Text, "n", text("7")),
            (Form::Text, "truck.tank", text("[1,2]")),
            (Form::Integer, "truck.none", Ok(Cell::Null)),
            (Form::Integer, "truck.other.deep", Ok(Cell::Null)),
            (Form::Integer, "n.deep", Ok(Cell::Null)),
        ] {
            assert_eq!(cell(form, from, &event), expected, "{from}");
        }
        for (form, from) in [
            (Form::Datetime, "t"),
            (Form::Datetime, "n"),
            (Form::Double, "t"),
            (Form::Integer, "x"),
            (Form::Boolean, "n"),
        ] {
            let refused = cell(form, from, &event).expect_err("is refused");
            assert!(refused.contains(&format!("`{from}` is ")), "{refused}");
        }
        let year = json!({"at": "-000001-01-01T00:00:00Z"});
        assert!(cell(Form::Datetime, "at", &year).is_err());
    }
}
