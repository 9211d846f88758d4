//! What stands in `when`: a value that a column must have, or a comparison with one.

use serde_json::{Number, Value, json};

/// The comparisons; one that begins with another stands before it.
const COMPARISONS: [&str; 6] = [">=", "<=", "!=", ">", "<", "="];

/// A condition on a column, as the agents are told; else what is wrong with it.
pub(super) fn read(column: &str, text: &str) -> Result<Value, String> {
    let text = text.trim();
    let found = COMPARISONS
        .iter()
        .find_map(|one| Some((*one, text.strip_prefix(one)?.trim())));
    let (comparison, than) = found.unwrap_or(("=", text));
    if than.is_empty() {
        return Err(format!("`{text}` compares with nothing"));
    }
    let is_equality = matches!(comparison, "=" | "!=");
    match value(than) {
        Value::String(_) if !is_equality || than.starts_with(['<', '>', '=', '!']) => Err(format!(
            "`{text}` compares with `{than}`, which is no number"
        )),
        Value::Bool(_) if !is_equality => Err(format!(
            "`{text}` compares with `{than}`, which is no number"
        )),
        than => Ok(json!([column, comparison, than])),
    }
}

fn value(text: &str) -> Value {
    let number = text.parse::<Number>().map(Value::Number).ok();
    let truth = text.parse::<bool>().map(Value::Bool).ok();
    number.or(truth).unwrap_or_else(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_a_value_or_a_comparison() {
        for (text, comparison, than) in [
            ("ERROR", "=", json!("ERROR")),
            ("= a b", "=", json!("a b")),
            ("!= WARN", "!=", json!("WARN")),
            ("3", "=", json!(3)),
            ("true", "=", json!(true)),
            ("> 1", ">", json!(1)),
            (">=1.5", ">=", json!(1.5)),
            ("< -2", "<", json!(-2)),
            ("<= 0", "<=", json!(0)),
        ] {
            assert_eq!(
                read("n", text),
                Ok(json!(["n", comparison, than])),
                "{text}"
            );
        }
        for text in [
            ">", "", " ", "> one", ">> 1", "=> 1", "== 1", "< true", ">= ",
        ] {
            assert!(read("n", text).is_err(), "{text}");
        }
    }
}
