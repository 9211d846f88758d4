//! From bytes to an [`Inventory`].

use super::explain::{explain, validator};
use super::normalise::normalise;
use super::positions::Positions;
use super::problem::{Position, Problem, Problems};
use super::schema::schema;
use super::types::Inventory;

/// Far above any real inventory, far below what makes the parsers slow.
const MAX_BYTES: usize = 1 << 20;

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
        return Err(whole(start, "the file is larger than 1 MiB"));
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

/// What the YAML parser says, at its place; a tab in the indentation by its name.
fn syntax(text: &str, file: &str, error: &serde_yaml::Error) -> Problem {
    let position = error.location().map_or(end_of(text), |location| Position {
        line: location.line(),
        column: location.column(),
    });
    let tab = text
        .lines()
        .take(position.line)
        .enumerate()
        .find_map(|(index, line)| {
            let indentation = &line[..line.len() - line.trim_start().len()];
            let column = indentation.chars().position(|one| one == '\t')?;
            Some(Position {
                line: index + 1,
                column: column + 1,
            })
        });
    let problem = |position, message: String, hint: Option<&str>| Problem {
        file: file.to_owned(),
        position: Some(position),
        key: String::new(),
        message,
        hint: hint.map(str::to_owned),
    };
    if let Some(tab) = tab {
        return problem(
            tab,
            "a tab in the indentation".to_owned(),
            Some("YAML wants spaces"),
        );
    }
    problem(position, without_place(&error.to_string()), None)
}

/// The parser's message without the place it ends with, which stands in front of ours.
fn without_place(message: &str) -> String {
    message
        .split(" at line ")
        .next()
        .unwrap_or(message)
        .to_owned()
}

fn end_of(text: &str) -> Position {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Position {
        line: text.matches('\n').count() + 1,
        column: last.chars().count() + 1,
    }
}
