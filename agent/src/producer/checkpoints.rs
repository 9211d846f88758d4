//! Checkpoints that a source is told when Kafka has confirmed every event up to them.

use std::collections::VecDeque;

use crate::source::Checkpoint;

/// How many are remembered. Where there are more, every second is left out: the one after it says the same, later.
const MOST: usize = 1024;

/// Checkpoints whose events are not all confirmed, each with the ticket after its last event, in their order.
#[derive(Debug, Default)]
pub(super) struct Checkpoints(VecDeque<(u64, Checkpoint)>);

impl Checkpoints {
    /// Adds the checkpoint of a batch that ends before a ticket.
    pub(super) fn add(&mut self, end: u64, checkpoint: &Checkpoint) {
        if checkpoint.is_empty() {
            return;
        }
        self.0.push_back((end, checkpoint.clone()));
        if self.0.len() > MOST {
            let last = self.0.len() - 1;
            let mut place = 0..;
            self.0.retain(|_| {
                place
                    .next()
                    .is_none_or(|place| (last - place).is_multiple_of(2))
            });
        }
    }

    /// Returns whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the last checkpoint whose events are all before a ticket.
    pub(super) fn confirmed(&mut self, ticket: u64) -> Option<Checkpoint> {
        let mut last = None;
        while let Some((_, checkpoint)) = self.0.pop_front_if(|(end, _)| *end <= ticket) {
            last = Some(checkpoint);
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_told_when_all_its_events_are_confirmed_however_many_wait() {
        let mut checkpoints = Checkpoints::default();
        let checkpoint = |end: u64| Checkpoint(end.to_le_bytes().to_vec());
        checkpoints.add(1, &Checkpoint::default());
        assert!(checkpoints.is_empty());
        for end in (10..=50_000).step_by(10) {
            checkpoints.add(end, &checkpoint(end));
            assert!(checkpoints.0.len() <= MOST);
        }
        assert_eq!(checkpoints.confirmed(9), None);
        let told = checkpoints.confirmed(30_000).expect("some are confirmed");
        let told = u64::from_le_bytes(told.0.try_into().expect("eight bytes"));
        assert!((29_000..=30_000).contains(&told), "{told}");
        assert!(checkpoints.confirmed(49_999).is_some());
        assert_eq!(checkpoints.confirmed(50_000), Some(checkpoint(50_000)));
        assert_eq!(checkpoints.confirmed(60_000), None);
    }
}
