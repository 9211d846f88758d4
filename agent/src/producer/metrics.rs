//! The producer's figures.

use std::collections::BTreeMap;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use serde::Serialize;

use crate::observe::{self, Registry};
use crate::source::Troubles;

/// All figures of a producer.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    pub(super) produced: Counter,
    pub(super) produced_bytes: Counter,
    pub(super) confirmed: Counter,
    pub(super) in_flight: Gauge,
    pub(super) spool_events: Gauge,
    pub(super) spool_bytes: Gauge,
    pub(super) spool_limit: Gauge,
    pub(super) errors: Counter,
    pub(super) refused: Counter,
    pub(super) kept_aside: Gauge,
    pub(super) latency: Histogram,
}

/// What a deployer wants to know of a producer.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    spool: Spool,
    /// Events that Kafka never takes.
    refused: u64,
    /// Kind → what the source could not give out as it is.
    source_troubles: BTreeMap<&'static str, u64>,
}

/// What is on the disk and not confirmed.
#[derive(Debug, Serialize)]
struct Spool {
    events: i64,
    bytes: i64,
    limit_bytes: i64,
}

impl Figures {
    /// Those of a producer and its source.
    pub(super) fn of(metrics: &Metrics, troubles: &Troubles) -> Self {
        Self {
            spool: Spool {
                events: metrics.spool_events.get(),
                bytes: metrics.spool_bytes.get(),
                limit_bytes: metrics.spool_limit.get(),
            },
            refused: metrics.refused.get(),
            source_troubles: troubles.counts(),
        }
    }
}

impl Metrics {
    /// Makes the figures and the registry that shows them.
    pub(super) fn new(troubles: &Troubles) -> (Self, Registry) {
        let metrics = Self {
            produced: Counter::default(),
            produced_bytes: Counter::default(),
            confirmed: Counter::default(),
            in_flight: Gauge::default(),
            spool_events: Gauge::default(),
            spool_bytes: Gauge::default(),
            spool_limit: Gauge::default(),
            errors: Counter::default(),
            refused: Counter::default(),
            kept_aside: Gauge::default(),
            latency: observe::seconds(),
        };
        let mut registry = Registry::with_prefix("producer");
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        counter("events_in", "Events numbered and kept", &metrics.produced);
        counter("events_in_bytes", "Their bytes", &metrics.produced_bytes);
        counter(
            "events_out",
            "Events Kafka has confirmed",
            &metrics.confirmed,
        );
        counter(
            "errors",
            "Deliveries that failed and are sent again",
            &metrics.errors,
        );
        counter(
            "events_refused",
            "Events Kafka never takes, kept in a file",
            &metrics.refused,
        );
        let mut gauge =
            |name: &str, help: &str, gauge: &Gauge| registry.register(name, help, gauge.clone());
        gauge(
            "queue_events",
            "Events given to the Kafka client and not confirmed",
            &metrics.in_flight,
        );
        gauge(
            "refused_bytes",
            "The size of the file of events Kafka never takes",
            &metrics.kept_aside,
        );
        gauge(
            "spool_events",
            "Events on the disk that Kafka has not confirmed",
            &metrics.spool_events,
        );
        gauge(
            "spool_bytes",
            "The size of the spool's files",
            &metrics.spool_bytes,
        );
        gauge(
            "spool_limit_bytes",
            "The size at which the source is not read",
            &metrics.spool_limit,
        );
        registry.register(
            "source_troubles",
            "What the source could not give out as it is, by kind",
            troubles.family(),
        );
        registry.register(
            "event_to_kafka_seconds",
            "From an event to its confirmation",
            metrics.latency.clone(),
        );
        (metrics, registry)
    }
}
