//! Where each key of the file stands.

use std::collections::BTreeMap;

use super::problem::{Position, Problem};
use crate::yaml::{Node, Value};

/// The file and the places of its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Positions {
    file: String,
    places: BTreeMap<String, Place>,
}

/// The place of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Of the key itself.
    key: Position,
    /// Of what is wrong when the value is: the value itself, where it is no mapping and begins on the key's line; else the
    /// key, which is easier to recognise.
    value: Position,
}

impl Positions {
    /// Reads the positions of a file's values.
    pub(super) fn of(root: &Node, file: &str) -> Self {
        let mut positions = Self {
            file: file.to_owned(),
            places: BTreeMap::new(),
        };
        positions.enter("", root);
        positions
    }

    fn enter(&mut self, path: &str, node: &Node) {
        match &node.value {
            Value::Map(entries) => {
                for entry in entries {
                    self.add(&join(path, &entry.key), entry.position, &entry.node);
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.add(&join_index(path, index), item.position, item);
                }
            }
            Value::Plain(_) | Value::Text(_) => {}
        }
    }

    fn add(&mut self, path: &str, key: Position, value: &Node) {
        let start = value.position;
        let value_shows = start.line == key.line && !matches!(value.value, Value::Map(_));
        let place = Place {
            key,
            value: if value_shows { start } else { key },
        };
        self.places.insert(path.to_owned(), place);
        self.enter(path, value);
    }

    /// A problem with the value of a key; with a key that is not in the file, its nearest parent is shown.
    pub(super) fn problem(&self, key: String, message: String, hint: Option<String>) -> Problem {
        let position = self.nearest(&key).map(|place| place.value);
        self.at(position, key, message, hint)
    }

    /// A problem with a key itself.
    pub(super) fn key_problem(
        &self,
        key: String,
        message: String,
        hint: Option<String>,
    ) -> Problem {
        let position = self.nearest(&key).map(|place| place.key);
        self.at(position, key, message, hint)
    }

    /// Whether a key is in the file.
    pub(super) fn has(&self, key: &str) -> bool {
        self.places.contains_key(key)
    }

    fn at(
        &self,
        position: Option<Position>,
        key: String,
        message: String,
        hint: Option<String>,
    ) -> Problem {
        Problem {
            file: self.file.clone(),
            position: Some(position.unwrap_or(Position { line: 1, column: 1 })),
            key,
            message,
            hint,
        }
    }

    fn nearest(&self, key: &str) -> Option<Place> {
        let mut key = key;
        loop {
            if let Some(place) = self.places.get(key) {
                return Some(*place);
            }
            key = &key[..key.rfind(['.', '['])?];
        }
    }
}

/// The path of a key below another.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The path of an item of a list.
pub(super) fn join_index(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}
