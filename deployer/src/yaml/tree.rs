//! From the parser's events to values.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::{Entry, Fault, Node, Position, Value, syntax};

/// Deeper than any real file, and far from the end of the stack of who walks the values.
const DEPTH: usize = 64;
/// Values that aliases may bring in all.
const ALIASED: usize = 10_000;

/// What a text says, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The value, without what is wrong. `None`: there is none, or the text is no YAML.
    pub root: Option<Node>,
    /// All that is wrong: up to the first place that is no YAML, and that place.
    pub faults: Vec<Fault>,
}

/// Reads a text.
pub fn read(text: &str) -> Read {
    let mut tree = Tree::default();
    if let Some(position) = syntax::control_character(text) {
        let message = "control characters are not allowed";
        tree.faults.push(Fault::new(position, message, ""));
        return Read {
            root: None,
            faults: tree.faults,
        };
    }
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let taken = match event {
            Ok((event, span)) => tree.take(event, span),
            Err(error) => Err(syntax::explain(text, &error, &tree.open_collections())),
        };
        if let Err(fault) = taken {
            tree.faults.push(fault);
            tree.root = None;
            break;
        }
    }
    let nothing = Value::Plain(String::new());
    Read {
        root: tree.root.filter(|node| node.value != nothing),
        faults: tree.faults,
    }
}

/// A collection that is not closed yet.
struct Open {
    position: Position,
    anchor: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// Mappings that merge keys bring.
        merged: Vec<Entry>,
        key: Option<Key>,
    },
}

/// A key whose value is still to come.
struct Key {
    /// `None`: it is no key, and its value is left out.
    text: Option<String>,
    position: Position,
    merges: bool,
}

#[derive(Default)]
struct Tree {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    aliased: usize,
    documents: usize,
    root: Option<Node>,
    faults: Vec<Fault>,
}

impl Tree {
    /// Where the collections begin that are not closed, the innermost last.
    fn open_collections(&self) -> Vec<Position> {
        self.open.iter().map(|open| open.position).collect()
    }

    /// Takes an event. An error ends the reading.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        let position = syntax::position(span.start);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Fault::new(
                        position,
                        "a second document begins here",
                        "a file is one document, without `---` in the middle",
                    ));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = self.is_text(tag.as_deref(), style, position);
                let text = text.into_owned();
                let value = if quoted {
                    Value::Text(text)
                } else {
                    Value::Plain(text)
                };
                self.finish(Node { position, value }, anchor);
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(position, anchor, tag.as_deref(), Kind::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                let kind = Kind::Map {
                    entries: Vec::new(),
                    merged: Vec::new(),
                    key: None,
                };
                self.begin(position, anchor, tag.as_deref(), kind)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(Fault::new(position, "an anchor that holds itself", ""));
                };
                self.aliased += size(node);
                if self.aliased > ALIASED {
                    return Err(Fault::new(position, "its anchors repeat too much", ""));
                }
                let node = Node {
                    position,
                    value: node.value.clone(),
                };
                self.finish(node, 0);
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    /// Whether a scalar is a text for sure. Tags that would make anything else of it are refused.
    fn is_text(&mut self, tag: Option<&Tag>, style: ScalarStyle, position: Position) -> bool {
        let named = self.known_tag(tag, position, &["str", "int", "float", "bool", "null"]);
        style != ScalarStyle::Plain || named == Some("str")
    }

    /// The name of one of YAML's own tags. Others are refused: none has a meaning here.
    fn known_tag<'a>(
        &mut self,
        tag: Option<&Tag>,
        position: Position,
        known: &[&'a str],
    ) -> Option<&'a str> {
        let tag = tag?;
        let found = known
            .iter()
            .find(|name| tag.is_yaml_core_schema() && tag.suffix == **name);
        if found.is_none() {
            let shown = match tag.handle.as_str() {
                _ if tag.is_yaml_core_schema() => format!("!!{}", tag.suffix),
                "" => tag.suffix.clone(),
                _ => tag.to_string(),
            };
            self.faults.push(Fault::new(
                position,
                format!("the tag `{shown}` has no meaning here"),
                "leave it out, or put a text that begins with `!` in quotes",
            ));
        }
        found.copied()
    }

    fn begin(
        &mut self,
        position: Position,
        anchor: usize,
        tag: Option<&Tag>,
        kind: Kind,
    ) -> Result<(), Fault> {
        let own = if matches!(kind, Kind::List(_)) {
            "seq"
        } else {
            "map"
        };
        self.known_tag(tag, position, &[own]);
        if self.open.len() >= DEPTH {
            return Err(Fault::new(position, "nested too deeply", ""));
        }
        self.open.push(Open {
            position,
            anchor,
            kind,
        });
        Ok(())
    }

    fn end(&mut self) {
        let Some(Open {
            position,
            anchor,
            kind,
        }) = self.open.pop()
        else {
            return;
        };
        let value = match kind {
            Kind::List(items) => Value::List(items),
            Kind::Map {
                mut entries,
                merged,
                ..
            } => {
                // What a mapping says itself goes before what it merges, and earlier merges before later ones.
                for entry in merged {
                    if entries.iter().all(|there| there.key != entry.key) {
                        entries.push(entry);
                    }
                }
                Value::Map(entries)
            }
        };
        self.finish(Node { position, value }, anchor);
    }

    /// Puts a whole value where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        let (entries, merged, key) = match &mut open.kind {
            Kind::List(items) => {
                items.push(node);
                return;
            }
            Kind::Map {
                entries,
                merged,
                key,
            } => (entries, merged, key),
        };
        match key.take() {
            None => *key = Some(key_of(node, &mut self.faults)),
            Some(key) if key.merges => match mappings(node) {
                Some(more) => merged.extend(more),
                None => self.faults.push(Fault::new(
                    key.position,
                    "`<<` merges a mapping, or a list of mappings",
                    "`<<: *NAME` takes the mapping that is marked `&NAME`",
                )),
            },
            Some(Key { text, position, .. }) => {
                let Some(key) = text else { return };
                match entries.iter().find(|entry| entry.key == key) {
                    Some(first) => self.faults.push(Fault::new(
                        position,
                        format!("the key `{key}` is there twice"),
                        &format!("the first is in line {}", first.position.line),
                    )),
                    None => entries.push(Entry {
                        key,
                        position,
                        node,
                    }),
                }
            }
        }
    }
}

/// A key from the value that stands in its place.
fn key_of(node: Node, faults: &mut Vec<Fault>) -> Key {
    let position = node.position;
    let (text, merges) = match node.value {
        Value::Plain(text) => {
            let merges = text == "<<";
            (Some(text), merges)
        }
        Value::Text(text) => (Some(text), false),
        Value::List(_) | Value::Map(_) => {
            let hint = "a text with brackets goes in quotes";
            faults.push(Fault::new(position, "a key must be one word or text", hint));
            (None, false)
        }
    };
    Key {
        text,
        position,
        merges,
    }
}

/// The keys that a value merges.
fn mappings(node: Node) -> Option<Vec<Entry>> {
    match node.value {
        Value::Map(entries) => Some(entries),
        Value::List(items) => {
            let mut all = Vec::new();
            for item in items {
                let Value::Map(entries) = item.value else {
                    return None;
                };
                all.extend(entries);
            }
            Some(all)
        }
        Value::Plain(_) | Value::Text(_) => None,
    }
}

/// How many values a value holds, itself included.
fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Plain(_) | Value::Text(_) => 0,
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|entry| size(&entry.node)).sum(),
    }
}
