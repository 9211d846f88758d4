//! Documents as a table: a row for each, a column for each field, the fields of objects by their paths.

use std::fmt::{self, Write as _};

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// The most characters of a cell where the width is bounded.
const CELL: usize = 28;
/// What stands between columns.
const GAP: &str = "  ";
/// Fields that say nothing of the event.
const UNTOLD: [&str; 2] = ["_rev", "schema"];

/// The fields of a document by their paths, in the order they have there.
struct Fields(Vec<(String, String)>);

impl<'de> serde::Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a document")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if !UNTOLD.contains(&name.as_str()) {
                        flatten(name, &value, &mut fields);
                    }
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

fn flatten(path: String, value: &Value, fields: &mut Vec<(String, String)>) {
    match value {
        Value::Object(inner) if !inner.is_empty() => {
            for (name, value) in inner {
                flatten(format!("{path}.{name}"), value, fields);
            }
        }
        Value::String(text) => fields.push((path, printable(text))),
        other => fields.push((path, printable(&other.to_string()))),
    }
}

/// A text on one line that does nothing to a terminal.
fn printable(text: &str) -> String {
    let one = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    text.chars().map(one).collect()
}

/// The table of documents that are JSON, one a line. In a `width` cells are cut and only the first columns shown that fit; the
/// names of the others come back.
pub fn table(
    documents: &str,
    width: Option<usize>,
) -> Result<(String, Vec<String>), serde_json::Error> {
    let documents: Vec<Fields> = documents
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in documents.iter().flat_map(|document| &document.0) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let most = width.map_or(usize::MAX, |_| CELL);
    let columns = names.iter().map(|name| {
        let cell = |document: &Fields| {
            let found = document.0.iter().find(|(other, _)| other == name);
            cut(found.map_or("", |(_, text)| text), most)
        };
        let cells = documents.iter().map(cell);
        let column: Vec<String> = std::iter::once(cut(name, most)).chain(cells).collect();
        let wide = column.iter().map(|cell| cell.chars().count()).max();
        (wide.unwrap_or(0), column)
    });
    let (mut rows, mut used, mut shown) = (vec![String::new(); documents.len() + 1], 0, 0);
    for (wide, column) in columns {
        let gap = if used == 0 { "" } else { GAP };
        used += gap.len() + wide;
        if shown > 0 && width.is_some_and(|width| used > width) {
            break;
        }
        shown += 1;
        for (row, cell) in rows.iter_mut().zip(column) {
            // A text takes everything.
            let _ = write!(row, "{gap}{cell:<wide$}");
        }
    }
    let text = rows.iter().map(|row| format!("{}\n", row.trim_end()));
    let left = names.iter().skip(shown).map(ToString::to_string);
    Ok((text.collect(), left.collect()))
}

/// At most so many characters; what is cut off is said by the last of them.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::table;

    const DOCUMENTS: &str = concat!(
        r#"{"_id":"vm1-r-2","_rev":"1-x","schema":1,"client":"vm1","cpu":{"user":1.5,"idle":98}}"#,
        "\n",
        r#"{"_id":"e1-0","event":{"total":1.50,"what":"a\tb"},"list":[1,2],"none":null,"empty":{}}"#,
        "\n",
    );

    #[test]
    fn every_field_is_a_column_in_its_order() {
        let (text, left) = table(DOCUMENTS, None).expect("documents");
        assert_eq!(
            text,
            "_id      client  cpu.idle  cpu.user  event.total  event.what  list   none  empty\n\
             vm1-r-2  vm1     98        1.5\n\
             e1-0                                 1.5          a b         [1,2]  null  {}\n"
        );
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn a_terminal_is_filled_and_not_more() {
        let (text, left) = table(DOCUMENTS, Some(30)).expect("documents");
        assert_eq!(text.lines().next(), Some("_id      client  cpu.idle"));
        assert_eq!(left[0], "cpu.user");
        let long = format!(r#"{{"_id":"{}"}}"#, "x".repeat(100));
        let (text, _) = table(&long, Some(10)).expect("documents");
        let row = text.lines().nth(1).expect("a row");
        assert_eq!(row, format!("{}…", "x".repeat(27)));
        assert_eq!(table("", Some(10)).expect("none").0, "\n");
    }
}
