//! Where the partitions of topics begin and end, and how far a group came.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::time::Instant;

use super::metadata::{Client, Cluster, Topic};
use crate::config;
use crate::deadline::left;

/// Offsets by topic and partition.
type ByPartition = HashMap<(String, i32), i64>;

/// Where the partitions of topics begin and end, as far as that is known.
pub(super) struct Ends {
    low: ByPartition,
    high: ByPartition,
}

/// How far a group came.
pub(super) struct Committed {
    /// None where the group's coordinator did not answer.
    offsets: Option<ByPartition>,
}

impl Ends {
    /// Asks each leader for its partitions; a broker that is away hides only its own.
    pub(super) async fn ask(
        client: &Client,
        cluster: &Cluster,
        topics: impl IntoIterator<Item = &config::Topic>,
        deadline: Instant,
    ) -> Self {
        let by_leader = by_leader(cluster, topics);
        let ends = |position: Offset| {
            let asked = by_leader.values().cloned().map(move |mut list| {
                ask(client, deadline, move |client, timeout| {
                    list.set_all_offsets(position)?;
                    client.offsets_for_times(list, timeout)
                })
            });
            join_all(asked)
        };
        let (low, high) = join(ends(Offset::Beginning), ends(Offset::End)).await;
        let merged =
            |lists: Vec<Option<ByPartition>>| lists.into_iter().flatten().flatten().collect();
        Self {
            low: merged(low),
            high: merged(high),
        }
    }

    /// Returns how many records a topic holds.
    pub(super) fn messages(&self, topic: &Topic) -> Option<i64> {
        sum(topic, |key| Some(self.high.get(key)? - self.low.get(key)?))
    }

    /// Returns where the partitions of a topic end, as far as that is known.
    pub(super) fn of(&self, topic: &Topic) -> BTreeMap<i32, i64> {
        let partitions = topic.partitions.iter();
        let end = |id: i32| Some((id, *self.high.get(&(topic.name.clone(), id))?));
        partitions.filter_map(|one| end(one.id)).collect()
    }

    /// Returns how many records of a topic a group has not read. Where it has committed nothing, it begins at the
    /// earliest.
    pub(super) fn lag(&self, topic: &Topic, group: &Committed) -> Option<i64> {
        let committed = group.offsets.as_ref()?;
        sum(topic, |key| {
            let low = self.low.get(key)?;
            let position = committed.get(key).map_or(*low, |offset| *offset.max(low));
            Some((self.high.get(key)? - position).max(0))
        })
    }

    /// Returns how many records of a topic Kafka has deleted that a group had not read, as far as no record behind them
    /// was read either; the consumer writes down the others.
    pub(super) fn deleted(&self, topic: &Topic, group: &Committed) -> Option<i64> {
        let committed = group.offsets.as_ref()?;
        sum(topic, |key| {
            let deleted = |offset: &i64| Some((self.low.get(key)? - offset).max(0));
            committed.get(key).map_or(Some(0), deleted)
        })
    }
}

impl Committed {
    /// Asks the coordinator of the group that a client is of.
    pub(super) async fn ask(
        client: &Client,
        cluster: &Cluster,
        topics: impl IntoIterator<Item = &config::Topic>,
        deadline: Instant,
    ) -> Self {
        let mut all = TopicPartitionList::new();
        for led in by_leader(cluster, topics).values() {
            for partition in led.elements() {
                all.add_partition(partition.topic(), partition.partition());
            }
        }
        let offsets = if all.count() == 0 {
            None
        } else {
            let committed = |client: &Client, timeout| client.committed_offsets(all, timeout);
            ask(client, deadline, committed).await
        };
        Self { offsets }
    }

    /// How far it came in a partition, where that is known.
    pub(super) fn of(&self, topic: &str, partition: i32) -> Option<i64> {
        let offsets = self.offsets.as_ref()?;
        offsets.get(&(topic.to_owned(), partition)).copied()
    }
}

/// The partitions of topics by the broker that leads them; one without a leader would be waited for.
fn by_leader<'a>(
    cluster: &Cluster,
    topics: impl IntoIterator<Item = &'a config::Topic>,
) -> BTreeMap<i32, TopicPartitionList> {
    let mut by_leader: BTreeMap<i32, TopicPartitionList> = BTreeMap::new();
    let topics = topics.into_iter();
    for topic in topics.filter_map(|topic| cluster.topic(&topic.name)) {
        let partitions = topic.partitions.iter();
        for partition in partitions.filter(|partition| partition.leader >= 0) {
            by_leader
                .entry(partition.leader)
                .or_default()
                .add_partition(&topic.name, partition.id);
        }
    }
    by_leader
}

/// Sums a figure over all partitions; unknown where it is unknown for one.
fn sum(topic: &Topic, figure: impl Fn(&(String, i32)) -> Option<i64>) -> Option<i64> {
    topic
        .partitions
        .iter()
        .map(|partition| figure(&(topic.name.clone(), partition.id)))
        .sum()
}

/// Asks Kafka in a thread that may wait; no answer in time is none.
async fn ask<F>(client: &Client, deadline: Instant, question: F) -> Option<ByPartition>
where
    F: FnOnce(&Client, Duration) -> KafkaResult<TopicPartitionList> + Send + 'static,
{
    let client = Arc::clone(client);
    let timeout = left(deadline);
    let answer = tokio::task::spawn_blocking(move || {
        let list = question(&client, timeout)?;
        let known = list
            .elements()
            .into_iter()
            .filter(|element| element.error().is_ok());
        let known = known.filter_map(|element| {
            let offset = element.offset().to_raw().filter(|offset| *offset >= 0)?;
            Some(((element.topic().to_owned(), element.partition()), offset))
        });
        KafkaResult::Ok(known.collect())
    });
    match tokio::time::timeout_at(deadline, answer).await {
        Ok(Ok(Ok(offsets))) => Some(offsets),
        Ok(Ok(Err(error))) => {
            tracing::warn!(%error, "some offsets are not known");
            None
        }
        Ok(Err(_)) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::metadata::Partition;

    #[test]
    fn lag_counts_from_the_earliest_where_nothing_is_committed_and_is_unknown_where_a_part_is() {
        let partition = |id| Partition {
            id,
            leader: 1,
            replicas: vec![1],
            isr: vec![1],
        };
        let topic = Topic {
            name: "t".into(),
            partitions: vec![partition(0), partition(1)],
        };
        let at = |pairs: &[(i32, i64)]| -> ByPartition {
            pairs
                .iter()
                .map(|(id, offset)| (("t".to_owned(), *id), *offset))
                .collect()
        };
        let mut ends = Ends {
            low: at(&[(0, 5), (1, 0)]),
            high: at(&[(0, 15), (1, 7)]),
        };
        assert_eq!(ends.messages(&topic), Some(17));
        assert_eq!(ends.of(&topic), BTreeMap::from([(0, 15), (1, 7)]));
        let of = |committed: Option<&[(i32, i64)]>| {
            let offsets = committed.map(at);
            let group = Committed { offsets };
            (ends.lag(&topic, &group), ends.deleted(&topic, &group))
        };
        assert_eq!(of(Some(&[(1, 4)])), (Some(13), Some(0)));
        assert_eq!(of(Some(&[(0, 2), (1, 4)])), (Some(13), Some(3)));
        assert_eq!(of(None), (None, None));
        ends.high.remove(&("t".to_owned(), 0));
        assert_eq!(ends.messages(&topic), None);
        assert_eq!(ends.of(&topic), BTreeMap::from([(1, 7)]));
    }
}
