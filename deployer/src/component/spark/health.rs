//! How streams do, by the file in which their driver says it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{NAME, state, streams};
use crate::component::place::Place;
use crate::component::{Behind, Health};
use crate::facts::Facts;
use crate::inventory::TimeSpan;
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
    /// How many batches it has done.
    #[serde(default)]
    pub batches: i64,
}

impl State {
    /// Reads the file; `None`: it is not one.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// The longest time that a proof waits for the next look of a stream.
const LONGEST_LOOK: TimeSpan = TimeSpan::from_seconds(30);

/// The streams that have not passed a canary. One that looks seldom has shown that it runs by its first look.
pub(super) fn behind(topology: &Topology, text: &str, canary: i64) -> BTreeMap<String, Behind> {
    let said = State::read(text).unwrap_or_default();
    let mut behind = BTreeMap::new();
    for (name, stream) in streams(topology) {
        let progress = said.streams.get(name);
        let passed = progress.is_some_and(|progress| {
            let seldom = stream.every > LONGEST_LOOK;
            progress.markers > canary || (seldom && progress.batches > 0)
        });
        let how = match (&said.error, progress) {
            (Some(error), _) => Behind {
                how: format!("has ended: {error}"),
                done: None,
            },
            (None, _) if passed => continue,
            (None, None) => Behind {
                how: "has not begun yet".to_owned(),
                done: None,
            },
            (None, Some(Progress { markers, batches })) => Behind {
                how: format!(
                    "is at {markers} of {} canaries, after {batches} batches",
                    canary + 1
                ),
                done: Some(*batches),
            },
        };
        behind.insert(format!("the stream {name}"), how);
    }
    behind
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
        let text = r#"{"streams":{"a":{"markers":7,"batches":3},"b":{"markers":0}},"error":"no"}"#;
        let state = State::read(text).expect("a state");
        assert_eq!(state.streams["a"].markers, 7);
        assert_eq!(state.streams["a"].batches, 3);
        assert_eq!(state.streams["b"].batches, 0);
        assert_eq!(state.error.as_deref(), Some("no"));
        assert_eq!(State::read("half"), None);
    }
}
