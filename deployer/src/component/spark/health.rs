//! How streams do, by the file in which their driver says it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{NAME, state, streams};
use crate::component::Health;
use crate::component::place::Place;
use crate::facts::Facts;
use crate::topology::Topology;

/// What the driver says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct State {
    /// Stream → how far it is.
    pub streams: BTreeMap<String, Progress>,
    /// Why it ended.
    #[serde(default)]
    pub error: Option<String>,
}

/// How far a stream is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Progress {
    /// Records of the markers' topic that its batches have passed.
    #[serde(default)]
    pub markers: i64,
    /// When it last took events, RFC 3339; `None`: not since its start.
    #[serde(default)]
    pub at: Option<String>,
}

impl State {
    /// Reads the file; `None`: it is not one.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

pub(super) fn health(topology: &Topology, facts: &Facts) -> Health {
    let unit = facts.units.get(&Place::new(topology, NAME).unit());
    if unit.is_none_or(|unit| !unit.runs()) {
        return Health::default();
    }
    let file = facts.files.get(&state(topology));
    let said = file.and_then(|file| State::read(file.text.as_deref()?));
    let said = said.unwrap_or_default();
    let mut problems: Vec<String> = said.error.clone().into_iter().collect();
    if problems.is_empty() {
        let silent = streams(topology).keys();
        let silent = silent.filter(|name| !said.streams.contains_key(*name));
        problems.extend(silent.map(|name| format!("the stream {name} has not begun yet")));
    }
    Health {
        problems,
        ..Health::default()
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn what_the_driver_says_is_read() {
        let text = r#"{"streams":{"a":{"markers":7,"batch":3,"at":"2026-11-30T00:00:00.000Z"},"b":{"markers":0}},"error":"no"}"#;
        let state = State::read(text).expect("a state");
        assert_eq!(state.streams["a"].markers, 7);
        assert_eq!(state.streams["b"].at, None);
        assert_eq!(state.error.as_deref(), Some("no"));
        assert_eq!(State::read("half"), None);
    }
}
