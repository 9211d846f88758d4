//! The consumer's figures.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use rdkafka::statistics::Statistics;
use serde::Serialize;
use serde_json::Value;

use super::losses::Loss;
use super::written::Written;
use crate::observe::{self, Health, Labelled, Registry};
use crate::sink::{Record, Sink};

/// A partition, as a figure's label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct Place {
    topic: String,
    partition: i32,
}

/// A topic, as a figure's label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct OfTopic {
    topic: String,
}

/// What a deployer wants to know of a sink.
#[derive(Debug, Serialize)]
struct SinkFigures {
    /// Its name; none: the one that needs none.
    name: Option<String>,
    /// Topic → events of the partitions that are read here and are not settled.
    lag: BTreeMap<String, i64>,
    dead_letters: u64,
    /// Topic → events that Kafka deleted before they were read.
    lost: BTreeMap<String, u64>,
    /// How it is beside, where its kind has more to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    told: Option<Value>,
}

/// A sink that is counted.
pub(super) struct Counted {
    pub(super) name: Option<String>,
    pub(super) metrics: Metrics,
    pub(super) sink: Arc<dyn Sink>,
}

/// What a deployer wants to know of a consumer.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    sinks: Vec<SinkFigures>,
}

impl Figures {
    /// Those of some sinks.
    pub(super) fn of(sinks: &[Counted]) -> Self {
        let figures = |counted: &Counted| SinkFigures {
            told: counted.sink.told(),
            ..counted.metrics.figures(counted.name.as_deref())
        };
        Self {
            sinks: sinks.iter().map(figures).collect(),
        }
    }
}

/// All figures of a consumer, and what is wrong with it. Copies share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(super) health: Health,
    pub(super) read: Counter,
    pub(super) read_bytes: Counter,
    pub(super) retries: Counter,
    pub(super) queued: Gauge,
    stored: Counter,
    repeated: Counter,
    dead: Counter,
    lost: Labelled<OfTopic, Counter>,
    lag: Labelled<Place, Gauge>,
    batch: Histogram,
    latency: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            health: Health::default(),
            read: Counter::default(),
            read_bytes: Counter::default(),
            retries: Counter::default(),
            queued: Gauge::default(),
            stored: Counter::default(),
            repeated: Counter::default(),
            dead: Counter::default(),
            lost: Labelled::default(),
            lag: Labelled::default(),
            batch: observe::sizes(),
            latency: observe::seconds(),
        }
    }
}

impl Metrics {
    /// Raises its alarms there.
    pub(super) fn new(health: Health) -> Self {
        Self {
            health,
            ..Self::default()
        }
    }

    /// Returns the registry that shows the figures; those of a sink with a name are labelled with it.
    pub(super) fn registry(&self, sink: Option<&str>) -> Registry {
        let label = sink.map(|name| ("sink".into(), name.to_owned().into()));
        let mut registry = Registry::with_prefix_and_labels("consumer", label.into_iter());
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        counter("events_in", "Events read from Kafka", &self.read);
        counter("events_in_bytes", "Their bytes", &self.read_bytes);
        counter("events_out", "New documents", &self.stored);
        counter(
            "events_repeated",
            "Events whose document was there",
            &self.repeated,
        );
        counter(
            "dead_letters",
            "Events that can never be a document",
            &self.dead,
        );
        counter(
            "retries",
            "Requests to CouchDB that are made again",
            &self.retries,
        );
        registry.register(
            "events_lost",
            "Events that Kafka deleted before they were read",
            self.lost.family(),
        );
        registry.register(
            "queue_events",
            "Events that wait for their write",
            self.queued.clone(),
        );
        registry.register(
            "lag_events",
            "Events of a partition that are not settled",
            self.lag.family(),
        );
        registry.register("batch_documents", "Sizes of writes", self.batch.clone());
        registry.register(
            "event_to_document_seconds",
            "From an event to its document",
            self.latency.clone(),
        );
        registry
    }

    /// Returns the figures of a sink.
    fn figures(&self, sink: Option<&str>) -> SinkFigures {
        let mut lag = BTreeMap::new();
        for (Place { topic, .. }, events) in self.lag.all() {
            *lag.entry(topic).or_default() += events.get();
        }
        let lost = self.lost.all().into_iter();
        SinkFigures {
            name: sink.map(str::to_owned),
            lag,
            dead_letters: self.dead.get(),
            lost: lost.map(|(of, lost)| (of.topic, lost.get())).collect(),
            told: None,
        }
    }

    /// Notes that a batch of records is settled.
    pub(super) fn settled(&self, records: &[Record], written: Written) {
        self.stored.inc_by(written.stored as u64);
        self.repeated.inc_by(written.repeated as u64);
        self.dead.inc_by(written.dead as u64);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a batch has some thousands at most"
        )]
        self.batch.observe(records.len() as f64);
        let now = Timestamp::now();
        for timestamp in records.iter().filter_map(|record| record.timestamp) {
            self.latency
                .observe(observe::seconds_between(timestamp, now));
        }
    }

    /// Notes that events are lost. Where their number is not known, it is one at least.
    pub(super) fn lost(&self, loss: &Loss) {
        let topic = loss.partition.topic.clone();
        let count = loss.count.and_then(|count| u64::try_from(count).ok());
        let lost = self.lost.of(OfTopic { topic });
        lost.inc_by(count.unwrap_or(1));
    }

    /// Notes what the Kafka client says about its partitions. One that is not ours any more has no lag of ours.
    pub(super) fn lags(&self, statistics: &Statistics) {
        self.lag.clear();
        for topic in statistics.topics.values() {
            for (&partition, figures) in &topic.partitions {
                if partition >= 0 && figures.consumer_lag_stored >= 0 {
                    let place = Place {
                        topic: topic.topic.clone(),
                        partition,
                    };
                    self.lag.of(place).set(figures.consumer_lag_stored);
                }
            }
        }
    }
}
