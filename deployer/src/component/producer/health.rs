//! How a producer does, by its state file.

use super::super::{Component as _, Health, kafka};
use super::{NAME, Place, Producer, state_file};
use crate::contract::SenderState;
use crate::facts::Facts;
use crate::topology::Topology;

/// The file in which it keeps what was refused for good.
const REFUSED: &str = "refused.jsonl";
/// One that reads `top` has one event on its way at most times; more than this many wait for brokers that are away.
const MAX_WAITING: u64 = 5;

/// The state of a node's producer, whose file is among those that were asked for.
pub fn state(topology: &Topology, facts: &Facts) -> Option<SenderState> {
    let file = facts.files.get(&state_file(topology))?;
    serde_json::from_str(file.text.as_deref()?).ok()
}

pub(super) fn health(topology: &Topology, facts: &Facts) -> Health {
    let Some(state) = state(topology, facts) else {
        return Health::default();
    };
    let (producer, log) = (Producer.title(), kafka::Kafka.title());
    let mut problems = Vec::new();
    let waiting = state.produced.saturating_sub(state.acked);
    if waiting > MAX_WAITING {
        problems.push(format!(
            "{waiting} events of its {producer} wait for an acknowledgement by {log}"
        ));
    }
    let refused = state.refused;
    if refused > 0 {
        let directory = Place::new(topology, NAME).data();
        problems.push(format!(
            "{log} refused {refused} events of its {producer} for good; they are in {directory}/{REFUSED} with the reasons; who has looked removes it"
        ));
    }
    Health {
        finished: state.finished,
        progress: Some((state.acked, state.count)),
        problems,
    }
}
