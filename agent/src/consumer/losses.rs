//! Events that Kafka deleted before they were read: where the next record of a partition is not the expected one, and the
//! beginning of the partition has moved beyond that, what is between is lost.
//!
//! Other gaps are none: compaction and transactions leave them, too.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::partition::Partition;

/// How long Kafka may take to say where partitions begin when they are assigned; the group waits meanwhile.
const TIMEOUT: Duration = Duration::from_secs(3);
/// After so many statistics those in hand were made later than the record.
const TURNS: u32 = 2;
/// The most gaps that are looked at at once. A compacted topic has many, and they mean nothing.
const MOST: usize = 1000;

/// Events of a partition that were lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) partition: Partition,
    /// The first offset of them.
    pub(super) from: i64,
    /// How many; none where that cannot be known.
    pub(super) count: Option<i64>,
    /// Whether some of them may have been read: the group has no offset.
    pub(super) is_doubtful: bool,
}

impl Loss {
    /// Returns what happened and why, in words.
    pub(super) fn reason(&self) -> String {
        let after = self.from;
        match self.count {
            Some(count) if self.is_doubtful => format!(
                "Kafka deleted {count} events before offset {count}, and the group has no offset: those that were not read before it was forgotten are lost. Look at the topic's retention.ms and retention.bytes"
            ),
            Some(count) => format!(
                "Kafka deleted {count} events from offset {after} on before they were read: the topic's retention.ms or retention.bytes is shorter than the consumer was behind, or a producer's clock is wrong (retention goes by the events' times)"
            ),
            None => format!(
                "the partition begins anew below offset {after}: the topic was made anew, or brokers lost its end; events that were there and not read are lost"
            ),
        }
    }
}

/// A record that is not the expected one.
#[derive(Debug)]
struct Gap {
    partition: Partition,
    from: i64,
    to: i64,
    turns: u32,
}

#[derive(Debug, Default)]
struct State {
    /// The offset of each partition's next record.
    next: HashMap<Partition, i64>,
    gaps: Vec<Gap>,
}

/// What is expected next of each partition, and where that did not come.
#[derive(Debug)]
pub(super) struct Losses {
    state: Mutex<State>,
    found: mpsc::UnboundedSender<Loss>,
}

impl Losses {
    /// Tells losses there.
    pub(super) fn new(found: mpsc::UnboundedSender<Loss>) -> Self {
        Self {
            state: Mutex::default(),
            found,
        }
    }

    /// Asks where the group is in partitions that are assigned, and where these begin.
    pub(super) fn assigned<C: ConsumerContext>(
        &self,
        client: &BaseConsumer<C>,
        list: &TopicPartitionList,
    ) {
        let begin = || {
            let mut list = list.clone();
            list.set_all_offsets(Offset::Beginning)?;
            client.offsets_for_times(list, TIMEOUT)
        };
        let asked = client
            .committed_offsets(list.clone(), TIMEOUT)
            .and_then(|committed| KafkaResult::Ok((committed, begin()?)));
        match asked {
            Ok((committed, begin)) => self.begin(&committed, &begin),
            // What is missing then is found only while records come.
            Err(error) => tracing::debug!(%error, "where the group is, is not known"),
        }
    }

    fn begin(&self, committed: &TopicPartitionList, begin: &TopicPartitionList) {
        for element in committed.elements() {
            let partition = Partition {
                topic: element.topic().to_owned(),
                number: element.partition(),
            };
            let offset = |list: &TopicPartitionList| {
                let element = list.find_partition(&partition.topic, partition.number)?;
                element.error().ok()?;
                element.offset().to_raw().filter(|offset| *offset >= 0)
            };
            let Some(low) = offset(begin) else { continue };
            let committed = offset(committed);
            let from = committed.unwrap_or(0);
            if low > from {
                self.tell(Loss {
                    partition: partition.clone(),
                    from,
                    count: Some(low - from),
                    is_doubtful: committed.is_none(),
                });
            }
            self.lock().next.insert(partition, low.max(from));
        }
    }

    /// Forgets partitions that were taken away.
    pub(super) fn forget(&self, partitions: &[Partition]) {
        let mut state = self.lock();
        for partition in partitions {
            state.next.remove(partition);
        }
        state
            .gaps
            .retain(|gap| !partitions.contains(&gap.partition));
    }

    /// Notes a record.
    pub(super) fn see(&self, partition: &Partition, offset: i64) {
        let mut state = self.lock();
        let Some(next) = state.next.get_mut(partition) else {
            state.next.insert(partition.clone(), offset + 1);
            return;
        };
        let from = std::mem::replace(next, offset + 1);
        if offset == from {
            return;
        }
        if offset < from {
            self.tell(Loss {
                partition: partition.clone(),
                from,
                count: None,
                is_doubtful: false,
            });
        } else if state.gaps.len() < MOST {
            state.gaps.push(Gap {
                partition: partition.clone(),
                from,
                to: offset,
                turns: 0,
            });
        }
    }

    /// Notes that what comes before this offset was read. Returns whether that is more than was noted as records.
    pub(super) fn pass(&self, partition: &Partition, next: i64) -> bool {
        let known = self.lock().next.get(partition).copied();
        let is_more = known.is_none_or(|known| known < next);
        if is_more {
            self.see(partition, next - 1);
        }
        is_more
    }

    /// Judges the gaps by where the partitions begin now.
    pub(super) fn judge(&self, statistics: &Statistics) {
        let begin = |partition: &Partition| {
            let topic = statistics.topics.get(&partition.topic)?;
            Some(topic.partitions.get(&partition.number)?.lo_offset)
        };
        self.judge_by(begin);
    }

    fn judge_by(&self, begin: impl Fn(&Partition) -> Option<i64>) {
        let mut state = self.lock();
        for gap in &mut state.gaps {
            gap.turns += 1;
        }
        let ripe = state.gaps.extract_if(.., |gap| gap.turns >= TURNS);
        for gap in ripe {
            let low = begin(&gap.partition).unwrap_or(0).min(gap.to);
            if low > gap.from {
                self.tell(Loss {
                    partition: gap.partition,
                    from: gap.from,
                    count: Some(low - gap.from),
                    is_doubtful: false,
                });
            }
        }
    }

    fn tell(&self, loss: Loss) {
        // Nobody listens while the consumer ends; the next start finds it again where its offset is not committed.
        let _ = self.found.send(loss);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> Partition {
        Partition {
            topic: "t".into(),
            number: 0,
        }
    }

    fn list(offset: Offset) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("t", 0, offset).expect("a list");
        list
    }

    /// Returns what is found of records of these offsets, where the partition begins at the last given offset by then.
    fn found(committed: Offset, begin: i64, records: &[i64], low: i64) -> Vec<(i64, Option<i64>)> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let losses = Losses::new(sender);
        losses.begin(&list(committed), &list(Offset::Offset(begin)));
        for offset in records {
            losses.see(&partition(), *offset);
        }
        for _ in 0..TURNS {
            losses.judge_by(|_| Some(low));
        }
        let mut all = Vec::new();
        while let Ok(loss) = receiver.try_recv() {
            assert!(!loss.reason().is_empty());
            all.push((loss.from, loss.count));
        }
        all
    }

    #[test]
    fn only_what_the_beginning_has_passed_is_lost() {
        let at = Offset::Offset;
        let none: [(i64, Option<i64>); 0] = [];
        assert_eq!(found(at(10), 0, &[10, 11, 12], 0), none);
        assert_eq!(found(at(10), 10, &[10], 10), none);
        // Deleted before the start.
        assert_eq!(found(at(10), 15, &[15, 16], 15), [(10, Some(5))]);
        assert_eq!(found(at(10), 15, &[], 15), [(10, Some(5))]);
        // Deleted while it ran.
        assert_eq!(found(at(10), 0, &[10, 20, 21], 20), [(11, Some(9))]);
        // Compacted, or a transaction's own records; then both.
        assert_eq!(found(at(10), 0, &[10, 20, 21], 5), none);
        assert_eq!(found(at(10), 0, &[10, 20, 21], 15), [(11, Some(4))]);
        // Made anew.
        assert_eq!(found(at(10), 0, &[0, 1], 0), [(10, None)]);
        // Never read, or the group is forgotten.
        assert_eq!(found(Offset::Invalid, 0, &[0], 0), none);
        assert_eq!(found(Offset::Invalid, 7, &[7], 7), [(0, Some(7))]);
    }

    #[test]
    fn the_end_of_a_transaction_is_passed_once_and_is_no_loss() {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let losses = Losses::new(sender);
        losses.see(&partition(), 5);
        assert!(!losses.pass(&partition(), 6));
        assert!(losses.pass(&partition(), 7));
        assert!(!losses.pass(&partition(), 7));
        // Retention takes all of it.
        (0..TURNS).for_each(|_| losses.judge_by(|_| Some(7)));
        losses.see(&partition(), 7);
        (0..TURNS).for_each(|_| losses.judge_by(|_| Some(7)));
        assert!(receiver.try_recv().is_err());
        // What was deleted before it was read is lost, though only the end of a transaction is behind it.
        assert!(losses.pass(&partition(), 21));
        (0..TURNS).for_each(|_| losses.judge_by(|_| Some(20)));
        let lost = receiver.try_recv().expect("a loss");
        assert_eq!((lost.from, lost.count), (8, Some(12)));
    }

    #[test]
    fn a_partition_that_was_taken_away_is_not_judged() {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let losses = Losses::new(sender);
        losses.see(&partition(), 5);
        losses.see(&partition(), 9);
        losses.forget(&[partition()]);
        losses.see(&partition(), 20);
        (0..TURNS).for_each(|_| losses.judge_by(|_| Some(9)));
        assert!(receiver.try_recv().is_err());
    }
}
