//! Queues: one per assigned partition, each with the records that wait and at most one write on its way, so that the
//! records of a partition are settled in their order.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use super::partition::Partition;
use crate::config::Batch;
use crate::sink::Record;

/// How many bytes all queues together take in before they are full. Records come partition by partition, a megabyte at once, and what is
/// at hand of a partition that is paused is fetched again: the share of a queue is more than that.
const ROOM: usize = 24_000_000;

/// What a record takes in memory beside its bytes, about.
const RECORD: usize = 150;

/// Records of a partition that are written together.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) partition: Partition,
    /// The queue's number; a queue that was taken away and came back has another.
    pub(super) queue: u64,
    pub(super) records: Vec<Record>,
}

#[derive(Debug)]
struct PartitionQueue {
    number: u64,
    waiting: VecDeque<Record>,
    bytes: usize,
    writing: bool,
    /// Full, and not half empty again: its partition is not read, so that the others are.
    paused: bool,
}

/// All queues of a consumer.
#[derive(Debug)]
pub(super) struct PartitionQueues {
    limits: Batch,
    room: usize,
    by_partition: HashMap<Partition, PartitionQueue>,
    next: u64,
}

impl PartitionQueues {
    pub(super) fn new(limits: Batch) -> Self {
        Self {
            limits,
            room: ROOM,
            by_partition: HashMap::new(),
            next: 0,
        }
    }

    /// Adds a record to its queue; the first of a partition makes the queue. Returns the partition if it is to be paused because its queue
    /// is full, and regards it as paused.
    pub(super) fn push(&mut self, partition: Partition, record: Record) -> Option<Partition> {
        let room = self.room();
        let mut entry = match self.by_partition.entry(partition) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => {
                self.next += 1;
                entry.insert_entry(PartitionQueue {
                    number: self.next,
                    waiting: VecDeque::new(),
                    bytes: 0,
                    writing: false,
                    paused: false,
                })
            }
        };
        let queue = entry.get_mut();
        queue.bytes += record.bytes();
        queue.waiting.push_back(record);
        if queue.paused || queue.held() < room {
            return None;
        }
        queue.paused = true;
        Some(entry.key().clone())
    }

    /// Returns how many bytes each queue takes in: its share.
    fn room(&self) -> usize {
        self.room / self.by_partition.len().max(1)
    }

    /// Returns how many records wait.
    pub(super) fn waiting(&self) -> i64 {
        let waiting: usize = self
            .by_partition
            .values()
            .map(|queue| queue.waiting.len())
            .sum();
        i64::try_from(waiting).unwrap_or(i64::MAX)
    }

    /// Forgets a partition that was taken away; what waited is read by its next owner. Returns whether it was paused.
    pub(super) fn remove(&mut self, partition: &Partition) -> bool {
        self.by_partition
            .remove(partition)
            .is_some_and(|queue| queue.paused)
    }

    /// Takes, from every queue that has no write on its way, what fits into one.
    pub(super) fn take_ready(&mut self) -> Vec<Load> {
        let ready = self
            .by_partition
            .iter_mut()
            .filter(|(_, queue)| !queue.writing && !queue.waiting.is_empty());
        ready
            .map(|(partition, queue)| queue.take(partition, &self.limits))
            .collect()
    }

    /// Notes that a write ended. Returns whether the queue still exists, which is when its offset may be stored.
    pub(super) fn settled(&mut self, partition: &Partition, number: u64) -> bool {
        match self
            .by_partition
            .get_mut(partition)
            .filter(|queue| queue.number == number)
        {
            Some(queue) => {
                queue.writing = false;
                true
            }
            None => false,
        }
    }

    /// Returns whether records of a partition are not settled yet.
    pub(super) fn holds(&self, partition: &Partition) -> bool {
        let queue = self.by_partition.get(partition);
        queue.is_some_and(|queue| queue.writing || !queue.waiting.is_empty())
    }

    /// Returns the paused partitions to resume now, and regards them as resumed.
    pub(super) fn take_to_resume(&mut self) -> Vec<Partition> {
        let room = self.room();
        let roomy = self
            .by_partition
            .iter_mut()
            .filter(|(_, queue)| queue.paused && queue.held() < room / 2);
        roomy
            .map(|(partition, queue)| {
                queue.paused = false;
                partition.clone()
            })
            .collect()
    }
}

impl PartitionQueue {
    /// Returns about how many bytes of memory wait.
    fn held(&self) -> usize {
        self.bytes + RECORD * self.waiting.len()
    }

    fn take(&mut self, partition: &Partition, limits: &Batch) -> Load {
        let mut records = Vec::new();
        let mut bytes = 0;
        while let Some(record) = self.waiting.front() {
            // A record larger than the limit goes alone.
            if records.len() == limits.documents
                || (bytes > 0 && bytes + record.bytes() > limits.bytes)
            {
                break;
            }
            bytes += record.bytes();
            records.extend(self.waiting.pop_front());
        }
        self.bytes -= bytes;
        self.writing = true;
        Load {
            partition: partition.clone(),
            queue: self.number,
            records,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues() -> PartitionQueues {
        PartitionQueues::new(Batch {
            documents: 3,
            bytes: 100,
            age_ms: 50,
        })
    }

    fn partition(number: i32) -> Partition {
        Partition {
            topic: "t".into(),
            number,
        }
    }

    fn record(offset: i64, bytes: usize) -> Record {
        Record {
            partition: 0,
            offset,
            timestamp: None,
            key: None,
            value: Some(vec![0; bytes]),
            ..Record::default()
        }
    }

    fn offsets(load: &Load) -> Vec<i64> {
        load.records.iter().map(|record| record.offset).collect()
    }

    #[test]
    fn a_lane_has_one_write_at_a_time_and_keeps_the_order() {
        let mut queues = queues();
        (0..5).for_each(|offset| _ = queues.push(partition(0), record(offset, 1)));
        let first = queues.take_ready();
        assert_eq!(first.iter().map(offsets).collect::<Vec<_>>(), [[0, 1, 2]]);
        assert!(queues.take_ready().is_empty());
        queues.push(partition(1), record(7, 1));
        assert_eq!(
            queues.take_ready().iter().map(offsets).collect::<Vec<_>>(),
            [[7]]
        );
        assert!(queues.settled(&partition(0), first[0].queue));
        assert_eq!(
            queues.take_ready().iter().map(offsets).collect::<Vec<_>>(),
            [[3, 4]]
        );
    }

    #[test]
    fn bytes_end_a_batch_and_a_huge_record_goes_alone() {
        let mut queues = queues();
        for (offset, bytes) in [(0, 500), (1, 60), (2, 60)] {
            queues.push(partition(0), record(offset, bytes));
        }
        for expected in [[0], [1], [2]] {
            let load = queues.take_ready().remove(0);
            assert_eq!(offsets(&load), expected);
            queues.settled(&partition(0), load.queue);
        }
        assert!(queues.take_ready().is_empty());
    }

    #[test]
    fn a_full_lane_is_paused_and_resumes_when_it_is_half_empty() {
        let mut queues = queues();
        // Two queues, each of which takes in ten records of one byte.
        queues.room = 20 * (RECORD + 1);
        queues.push(partition(1), record(0, 1));
        let mut push = |offset| queues.push(partition(0), record(offset, 1));
        assert!((0..9).all(|offset| push(offset).is_none()));
        assert_eq!(push(9), Some(partition(0)));
        assert_eq!(push(10), None);
        for left in [8, 5, 2] {
            let loads = queues.take_ready();
            let resumed = queues.take_to_resume();
            assert_eq!(resumed == [partition(0)], left == 2, "{left} are left");
            for load in loads {
                queues.settled(&load.partition, load.queue);
            }
        }
        assert!(queues.take_to_resume().is_empty());
    }

    #[test]
    fn a_lane_that_was_taken_away_stores_nothing_also_when_it_came_back() {
        let mut queues = queues();
        queues.push(partition(0), record(0, 1));
        let load = queues.take_ready().remove(0);
        queues.remove(&partition(0));
        assert!(!queues.settled(&partition(0), load.queue));
        queues.push(partition(0), record(0, 1));
        assert!(!queues.settled(&partition(0), load.queue));
    }
}
