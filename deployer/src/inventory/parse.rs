//! From bytes to an [`Inventory`].

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::explain::{explain, validator};
use super::normalise::normalise;
use super::positions::{Positions, second_key};
use super::problem::{Position, Problem, Problems};
use super::schema::schema;
use super::types::Inventory;

/// Far above any real inventory, far below what makes the parsers slow.
const MAX_BYTES: usize = 256 << 10;

/// Reads an inventory. `file` is the name of the file in messages; nothing is read from it.
///
/// # Errors
/// All that is wrong with the text by itself. What does not fit together is found by
/// [`Topology::new`](crate::topology::Topology::new).
pub fn parse(bytes: &[u8], file: &str) -> Result<Inventory, Problems> {
    let whole = |position: Position, message: &str| {
        Problems::from(Problem {
            file: file.to_owned(),
            position: Some(position),
            key: String::new(),
            message: message.to_owned(),
            hint: None,
        })
    };
    let start = Position { line: 1, column: 1 };
    if bytes.len() > MAX_BYTES {
        return Err(whole(start, "the file is larger than 256 KiB"));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            return Err(whole(end_of(&good), "the file is not UTF-8 from here on"));
        }
    };
    let value: serde_yaml::Value = match serde_yaml::from_str(text) {
        Ok(value) => value,
        Err(error) => return Err(syntax(text, file, &error).into()),
    };
    if value.is_null() {
        return Err(whole(
            start,
            "the file is empty: there is no inventory in it",
        ));
    }
    let positions = Positions::read(text, file);
    let schema = schema();
    let value = normalise(value, &schema);
    let validator = validator(&schema).map_err(|error| whole(start, &error))?;
    let problems = validator
        .iter_errors(&value)
        .flat_map(|error| explain(&error, &schema, &positions))
        .collect();
    Problems::check(problems)?;
    // By way of JSON, so that the types read exactly the value that was held against their schema.
    let mut inventory: Inventory =
        serde_json::from_value(value).map_err(|error| whole(start, &error.to_string()))?;
    inventory.positions = positions;
    Ok(inventory)
}

/// What the YAML parser says, in our words where its own are about the parser rather than the file.
fn syntax(text: &str, file: &str, error: &serde_yaml::Error) -> Problem {
    let said = error.to_string();
    let position = error.location().map_or_else(
        || Position { line: 1, column: 1 },
        |location| Position {
            line: location.line(),
            column: location.column(),
        },
    );
    let (position, message, hint) = if let Some(place) = control_character(text) {
        (place, "control characters are not allowed".to_owned(), None)
    } else if let Some(tab) = tab(text, position.line) {
        (
            tab,
            "a tab in the indentation".to_owned(),
            Some("YAML wants spaces"),
        )
    } else if let Some((_, key)) = said.split_once("duplicate entry with key ") {
        let key = key
            .split(" at line ")
            .next()
            .unwrap_or(key)
            .trim_matches('"');
        let place = duplicate(text).unwrap_or(position);
        (place, format!("the key `{key}` is there twice"), None)
    } else if said.contains("more than one document") {
        let hint = "an inventory is one document, without `---` in the middle";
        let place = second_document(text).unwrap_or(position);
        (
            place,
            "a second document begins here".to_owned(),
            Some(hint),
        )
    } else if said.contains("repetition limit") {
        (position, "its anchors repeat too much".to_owned(), None)
    } else if said.contains("recursion limit") {
        (position, "nested too deeply".to_owned(), None)
    } else {
        // Without the place it ends with, which stands in front of ours.
        let message = said.split(" at line ").next().unwrap_or(&said);
        (position, message.to_owned(), None)
    };
    Problem {
        file: file.to_owned(),
        position: Some(position),
        key: String::new(),
        message,
        hint: hint.map(str::to_owned),
    }
}

/// The first character that YAML does not allow as itself.
fn control_character(text: &str) -> Option<Position> {
    let bad = |one: char| one.is_control() && !matches!(one, '\t' | '\n' | '\r' | '\u{85}');
    Some(end_of(&text[..text.find(bad)?]))
}

/// The first tab in the indentation of the lines up to this one.
fn tab(text: &str, last: usize) -> Option<Position> {
    text.lines()
        .take(last)
        .enumerate()
        .find_map(|(index, line)| {
            let indentation = &line[..line.len() - line.trim_start().len()];
            let column = indentation.chars().position(|one| one == '\t')?;
            Some(Position {
                line: index + 1,
                column: column + 1,
            })
        })
}

/// The first document mark with anything but comments before it.
fn second_document(text: &str) -> Option<Position> {
    let mut began = false;
    for (index, line) in text.lines().enumerate() {
        if began && line.starts_with("---") {
            let line = index + 1;
            return Some(Position { line, column: 1 });
        }
        began = began
            || !(line.trim().is_empty() || line.starts_with(['#', '%']) || line.starts_with("---"));
    }
    None
}

/// Where a key stands for the second time.
fn duplicate(text: &str) -> Option<Position> {
    /// Anything, read with `serde_yaml`'s limits of depth and repetition but without its check of keys.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Shape {
        Any(IgnoredAny),
    }
    // `saphyr` says where, but has no limit of depth: it may read only what is known to be bounded.
    let Shape::Any(_) = serde_yaml::from_str(text).ok()?;
    second_key(text)
}

/// The place just behind a text.
fn end_of(text: &str) -> Position {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Position {
        line: text.matches('\n').count() + 1,
        column: last.chars().count() + 1,
    }
}
