//! What an inventory says of producers, and of the one on a node.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BucketSection;
use crate::inventory::TimeSpan;

/// What producers do, unless a node says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProducerSection {
    /// What its events are made of.
    pub source: Source,
    /// The file whose lines are the events, where the source is `file`.
    #[schemars(extend("format" = "path"))]
    pub path: Option<String>,
    /// The group of the node by which the producer may read the file.
    #[schemars(extend("format" = "login"))]
    pub group: String,
    /// The bucket whose objects' lines are the events, where the source is `bucket`.
    pub bucket: Option<BucketSection>,
    /// Events to send; 0: for ever.
    #[schemars(range(max = 1_000_000_000_000_u64))]
    pub count: u64,
    /// Time between events, of a `bucket` between lists. Unsaid: `top` `1s`, `bucket` `5s`, `logins` `100ms`, `trucks` `250ms`, `logs` by chance.
    pub interval: Option<TimeSpan>,
    /// The same seed gives the same `logins`, `trucks` and `logs`; without one they are others in each run.
    #[schemars(range(max = 1_000_000_000_000_u64))]
    pub seed: Option<u64>,
    /// When a run of `count` events begins, by cron's five fields in UTC; without it there is one, at once.
    #[schemars(extend("format" = "schedule"))]
    pub schedule: Option<String>,
    /// Whether the text of `top` goes along with the numbers.
    pub raw: bool,
    /// Its topic. `{number}` stands for the client's number (1, 2 …), `{client}` for the node's name.
    #[schemars(extend("format" = "topic-pattern"))]
    pub topic: String,
    /// The port at which it tells its own node about itself. Another one where deployments share a host.
    #[schemars(range(min = 1024))]
    pub metrics_port: u16,
}

impl Default for ProducerSection {
    fn default() -> Self {
        Self {
            source: Source::Top,
            path: None,
            group: "adm".to_owned(),
            bucket: None,
            count: 100,
            interval: None,
            seed: None,
            schedule: None,
            raw: false,
            topic: "utilizations{number}".to_owned(),
            metrics_port: 9441,
        }
    }
}

/// What this producer does differently.
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
    /// The bucket whose objects' lines are the events, where the source is `bucket`.
    pub bucket: Option<BucketSection>,
    /// Events to send; 0: for ever.
    #[schemars(range(max = 1_000_000_000_000_u64))]
    pub count: Option<u64>,
    /// Time between events.
    pub interval: Option<TimeSpan>,
    /// The same seed gives the same `logins`, `trucks` and `logs`.
    #[schemars(range(max = 1_000_000_000_000_u64))]
    pub seed: Option<u64>,
    /// When a run begins, by cron's five fields in UTC.
    #[schemars(extend("format" = "schedule"))]
    pub schedule: Option<String>,
    /// Whether the text of `top` goes along with the numbers.
    pub raw: Option<bool>,
    /// Its topic; may hold `{number}` and `{client}`.
    #[schemars(extend("format" = "topic-pattern"))]
    pub topic: Option<String>,
}

/// What a producer's events are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A reading of the program `top` at each tick.
    Top,
    /// A line of the producer's standard input at each tick.
    Stdin,
    /// A line of a file that grows, through its rotations.
    File,
    /// A line of an object in a bucket, each once.
    Bucket,
    /// A login of a web site, made up.
    Logins,
    /// What a truck tells on its way, made up.
    Trucks,
    /// A line of a log, made up.
    Logs,
}

impl Source {
    /// As an inventory calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Top => "top",
            Self::Stdin => "stdin",
            Self::File => "file",
            Self::Bucket => "bucket",
            Self::Logins => "logins",
            Self::Trucks => "trucks",
            Self::Logs => "logs",
        }
    }

    /// Whether its events are made up, by a seed.
    pub(super) fn is_made_up(self) -> bool {
        match self {
            Self::Top | Self::Stdin | Self::File | Self::Bucket => false,
            Self::Logins | Self::Trucks | Self::Logs => true,
        }
    }

    /// Whether a run of it can begin at any time, because nobody else makes its events.
    pub(super) fn is_own(self) -> bool {
        self == Self::Top || self.is_made_up()
    }

    /// The shortest time between two events.
    pub(super) fn shortest(self) -> TimeSpan {
        TimeSpan::from_milliseconds(match self {
            Self::Logins | Self::Trucks | Self::Logs => 0,
            Self::Top | Self::Stdin | Self::File => 10,
            // Each list has its price.
            Self::Bucket => 1000,
        })
    }
}
