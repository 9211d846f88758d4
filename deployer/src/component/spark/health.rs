//! How streams do, by the file in which their driver says it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::section::Stream;
use super::{NAME, state, streams};
use crate::component::place::Place;
use crate::component::{Behind, Does, Health, StreamReport};
use crate::facts::Facts;
use crate::inspect::Log;
use crate::topology::Topology;

/// What the driver says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct State {
    /// Stream → how far it is.
    pub streams: BTreeMap<String, Progress>,
    /// How many nodes work for it, where several should.
    #[serde(default)]
    pub workers: Option<usize>,
    /// Why it ended.
    #[serde(default)]
    pub error: Option<String>,
}

/// How far a stream is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Records of the markers' topic that its batches have passed.
    pub markers: i64,
    /// How many batches it has done.
    pub batches: i64,
    /// Whether it is at a batch that takes long.
    pub working: bool,
    /// Up to where they have read each partition of its topic.
    pub read: BTreeMap<i32, i64>,
    /// The last one.
    pub last: Option<Last>,
}

/// The last batch of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Last {
    /// When it was done.
    pub at: Timestamp,
    /// Records that it read; `None`: an earlier process did it.
    pub records: Option<i64>,
    /// How long it took.
    pub took_ms: Option<i64>,
}

impl State {
    /// Reads the file; `None`: it is not one.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    fn of(topology: &Topology, facts: &Facts) -> Self {
        let file = facts.files.get(&state(topology));
        let said = file.and_then(|file| Self::read(file.text.as_deref()?));
        said.unwrap_or_default()
    }
}

/// The streams that have not passed a canary.
pub(super) fn behind(topology: &Topology, text: &str, canary: i64) -> BTreeMap<String, Behind> {
    let said = State::read(text).unwrap_or_default();
    let mut behind = BTreeMap::new();
    for (name, stream) in streams(topology) {
        let progress = said.streams.get(name);
        let (how, done, does) = match (&said.error, progress) {
            (Some(error), _) => (format!("has ended: {error}"), None, Does::End),
            (None, None) => ("has not begun yet".to_owned(), None, Does::Nothing),
            (None, Some(Progress { markers, .. })) if *markers > canary => continue,
            (
                None,
                Some(Progress {
                    markers,
                    batches,
                    working,
                    ..
                }),
            ) => {
                let of = canary + 1;
                let how = format!("is at {markers} of {of} canaries, after {batches} batches");
                let does = if *working { Does::Work } else { Does::Nothing };
                (how, Some(*batches), does)
            }
        };
        let every = Duration::from_millis(stream.every.milliseconds());
        let part = Behind {
            how,
            done,
            does,
            every,
        };
        behind.insert(format!("the stream {name}"), part);
    }
    behind
}

/// What `status` shows of streams.
pub(super) fn reports(
    topology: &Topology,
    facts: &Facts,
    log: &Log,
    now: Timestamp,
) -> BTreeMap<String, StreamReport> {
    let said = State::of(topology, facts);
    let report = |(name, stream): (&String, &Stream)| {
        let progress = said.streams.get(name);
        let last = progress.and_then(|progress| progress.last.as_ref());
        let report = StreamReport {
            from: stream.from.clone(),
            to: stream.to.clone(),
            lag: progress.and_then(|progress| log.topic(&stream.from)?.behind(&progress.read)),
            batches: progress.map(|progress| progress.batches),
            last_age_seconds: last.map(|last| now.duration_since(last.at).as_secs().max(0)),
            last_records: last.and_then(|last| last.records),
            last_took_ms: last.and_then(|last| last.took_ms),
        };
        (name.clone(), report)
    };
    streams(topology).iter().map(report).collect()
}

pub(super) fn health(topology: &Topology, facts: &Facts) -> Health {
    let unit = facts.units.get(&Place::new(topology, NAME).unit());
    if unit.is_none_or(|unit| !unit.runs()) {
        return Health::default();
    }
    let said = State::of(topology, facts);
    let mut problems: Vec<String> = said.error.clone().into_iter().collect();
    if problems.is_empty() {
        let silent = streams(topology).keys();
        let silent = silent.filter(|name| !said.streams.contains_key(*name));
        problems.extend(silent.map(|name| format!("the stream {name} has not begun yet")));
    }
    let nodes = topology.nodes_with(NAME).count();
    if let Some(workers) = said.workers.filter(|workers| *workers < nodes) {
        problems.push(format!("{workers} of {nodes} nodes work on the streams"));
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
        let text = r#"{"streams":{"a":{"markers":7,"batches":3,"read":{"0":5}},"b":{"markers":0}},"error":"no"}"#;
        let state = State::read(text).expect("a state");
        assert_eq!(state.streams["a"].markers, 7);
        assert_eq!(state.streams["a"].batches, 3);
        assert_eq!(state.streams["a"].read, [(0, 5)].into());
        assert_eq!(state.streams["b"].batches, 0);
        assert_eq!(state.error.as_deref(), Some("no"));
        assert_eq!(State::read("half"), None);
    }
}
