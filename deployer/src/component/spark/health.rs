//! How streams do, by the file in which their driver says it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::program::{Program, programs};
use super::section::Stream;
use super::{NAME, queries, state, streams};
use crate::component::place::Place;
use crate::component::{Behind, Does, Health, StreamReport};
use crate::facts::{Facts, UnitFact};
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
    /// How many queries of a program are active.
    pub queries: usize,
    /// Up to where these have read each of their topics.
    pub topics: BTreeMap<String, BTreeMap<i32, i64>>,
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

    /// Reads several, one after the other.
    fn read_all(text: &str) -> Vec<Self> {
        let all = serde_json::Deserializer::from_str(text).into_iter();
        all.map_while(Result::ok).collect()
    }

    fn of(path: &str, facts: &Facts) -> Option<Self> {
        Self::read(facts.files.get(path)?.text.as_deref()?)
    }
}

impl Program<'_> {
    /// What is not as it should be, by what is seen of it; `None`: nothing is.
    fn fault(&self, said: Option<&State>) -> Option<String> {
        let progress = said.and_then(|said| said.streams.get(self.name));
        let error = said.and_then(|said| said.error.as_ref());
        match (error, progress) {
            (Some(error), _) => Some(format!("a query of its program has ended: {error}")),
            (None, None) => Some("its program has begun no query yet".to_owned()),
            (None, Some(Progress { queries: 0, .. })) => {
                Some("no query of its program is active".to_owned())
            }
            (None, Some(_)) => None,
        }
    }
}

/// The streams that have not passed a canary, and the programs of which no query is active: no canary goes through them.
pub(super) fn behind(topology: &Topology, text: &str, canary: i64) -> BTreeMap<String, Behind> {
    let all = State::read_all(text);
    let of = |name: &str| all.iter().find(|said| said.streams.contains_key(name));
    let mut behind = BTreeMap::new();
    for program in programs(topology) {
        if let Some(how) = program.fault(of(program.name)) {
            let part = Behind {
                how: format!("is not seen at work: {how}"),
                done: None,
                does: Does::Nothing,
                every: Duration::ZERO,
                proves: false,
            };
            behind.insert(words(program.name), part);
        }
    }
    let is_programs =
        |said: &State| programs(topology).any(|program| said.streams.contains_key(program.name));
    let said = all.iter().find(|said| !is_programs(said));
    let said = said.cloned().unwrap_or_default();
    for (name, stream) in queries(topology) {
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
            proves: true,
        };
        behind.insert(words(name), part);
    }
    behind
}

fn words(stream: &str) -> String {
    format!("the stream {stream}")
}

/// What `status` shows of streams.
pub(super) fn reports(
    topology: &Topology,
    facts: &Facts,
    log: &Log,
    now: Timestamp,
) -> BTreeMap<String, StreamReport> {
    let driver = State::of(&state(topology), facts).unwrap_or_default();
    let report = |(name, stream): (&String, &Stream)| {
        let program = Program::of(name, stream);
        let own = program.and_then(|program| State::of(&program.state(topology), facts));
        let said = if program.is_some() {
            own.as_ref()
        } else {
            Some(&driver)
        };
        let progress = said.and_then(|said| said.streams.get(name));
        let last = progress.and_then(|progress| progress.last.as_ref());
        let behind = |topic: &String| {
            let progress = progress?;
            let read = match program {
                Some(_) => progress.topics.get(topic)?,
                None => &progress.read,
            };
            log.topic(topic)?.behind(read)
        };
        let report = StreamReport {
            from: stream.from.0.join(", "),
            to: stream.to.0.join(", "),
            lag: stream.from.0.iter().map(behind).sum(),
            batches: progress.map(|progress| progress.batches),
            last_age_seconds: last.map(|last| now.duration_since(last.at).as_secs().max(0)),
            last_records: last.and_then(|last| last.records),
            last_took_ms: last.and_then(|last| last.took_ms),
        };
        (name.clone(), report)
    };
    streams(topology).iter().map(report).collect()
}

/// What is not well with the driver, and with programs, where their units run; of others that is said anyway.
pub(super) fn health(topology: &Topology, facts: &Facts) -> Health {
    let runs = |unit: &str| facts.units.get(unit).is_some_and(UnitFact::runs);
    let mut problems = Vec::new();
    if runs(&Place::new(topology, NAME).unit()) {
        problems = of_driver(topology, facts);
    }
    for program in programs(topology).filter(|program| runs(&program.unit(topology))) {
        let said = State::of(&program.state(topology), facts);
        let fault = program.fault(said.as_ref());
        problems.extend(fault.map(|fault| format!("{}: {fault}", words(program.name))));
    }
    Health {
        problems,
        ..Health::default()
    }
}

fn of_driver(topology: &Topology, facts: &Facts) -> Vec<String> {
    let said = State::of(&state(topology), facts).unwrap_or_default();
    let mut problems: Vec<String> = said.error.clone().into_iter().collect();
    if problems.is_empty() {
        let silent = queries(topology).filter(|(name, _)| !said.streams.contains_key(*name));
        problems.extend(silent.map(|(name, _)| format!("{} has not begun yet", words(name))));
    }
    let nodes = topology.nodes_with(NAME).count();
    if let Some(workers) = said.workers.filter(|workers| *workers < nodes) {
        problems.push(format!("{workers} of {nodes} nodes work on the streams"));
    }
    problems
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
