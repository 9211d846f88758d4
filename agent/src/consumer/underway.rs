//! Writes on their way, as the thread sees them in which partitions are taken away: it waits for them a little, so that
//! the next owner of a partition begins where we ended.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::partition::Partition;

/// The last write of each partition.
#[derive(Debug, Default)]
pub(super) struct Underway {
    writes: Mutex<HashMap<Partition, Write>>,
    ended: Condvar,
}

#[derive(Debug)]
struct Write {
    queue: u64,
    last: i64,
    settled: bool,
}

impl Underway {
    /// Notes that a write of a queue begins, whose last record has this offset.
    pub(super) fn begin(&self, partition: &Partition, queue: u64, last: i64) {
        let write = Write {
            queue,
            last,
            settled: false,
        };
        self.lock().insert(partition.clone(), write);
    }

    /// Notes that the write of a queue has settled its records.
    pub(super) fn end(&self, partition: &Partition, queue: u64) {
        if let Some(write) = self.lock().get_mut(partition)
            && write.queue == queue
        {
            write.settled = true;
            self.ended.notify_all();
        }
    }

    /// Notes that nothing is to be settled up to this offset.
    pub(super) fn pass(&self, partition: &Partition, last: i64) {
        if let Some(write) = self.lock().get_mut(partition)
            && write.settled
        {
            write.last = write.last.max(last);
        }
    }

    /// Forgets partitions, after waiting for their writes, but not for long. Returns the last settled offset of each
    /// whose write has ended.
    pub(super) fn take(&self, partitions: &[Partition], limit: Duration) -> Vec<(Partition, i64)> {
        let deadline = Instant::now() + limit;
        let mut writes = self.lock();
        loop {
            let busy = partitions
                .iter()
                .any(|partition| writes.get(partition).is_some_and(|write| !write.settled));
            let left = deadline.saturating_duration_since(Instant::now());
            if !busy || left.is_zero() {
                break;
            }
            (writes, _) = self
                .ended
                .wait_timeout(writes, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let taken = partitions
            .iter()
            .filter_map(|partition| writes.remove_entry(partition));
        taken
            .filter(|(_, write)| write.settled)
            .map(|(partition, write)| (partition, write.last))
            .collect()
    }

    /// Forgets all writes: nobody waits for them any more.
    pub(super) fn clear(&self) {
        self.lock().clear();
        self.ended.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Partition, Write>> {
        // No holder can panic between two changes that belong together.
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> Partition {
        Partition {
            topic: "t".into(),
            number,
        }
    }

    #[test]
    fn a_write_that_ends_in_time_gives_its_offset() {
        let underway = Underway::default();
        underway.begin(&partition(0), 1, 41);
        underway.begin(&partition(1), 2, 7);
        underway.end(&partition(1), 2);
        std::thread::scope(|scope| {
            let waiting = scope
                .spawn(|| underway.take(&[partition(0), partition(2)], Duration::from_mins(1)));
            underway.end(&partition(0), 1);
            assert_eq!(waiting.join().expect("it waits"), [(partition(0), 41)]);
        });
        assert_eq!(
            underway.take(&[partition(1)], Duration::ZERO),
            [(partition(1), 7)]
        );
        assert_eq!(underway.take(&[partition(1)], Duration::ZERO), []);
    }

    #[test]
    fn a_write_of_an_older_lane_and_one_that_goes_on_give_none() {
        let underway = Underway::default();
        underway.begin(&partition(0), 1, 41);
        underway.begin(&partition(0), 2, 50);
        underway.end(&partition(0), 1);
        assert_eq!(underway.take(&[partition(0)], Duration::from_millis(1)), []);
    }
}
