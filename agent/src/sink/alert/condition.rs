//! What must be true of a row, that there is an alert.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::row::Row;

/// What must be true of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Condition(String, Comparison, Value);

/// How a column is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Comparison {
    #[serde(rename = "=")]
    Equal,
    #[serde(rename = "!=")]
    Other,
    #[serde(rename = ">")]
    More,
    #[serde(rename = ">=")]
    AtLeast,
    #[serde(rename = "<")]
    Less,
    #[serde(rename = "<=")]
    AtMost,
}

impl Condition {
    /// Says why no value can be compared so.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self(_, comparison, than) = self;
        let is_equality = matches!(comparison, Comparison::Equal | Comparison::Other);
        match than {
            Value::Number(_) => Ok(()),
            Value::String(_) | Value::Bool(_) if is_equality => Ok(()),
            _ => Err(format!(
                "`{self}`: only numbers are more or less than others"
            )),
        }
    }

    /// Whether it is true of a row; else why that cannot be said.
    pub(super) fn holds(&self, row: &Row) -> Result<bool, String> {
        let Self(column, comparison, than) = self;
        let value = row.column(column);
        let value = value.ok_or_else(|| format!("the row has no `{column}`"))?;
        let (Some(value), Some(than)) = (value.as_f64(), than.as_f64()) else {
            return match comparison {
                Comparison::Equal => Ok(value == than),
                Comparison::Other => Ok(value != than),
                _ => Err(format!("`{column}` is no number")),
            };
        };
        Ok(match comparison {
            #[expect(clippy::float_cmp, reason = "who asks for equality means it")]
            Comparison::Equal => value == than,
            #[expect(clippy::float_cmp, reason = "who asks for inequality means it")]
            Comparison::Other => value != than,
            Comparison::More => value > than,
            Comparison::AtLeast => value >= than,
            Comparison::Less => value < than,
            Comparison::AtMost => value <= than,
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(column, comparison, than) = self;
        let sign = match comparison {
            Comparison::Equal => "=",
            Comparison::Other => "!=",
            Comparison::More => ">",
            Comparison::AtLeast => ">=",
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
        };
        let than = than
            .as_str()
            .map_or_else(|| than.to_string(), str::to_owned);
        write!(formatter, "{column} {sign} {than}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(columns: &[(&str, Value)]) -> Row {
        let columns = columns.iter().cloned();
        Row(columns
            .map(|(name, value)| (name.to_owned(), value))
            .collect())
    }

    #[test]
    fn rows_are_compared_by_text_and_by_number() {
        let row = row(&[
            ("level", json!("ERROR")),
            ("n", json!(2)),
            ("share", json!(0.5)),
        ]);
        for (condition, holds) in [
            (json!(["level", "=", "ERROR"]), Ok(true)),
            (json!(["level", "!=", "ERROR"]), Ok(false)),
            (json!(["level", "=", "WARN"]), Ok(false)),
            (json!(["n", "=", 2.0]), Ok(true)),
            (json!(["n", "!=", 2]), Ok(false)),
            (json!(["n", ">", 1]), Ok(true)),
            (json!(["n", ">", 2]), Ok(false)),
            (json!(["n", ">=", 2]), Ok(true)),
            (json!(["n", "<", 2]), Ok(false)),
            (json!(["n", "<=", 2]), Ok(true)),
            (json!(["share", ">", 0.49]), Ok(true)),
            (json!(["n", "=", "2"]), Ok(false)),
            (json!(["level", ">", 1]), Err("`level` is no number")),
            (json!(["lvl", "=", 1]), Err("the row has no `lvl`")),
        ] {
            let condition: Condition = serde_json::from_value(condition).expect("a condition");
            assert_eq!(condition.check(), Ok(()));
            let found = condition.holds(&row);
            assert_eq!(found, holds.map_err(str::to_owned), "{condition}");
        }
    }

    #[test]
    fn what_can_be_compared_with_nothing_is_refused() {
        for condition in [
            json!(["n", ">", "1"]),
            json!(["n", ">", true]),
            json!(["n", "=", null]),
        ] {
            let condition: Condition = serde_json::from_value(condition).expect("a condition");
            assert!(condition.check().is_err(), "{condition}");
        }
        let unknown = json!(["n", "~", 1]);
        assert!(serde_json::from_value::<Condition>(unknown).is_err());
    }
}
