//! What the driver is told: a file of JSON with all streams.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::section::{Mode, Parse, Stream};
use super::{CHECKPOINTS, NAME, queries};
use crate::component::place::Place;
use crate::component::{Context, kafka};
use crate::inventory::Words;
use crate::step::{Content, sha256};
use crate::template::TemplateError;
use crate::topology::CANARY_TOPIC;

/// Events in one batch at most: what waits must fit into the heap.
const MOST_PER_BATCH: u32 = 100_000;

/// The job.
#[derive(Serialize)]
pub(super) struct Job<'a> {
    /// Settings of all its clients.
    kafka: BTreeMap<String, String>,
    /// The topic by which is seen how far it is.
    marker: &'static str,
    checkpoints: String,
    state: String,
    most_per_batch: u32,
    streams: Vec<Told<'a>>,
}

/// A stream.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    name: &'a str,
    from: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parse: Option<&'a Parse>,
    sql: &'a str,
    to: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bad: Option<String>,
    mode: Mode,
    every_ms: u64,
    /// The directory of what is remembered of it. What is remembered of another query is of no use for this one.
    checkpoint: String,
}

impl<'a> Job<'a> {
    /// That of a deployment.
    pub(super) fn of(context: &Context<'a>) -> Self {
        let topology = context.topology;
        let place = Place::new(topology, NAME);
        // Spark passes on what begins so.
        let kafka = super::kafka_settings(topology, &place).into_iter();
        let kafka = kafka.map(|(key, value)| (format!("kafka.{key}"), value));
        let epochs = context.receipt.epochs_of(kafka::NAME);
        let told = |(name, stream): (&'a String, &'a Stream)| {
            let epoch = epochs.get(of(&stream.from)).map_or("", String::as_str);
            Told::of(name, stream, epoch)
        };
        Self {
            kafka: kafka.collect(),
            marker: CANARY_TOPIC,
            checkpoints: format!("{}/{CHECKPOINTS}", place.data()),
            state: super::state(topology),
            most_per_batch: MOST_PER_BATCH,
            streams: queries(topology).map(told).collect(),
        }
    }

    /// That of one stream, which is to read a file.
    pub(super) fn of_file(name: &'a str, stream: &'a Stream) -> Self {
        Self {
            kafka: BTreeMap::new(),
            marker: CANARY_TOPIC,
            checkpoints: String::new(),
            state: String::new(),
            most_per_batch: MOST_PER_BATCH,
            streams: vec![Told::of(name, stream, "")],
        }
    }

    /// The file.
    pub(super) fn content(&self) -> Result<Content, TemplateError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| TemplateError {
            name: super::JOB.to_owned(),
            source: tera::Error::message(error.to_string()),
        })?;
        Ok(Content::open(text))
    }
}

impl<'a> Told<'a> {
    /// A stream; the epoch is that of the topic it reads, another after its data were destroyed.
    pub(super) fn of(name: &'a str, stream: &'a Stream, epoch: &str) -> Self {
        let mut told = Self {
            name,
            from: of(&stream.from),
            parse: stream.parse.as_ref(),
            sql: stream.query(),
            to: of(&stream.to),
            bad: stream.bad(name),
            mode: stream.mode,
            // How often it is looked at changes nothing of what it is.
            every_ms: 0,
            checkpoint: epoch.to_owned(),
        };
        let all = json!(told).to_string();
        told.checkpoint = format!("{name}-{}", &sha256(all.as_bytes())[..16]);
        told.every_ms = stream.every.milliseconds();
        told
    }
}

/// The topic of a query, which has one.
fn of(topics: &Words) -> &str {
    topics.0.first().map_or("", String::as_str)
}
