//! YAML as it stands in a file: every value with its place, plain words told from quoted ones. What cannot be read is said in
//! our words, all at once where the text allows it.
//!
//! A subset by intent: one document, keys that are texts, no tags but YAML's own for plain values. Anchors and merge keys
//! (`<<: *a`) mean what they always mean.

mod scalar;
mod syntax;
mod tree;

pub use self::scalar::Meaning;
pub use self::tree::{Read, read};

/// A place in a file, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it begins.
    pub position: Position,
    /// What it is.
    pub value: Value,
}

/// What stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A word without quotes, as it is written. [`Meaning::of`] says what it means by itself.
    Plain(String),
    /// A text in quotes, or a block of text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file; each key is there once.
    Map(Vec<Entry>),
}

/// A key of a mapping and what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, as it is written.
    pub key: String,
    /// Where the key stands.
    pub position: Position,
    /// Its value.
    pub node: Node,
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub position: Position,
    /// What.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Fault {
    fn new(position: Position, message: impl Into<String>, hint: &str) -> Self {
        Self {
            position,
            message: message.into(),
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
        }
    }
}

impl Node {
    /// The value as `serde_yaml` has it, for one that is written again. A number that would be written in another way
    /// (`0.50`, `1e9`) becomes a text, so that it stays as it is.
    pub fn to_yaml(&self) -> serde_yaml::Value {
        match &self.value {
            Value::Plain(word) => Meaning::of(word).to_yaml(word),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_yaml).collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.as_str().into(), entry.node.to_yaml()))
                .collect::<serde_yaml::Mapping>()
                .into(),
        }
    }

    /// The value as JSON, each word with the meaning it has by itself.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Plain(word) => Meaning::of(word).to_json(word),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.node.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}
