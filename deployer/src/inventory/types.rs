//! The keys of an inventory. Their doc comments are the descriptions in the JSON Schema.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cloud_name::CloudName;
use super::clouds::Clouds;
use super::positions::Positions;
use super::sections::Sections;
use super::values::{Setting, TimeSpan};
use super::words::{Distribution, FileFormat, Source};
use super::{KAFKA_VERSION, Problem};

/// A pipeline: its nodes, what they do, and what each cloud needs to give machines for them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct Inventory {
    /// The deployment's name; `--name` overrides it. At most 16 lower-case letters, digits and `-`.
    #[schemars(extend("format" = "deployment-name"))]
    pub name: String,
    /// The cloud of all nodes that name no other; `--cloud` overrides it.
    #[serde(default = "local")]
    pub cloud: CloudName,
    /// The nodes by name: each name is a host name.
    #[schemars(extend("minProperties" = 1, "propertyNames" = {"format": "node-name"}))]
    pub nodes: BTreeMap<String, Node>,
    /// Kafka's brokers.
    #[serde(default)]
    pub kafka: Kafka,
    /// Topics: what all have in common, and those that no producer of the inventory brings.
    #[serde(default)]
    pub topics: Topics,
    /// `CouchDB`.
    #[serde(default)]
    pub couchdb: Couchdb,
    /// What producers do, unless a node says otherwise.
    #[serde(default)]
    pub producer: Producer,
    /// What moves events from Kafka to `CouchDB`.
    #[serde(default)]
    pub consumer: Consumer,
    /// Where events go, by name: several may read one topic, each at its own pace. Without any, each topic goes to
    /// `CouchDB`.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"format": "node-name"}))]
    pub sinks: BTreeMap<String, Sink>,
    /// What each cloud needs. Only the sections of the clouds in use matter.
    #[serde(default)]
    pub clouds: Clouds,
    /// What the sections of components say.
    #[serde(skip)]
    pub sections: Sections,
    /// Where each key stands in the file.
    #[serde(skip)]
    pub(super) positions: Positions,
    /// What was left out because it is wrong; `None`: the file is good by itself.
    #[serde(skip)]
    pub(super) left_out: Option<Vec<String>>,
}

impl Inventory {
    /// A problem with a key (`nodes.vm2.roles`) of this inventory, with its place in the file.
    pub fn problem(
        &self,
        key: impl Into<String>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Problem {
        self.positions.problem(key.into(), message.into(), hint)
    }

    /// The keys that were left out because they are wrong; `None`: the file is good by itself, and all that is not in it is a
    /// default.
    pub(crate) fn left_out(&self) -> Option<&[String]> {
        self.left_out.as_deref()
    }

    /// Whether the file itself says what a key is, so that it is not a default.
    pub(crate) fn says(&self, key: &str) -> bool {
        self.positions.has(key)
    }
}

fn local() -> CloudName {
    CloudName::LOCAL
}

/// A node, or `count` equal ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("additionalProperties" = false))]
pub struct Node {
    /// How many: with a count the nodes are called `vm1-1`, `vm1-2` …, without one just `vm1`.
    #[schemars(range(min = 1, max = 50))]
    pub count: Option<u32>,
    /// What it does. Nothing: a plain machine.
    #[schemars(extend("uniqueItems" = true))]
    pub roles: BTreeSet<String>,
    /// Its cloud, when it is another than the inventory's.
    pub cloud: Option<CloudName>,
    /// Memory in MiB. What the cloud gives unless said here; of a host of yours unknown unless said here.
    #[schemars(range(min = 256, max = 1_048_576))]
    pub memory_mib: Option<u64>,
    /// What this producer does differently.
    pub producer: ProducerChange,
    /// What the node's sections of components say.
    #[serde(skip)]
    pub sections: Sections,
}

/// Kafka's brokers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Kafka {
    /// Version. Only the one whose checksums are pinned.
    #[schemars(extend("format" = "kafka-version"))]
    pub version: String,
    /// Port.
    #[schemars(range(min = 1024))]
    pub port: u16,
    /// Java heap in MiB.
    #[schemars(range(min = 128, max = 65_536))]
    pub heap_mib: u64,
    /// Copies of each partition, each on another broker.
    #[schemars(range(min = 1, max = 50))]
    pub replication: u32,
    /// Copies that must be in sync before a write is acknowledged.
    #[schemars(range(min = 1, max = 50))]
    pub min_insync_replicas: u32,
    /// Another place to fetch Kafka from: a base address, tried before Apache's.
    #[schemars(extend("format" = "web-address"))]
    pub mirror: Option<String>,
    /// More settings of the brokers, by their Kafka names.
    #[schemars(extend("propertyNames" = {"format": "setting-name"}))]
    pub settings: BTreeMap<String, Setting>,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            version: KAFKA_VERSION.to_owned(),
            port: 9092,
            heap_mib: 512,
            replication: 2,
            min_insync_replicas: 1,
            mirror: None,
            settings: BTreeMap::new(),
        }
    }
}

/// Topics: what all have in common, and those that no producer of the inventory brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Topics {
    /// Partitions of each topic.
    #[schemars(range(min = 1, max = 1000))]
    pub partitions: u32,
    /// How long events are kept.
    pub retention: TimeSpan,
    /// More settings of each topic, by their Kafka names.
    #[schemars(extend("propertyNames" = {"format": "setting-name"}))]
    pub settings: BTreeMap<String, Setting>,
    /// Topics of producers that are not in the inventory, by name. The consumer stores their events too.
    #[schemars(extend("propertyNames" = {"format": "topic-name"}))]
    pub extra: BTreeMap<String, ExtraTopic>,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            partitions: 1,
            retention: TimeSpan::from_days(7),
            settings: BTreeMap::new(),
            extra: BTreeMap::new(),
        }
    }
}

/// A topic of producers that are not in the inventory. What it does not say is as for all topics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExtraTopic {
    /// Partitions.
    #[schemars(range(min = 1, max = 1000))]
    pub partitions: Option<u32>,
    /// How long events are kept.
    pub retention: Option<TimeSpan>,
    /// More settings, by their Kafka names; they go before those of all topics.
    #[schemars(extend("propertyNames" = {"format": "setting-name"}))]
    pub settings: BTreeMap<String, Setting>,
}

/// `CouchDB`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Couchdb {
    /// HTTP port.
    #[schemars(range(min = 1024))]
    pub port: u16,
    /// Where it comes from.
    pub distribution: Distribution,
    /// A relocatable release as tar.gz on this box, for `distribution: archive`.
    #[schemars(extend("format" = "path"))]
    pub archive: Option<String>,
    /// Another package repository than Apache's: a base address.
    #[schemars(extend("format" = "web-address"))]
    pub repository: Option<String>,
    /// The public key, a file on this box, that signs another repository. Default: Apache's, which a mirror has, too.
    #[schemars(extend("format" = "path"))]
    pub repository_key: Option<String>,
    /// More settings: section, key, value, as in `CouchDB`'s ini files.
    #[schemars(extend("propertyNames" = {"format": "setting-name"}, "additionalProperties" = {
        "type": "object",
        "propertyNames": {"format": "setting-name"},
        "additionalProperties": {"type": ["string", "number", "boolean"], "format": "setting"},
    }))]
    pub settings: BTreeMap<String, BTreeMap<String, Setting>>,
}

impl Default for Couchdb {
    fn default() -> Self {
        Self {
            port: 5984,
            distribution: Distribution::Auto,
            archive: None,
            repository: None,
            repository_key: None,
            settings: BTreeMap::new(),
        }
    }
}

/// What a producer does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Producer {
    /// What its events are made of.
    pub source: Source,
    /// The file whose lines are the events, where the source is `file`.
    #[schemars(extend("format" = "path"))]
    pub path: Option<String>,
    /// The group of the node by which the producer may read the file.
    #[schemars(extend("format" = "login"))]
    pub group: String,
    /// Events to send; 0: for ever.
    #[schemars(range(max = 1_000_000_000_000_u64))]
    pub count: u64,
    /// Time between events.
    pub interval: TimeSpan,
    /// Whether the text of `top` goes along with the numbers.
    pub raw: bool,
    /// Its topic. `{number}` stands for the client's number (1, 2 …), `{client}` for the node's name.
    #[schemars(extend("format" = "topic-pattern"))]
    pub topic: String,
    /// The port at which it tells its own node about itself. Another one where deployments share a host.
    #[schemars(range(min = 1024))]
    pub metrics_port: u16,
}

impl Default for Producer {
    fn default() -> Self {
        Self {
            source: Source::Top,
            path: None,
            group: "adm".to_owned(),
            count: 100,
            interval: TimeSpan::from_seconds(1),
            raw: false,
            topic: "utilizations{number}".to_owned(),
            metrics_port: 9441,
        }
    }
}

/// What one node's producer does differently.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProducerChange {
    /// What its events are made of.
    pub source: Option<Source>,
    /// The file whose lines are the events, where the source is `file`.
    #[schemars(extend("format" = "path"))]
    pub path: Option<String>,
    /// The group of the node by which the producer may read the file.
    #[schemars(extend("format" = "login"))]
    pub group: Option<String>,
    /// Events to send; 0: for ever.
    #[schemars(range(max = 1_000_000_000_000_u64))]
    pub count: Option<u64>,
    /// Time between events.
    pub interval: Option<TimeSpan>,
    /// Whether the text of `top` goes along with the numbers.
    pub raw: Option<bool>,
    /// Its topic; may hold `{number}` and `{client}`.
    #[schemars(extend("format" = "topic-pattern"))]
    pub topic: Option<String>,
}

/// What moves events from Kafka to `CouchDB`. A batch is sent when one of its limits is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Consumer {
    /// Documents in one request at most.
    #[schemars(range(min = 1, max = 10_000))]
    pub batch_documents: u32,
    /// Bytes in one request at most.
    #[schemars(range(min = 1000, max = 64_000_000))]
    pub batch_bytes: u64,
    /// How long the first event of a batch waits for others.
    pub batch_age: TimeSpan,
    /// The port at which it tells its own node about itself. Another one where deployments share a host.
    #[schemars(range(min = 1024))]
    pub metrics_port: u16,
}

impl Default for Consumer {
    fn default() -> Self {
        Self {
            batch_documents: 500,
            batch_bytes: 4_000_000,
            batch_age: TimeSpan::from_milliseconds(50),
            metrics_port: 9442,
        }
    }
}

/// Where events of a topic go: one of `couchdb` and `files`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sink {
    /// The topic.
    #[schemars(extend("format" = "topic-name"))]
    pub from: String,
    /// Documents of the deployment's `CouchDB`, in the database that has the topic's name.
    pub couchdb: Option<CouchdbSink>,
    /// Files on the consumer's node, each record once.
    pub files: Option<FilesSink>,
}

/// There is nothing more to be said of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CouchdbSink {}

/// How files are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilesSink {
    /// `json`: a document a line; `csv`: the columns that are named.
    pub format: FileFormat,
    /// Columns of CSV: names of values in the document, such as `memory.free`.
    pub columns: Vec<String>,
    /// The size at which a file is followed by the next. So it is each day (UTC), too.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub roll_mib: u64,
}

impl Default for FilesSink {
    fn default() -> Self {
        Self {
            format: FileFormat::Json,
            columns: Vec::new(),
            roll_mib: 128,
        }
    }
}
