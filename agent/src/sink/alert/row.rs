//! A row of a stream: its columns, in their order, and the window it is of.

use std::fmt;

use jiff::Timestamp;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The most characters of a value that are shown.
const SHOWN: usize = 200;

/// The columns of a row without its window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Row(pub(super) Vec<(String, Value)>);

/// A window of event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Span {
    /// When it begins.
    pub(super) start: Timestamp,
    /// When it ends: the first moment after it.
    pub(super) end: Timestamp,
}

impl Span {
    /// How many milliseconds it is long.
    pub(super) fn length(&self) -> i64 {
        self.end.as_millisecond() - self.start.as_millisecond()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} to {}", self.start, self.end)
    }
}

impl Row {
    /// Reads a row whose window is in a column of this name; else says why it is none.
    pub(super) fn read(value: &[u8], window: &str) -> Result<(Span, Self), String> {
        let columns: Columns = serde_json::from_slice(value)
            .map_err(|error| format!("the row is no JSON object: {error}"))?;
        let mut columns = columns.0;
        let found = columns.iter().position(|(name, _)| name == window);
        let found = found.ok_or_else(|| format!("the row has no `{window}`"))?;
        let (_, value) = columns.remove(found);
        let span = Span::deserialize(value)
            .map_err(|error| format!("`{window}` is no window with `start` and `end`: {error}"))?;
        if span.length() <= 0 {
            return Err(format!("`{window}` ends before it begins"));
        }
        Ok((span, Self(columns)))
    }

    /// The value of a column.
    pub(super) fn column(&self, name: &str) -> Option<&Value> {
        let mut columns = self.0.iter();
        columns.find(|(own, _)| own == name).map(|(_, value)| value)
    }
}

/// As in `(ERROR,2)`, on one line.
impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<String> = self.0.iter().map(|(_, value)| shown(value)).collect();
        write!(formatter, "({})", values.join(","))
    }
}

fn shown(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    let one_line = text
        .chars()
        .map(|one| if one.is_control() { ' ' } else { one });
    let mut text: String = one_line.take(SHOWN + 1).collect();
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A JSON object in the order of its names.
struct Columns(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Columns;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Columns, A::Error> {
                let mut columns = Vec::new();
                while let Some(column) = map.next_entry()? {
                    columns.push(column);
                }
                Ok(Columns(columns))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_in_its_order_and_shown_on_one_line() {
        let text = r#"{"window":{"start":"2021-11-20T21:06:00.000Z","end":"2021-11-20T21:07:00.000Z"},
            "level":"ERR\nOR","n":2,"a":null}"#;
        let (span, row) = Row::read(text.as_bytes(), "window").expect("a row");
        assert_eq!(
            span.to_string(),
            "2021-11-20T21:06:00Z to 2021-11-20T21:07:00Z"
        );
        assert_eq!(span.length(), 60_000);
        assert_eq!(row.to_string(), "(ERR OR,2,null)");
        assert_eq!(row.column("n"), Some(&Value::from(2)));
        let long = Row(vec![("a".to_owned(), Value::from("é".repeat(300)))]);
        assert_eq!(long.to_string().chars().count(), SHOWN + 3);
    }

    #[test]
    fn what_is_no_row_of_a_window_is_refused_with_the_reason() {
        let window =
            |start: &str, end: &str| format!(r#"{{"window":{{"start":"{start}","end":"{end}"}}}}"#);
        let (early, late) = ("2021-11-20T21:06:00Z", "2021-11-20T21:07:00Z");
        for (text, reason) in [
            ("7".to_owned(), "no JSON object"),
            ("{".to_owned(), "no JSON object"),
            ("{}".to_owned(), "has no `window`"),
            (r#"{"window":7}"#.to_owned(), "no window with"),
            (window(early, "soon"), "no window with"),
            (window(late, early), "ends before"),
            (window(early, early), "ends before"),
        ] {
            let said = Row::read(text.as_bytes(), "window").expect_err("is refused");
            assert!(said.contains(reason), "{text}: {said}");
        }
    }
}
