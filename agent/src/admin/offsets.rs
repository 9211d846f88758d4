//! Where the partitions of topics begin and end, and how far a group came.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, join3};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::time::Instant;

use super::metadata::{Client, Cluster, Topic};
use crate::config;
use crate::deadline::left;

/// Offsets by topic and partition.
type ByPartition = HashMap<(String, i32), i64>;

/// What is known of a cluster's offsets.
pub(super) struct Offsets {
    low: ByPartition,
    high: ByPartition,
    /// None where the group's coordinator did not answer.
    committed: Option<ByPartition>,
}

impl Offsets {
    /// Asks each leader for its partitions, and the coordinator for the group; a broker that is away hides only its own.
    pub(super) async fn ask(
        client: &Client,
        cluster: &Cluster,
        topics: impl IntoIterator<Item = &config::Topic>,
        deadline: Instant,
    ) -> Self {
        let mut by_leader: BTreeMap<i32, TopicPartitionList> = BTreeMap::new();
        let mut all = TopicPartitionList::new();
        for topic in topics
            .into_iter()
            .filter_map(|topic| cluster.topic(&topic.name))
        {
            // A partition without a leader would be waited for.
            for partition in topic
                .partitions
                .iter()
                .filter(|partition| partition.leader >= 0)
            {
                by_leader
                    .entry(partition.leader)
                    .or_default()
                    .add_partition(&topic.name, partition.id);
                all.add_partition(&topic.name, partition.id);
            }
        }
        if all.count() == 0 {
            return Self {
                low: HashMap::new(),
                high: HashMap::new(),
                committed: None,
            };
        }
        let ends = |position: Offset| {
            let asked = by_leader.values().cloned().map(move |mut list| {
                ask(client, deadline, move |client, timeout| {
                    list.set_all_offsets(position)?;
                    client.offsets_for_times(list, timeout)
                })
            });
            join_all(asked)
        };
        let group = ask(client, deadline, move |client, timeout| {
            client.committed_offsets(all, timeout)
        });
        let (low, high, committed) = join3(ends(Offset::Beginning), ends(Offset::End), group).await;
        let merged =
            |lists: Vec<Option<ByPartition>>| lists.into_iter().flatten().flatten().collect();
        Self {
            low: merged(low),
            high: merged(high),
            committed,
        }
    }

    /// Returns how many records a topic holds.
    pub(super) fn messages(&self, topic: &Topic) -> Option<i64> {
        sum(topic, |key| Some(self.high.get(key)? - self.low.get(key)?))
    }

    /// Returns how many records of a topic the group has not read. Where it has committed nothing, it begins at the
    /// earliest.
    pub(super) fn lag(&self, topic: &Topic) -> Option<i64> {
        let committed = self.committed.as_ref()?;
        sum(topic, |key| {
            let low = self.low.get(key)?;
            let position = committed.get(key).map_or(*low, |offset| *offset.max(low));
            Some((self.high.get(key)? - position).max(0))
        })
    }

    /// Returns how many records of a topic Kafka has deleted that the group had not read, as far as no record behind them
    /// was read either; the consumer writes down the others.
    pub(super) fn deleted(&self, topic: &Topic) -> Option<i64> {
        let committed = self.committed.as_ref()?;
        sum(topic, |key| {
            let deleted = |offset: &i64| Some((self.low.get(key)? - offset).max(0));
            committed.get(key).map_or(Some(0), deleted)
        })
    }
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
        let mut offsets = Offsets {
            low: at(&[(0, 5), (1, 0)]),
            high: at(&[(0, 15), (1, 7)]),
            committed: Some(at(&[(1, 4)])),
        };
        assert_eq!(
            (offsets.messages(&topic), offsets.lag(&topic)),
            (Some(17), Some(13))
        );
        assert_eq!(offsets.deleted(&topic), Some(0));
        offsets.committed = Some(at(&[(0, 2), (1, 4)]));
        assert_eq!(
            (offsets.lag(&topic), offsets.deleted(&topic)),
            (Some(13), Some(3))
        );
        offsets.committed = None;
        assert_eq!(offsets.deleted(&topic), None);
        assert_eq!(
            (offsets.messages(&topic), offsets.lag(&topic)),
            (Some(17), None)
        );
        offsets.high.remove(&("t".to_owned(), 0));
        assert_eq!(offsets.messages(&topic), None);
    }
}
