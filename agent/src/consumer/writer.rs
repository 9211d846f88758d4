//! Writes a batch of records until each of them is in the sink, was there already, or is a dead letter.

use std::sync::Arc;

use super::losses::Loss;
use super::metrics::Metrics;
use super::retry::Retry;
use super::written::Written;
use crate::config::Topic;
use crate::sink::{Later, Letter, Outcome, Record, Sink};

/// Writes the batches of one sink.
#[derive(Clone)]
pub struct Writer {
    sink: Arc<dyn Sink>,
    metrics: Metrics,
}

impl Writer {
    /// Writes to this sink and counts here.
    pub fn new(sink: Arc<dyn Sink>, metrics: Metrics) -> Self {
        Self { sink, metrics }
    }

    /// Writes records of a topic. Returns only when every record is settled: while the sink is away, or somebody must
    /// act first, this waits. Dropping the future at any moment is safe; the records are then read again.
    pub async fn write(&self, topic: &Topic, records: &[Record]) -> Written {
        let mut written = Written::default();
        let mut dead = Vec::new();
        let mut left: Vec<&Record> = records.iter().collect();
        let place = self.sink.place(topic);
        let mut retry = Retry::new(&place, &self.metrics);
        while !left.is_empty() {
            let outcomes = self.sink.write(topic, &left).await;
            let (mut again, mut trouble) = (Vec::new(), None);
            for (&record, outcome) in left.iter().zip(outcomes) {
                match outcome {
                    Outcome::Done => written.stored += 1,
                    Outcome::Already => written.repeated += 1,
                    Outcome::Never(reason) => dead.push(Letter::Dead { record, reason }),
                    Outcome::Later(later) => {
                        again.push(record);
                        trouble = Some(later);
                    }
                }
            }
            if again.len() < left.len() {
                retry.reset();
            }
            if let Some(later) = &trouble {
                retry.wait(later).await;
            }
            left = again;
        }
        drop(retry);
        written.dead = dead.len();
        self.bury(topic, records, dead).await;
        self.metrics.settled(records, written);
        written
    }

    /// Keeps dead letters. A sink that is away or closed is waited for: there is no other place for them.
    async fn bury(&self, topic: &Topic, records: &[Record], dead: Vec<Letter<'_>>) {
        let Some(Letter::Dead { record, reason }) = dead.first() else {
            return;
        };
        tracing::error!(
            topic = topic.name,
            records = dead.len(),
            of = records.len(),
            partition = record.partition,
            first_offset = record.offset,
            first_reason = reason,
            "records can never be stored and become dead letters"
        );
        self.keep(topic, dead).await;
    }

    /// Writes that events are lost, once: among the dead letters, where somebody looks and can put it away.
    pub(super) async fn write_loss(&self, topic: &Topic, loss: &Loss) {
        let letter = Letter::Lost {
            partition: loss.partition.number,
            from: loss.from,
            events: loss.count,
            reason: loss.reason(),
        };
        if !self.keep(topic, vec![letter]).await {
            return;
        }
        self.metrics.lost(loss);
        tracing::error!(
            topic = topic.name,
            partition = loss.partition.number,
            from = loss.from,
            events = loss.count,
            "{}",
            loss.reason()
        );
    }

    /// Keeps letters, however long that takes. Returns whether some were not there before.
    async fn keep(&self, topic: &Topic, mut letters: Vec<Letter<'_>>) -> bool {
        let place = format!("{}-dead-letters", self.sink.place(topic));
        let mut retry = Retry::new(&place, &self.metrics);
        let mut is_new = false;
        loop {
            let mut outcomes = self.sink.keep(topic, &letters).await.into_iter();
            let mut trouble = None;
            letters.retain(|_| match outcomes.next() {
                Some(Outcome::Done) => {
                    is_new = true;
                    false
                }
                Some(Outcome::Already) => false,
                Some(Outcome::Later(later)) => {
                    trouble = Some(later);
                    true
                }
                Some(Outcome::Never(reason)) => {
                    trouble = Some(Later::Denied(reason));
                    true
                }
                None => {
                    trouble = Some(Later::Away("a letter was not taken".to_owned()));
                    true
                }
            });
            let Some(later) = trouble else { return is_new };
            retry.wait(&later).await;
        }
    }
}
