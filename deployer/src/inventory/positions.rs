//! Where each key of the file stands. `serde_yaml` keeps no positions, so `saphyr` reads the text once more.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode, MarkedYaml, Marker, YamlData};

use super::problem::{Position, Problem};

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
    /// Reads the positions of a text that `serde_yaml` has accepted, which bounds its depth and its aliases.
    pub(super) fn read(text: &str, file: &str) -> Self {
        let mut positions = Self {
            file: file.to_owned(),
            places: BTreeMap::new(),
        };
        // Where the two parsers disagree about a text, its problems are reported without positions.
        if let Ok(documents) = MarkedYaml::load_from_str(text)
            && let Some(root) = documents.first()
        {
            positions.enter("", root);
        }
        positions
    }

    fn enter(&mut self, path: &str, node: &MarkedYaml<'_>) {
        match &node.data {
            YamlData::Mapping(mapping) => {
                for (key, value) in mapping {
                    let Some(name) = key_text(&key.data) else {
                        continue;
                    };
                    self.add(&join(path, &name), key.span.start, value);
                }
            }
            YamlData::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.add(&join_index(path, index), item.span.start, item);
                }
            }
            YamlData::Tagged(_, inner) => self.enter(path, inner),
            YamlData::Representation(..)
            | YamlData::Value(_)
            | YamlData::Alias(_)
            | YamlData::BadValue => {}
        }
    }

    fn add(&mut self, path: &str, key: Marker, value: &MarkedYaml<'_>) {
        let key = position(key);
        let start = position(value.span.start);
        let value_shows = start.line == key.line && !value.data.is_mapping();
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

/// Where a key stands for the second time in its mapping. The text must be bounded as for [`Positions::read`].
pub(super) fn second_key(text: &str) -> Option<Position> {
    let error = MarkedYaml::load_from_str(text).err()?;
    Some(position(*error.marker()))
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

fn position(marker: Marker) -> Position {
    Position {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

fn key_text<'a>(data: &YamlData<'a, MarkedYaml<'a>>) -> Option<String> {
    data.as_str()
        .map(str::to_owned)
        .or_else(|| data.as_integer().map(|number| number.to_string()))
        .or_else(|| data.as_bool().map(|value| value.to_string()))
}
