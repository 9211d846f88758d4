//! What an inventory says of Spark and of the streams that it runs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NAME;
use crate::inventory::{Section, TimeSpan, Words};

/// The key of the streams.
pub(super) const STREAMS: &str = "streams";

/// All sections.
pub(super) fn all() -> Vec<Section> {
    vec![
        Section::of::<SparkSection>(NAME),
        Section::of::<StreamsSection>(STREAMS),
    ]
}

/// What runs the streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SparkSection {
    /// Java heap in MiB. With less than this least one Spark does not start.
    #[schemars(range(min = 480, max = 65_536))]
    pub heap_mib: u64,
    /// The first of five ports, where several nodes share the work: members alone reach them.
    #[schemars(range(min = 1024, max = 65_531))]
    pub port: u16,
    /// The port of its own web page, for its node alone.
    #[schemars(range(min = 1024))]
    pub ui_port: u16,
}

impl Default for SparkSection {
    fn default() -> Self {
        Self {
            heap_mib: 512,
            port: 7077,
            ui_port: 4040,
        }
    }
}

/// What is made of the events of topics, by name: each stream is a query whose rows go to another topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("propertyNames" = {"format": "node-name"}))]
pub struct StreamsSection(pub BTreeMap<String, Stream>);

/// A stream: a query, or a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// The topic that it reads; of a program, several in a list.
    #[schemars(extend("format" = "topic-name"))]
    pub from: Words,
    /// How an event becomes columns. Without it there is one, `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parse: Option<Parse>,
    /// A query in Spark's SQL that reads the topic by its name and gives a `key` and a `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// In the place of `sql`: a program of yours, a jar or one source file of Java on this box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub program: Option<String>,
    /// The class of the program whose `main` is run, with its package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// What the program's `main` is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// The topic that its rows go to. It is made with the others. Of a program, several in a list.
    #[schemars(extend("format" = "topic-name"))]
    pub to: Words,
    /// How often what has come is looked at.
    #[serde(default = "every")]
    pub every: TimeSpan,
    /// `update`: a row whenever it changes. `append`: a row once, when it can change no more; that needs a watermark.
    #[serde(default)]
    pub mode: Mode,
}

fn every() -> TimeSpan {
    TimeSpan::from_seconds(5)
}

/// How an event becomes columns, by one of `json` and `regex`. What does not fit goes to the topic `NAME-bad`, with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parse {
    /// The columns of a JSON object with their types, as Spark's SQL writes them: `user_id STRING, at TIMESTAMP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
    /// A pattern, as Java writes it, whose groups are texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// The names of the pattern's groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Columns without which a row is bad.
    pub require: Vec<String>,
}

/// When rows are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Whenever they change.
    #[default]
    Update,
    /// Once, when they can change no more.
    Append,
}

impl Stream {
    /// The topic for what does not parse; `None`: all is taken as it is.
    pub fn bad(&self, name: &str) -> Option<String> {
        self.parse.as_ref().map(|_| format!("{name}-bad"))
    }

    /// The topics that it writes to.
    pub fn writes(&self, name: &str) -> impl Iterator<Item = String> {
        self.to.0.iter().cloned().chain(self.bad(name))
    }

    /// Its query; of a program, none.
    pub fn query(&self) -> &str {
        self.sql.as_deref().unwrap_or_default()
    }
}
