//! The pipeline's own report: what the tool's `inspect` prints, see the agents' contract, whose names its fields have. Plain data;
//! what an older or newer tool leaves out or adds does no harm.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::rights::Right;

/// The report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inspect {
    /// What the brokers say.
    #[serde(rename = "kafka")]
    pub log: Log,
    /// What the documents' store says.
    #[serde(rename = "couchdb")]
    pub store: Store,
    /// What sinks with names hold, a row for each of their topics.
    pub sinks: Vec<Sink>,
}

/// What the brokers say of themselves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// Whether any broker answered in time.
    pub reachable: bool,
    /// Why not.
    pub error: Option<String>,
    /// The brokers in the metadata.
    pub brokers: Vec<Broker>,
    /// The topics.
    pub topics: Vec<Topic>,
    /// Topics that are none of the pipeline's, the brokers' own ones too; of these only the partitions are known.
    pub other_topics: Vec<Topic>,
    /// Who logs in by a password, each with its mark; `None`: not asked, or not told.
    pub users: Option<BTreeMap<String, Option<i64>>>,
    /// What they may do; `None`: not asked, or not told.
    pub rights: Option<Vec<Right>>,
}

/// A broker in the metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// The name it advertises.
    pub host: String,
    /// The port it advertises.
    pub port: u16,
}

/// A topic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its partitions; none: it does not exist.
    pub partitions: Vec<Partition>,
    /// Events in it; `None`: not known.
    pub messages: Option<i64>,
    /// Where its partitions end, as far as that is known.
    pub ends: BTreeMap<i32, i64>,
    /// Events that were not taken yet; `None`: not known.
    pub lag: Option<i64>,
    /// Events that were deleted before they were taken, and nobody has written that down; `None`: not known.
    pub deleted: Option<i64>,
    /// The settings it has of its own; `None`: not known.
    pub config: Option<BTreeMap<String, String>>,
}

/// A partition of a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Partition {
    /// Its number.
    pub id: i32,
    /// The broker that leads it; -1: none.
    pub leader: i32,
    /// The brokers that should have it.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub isr: Vec<i32>,
}

/// What the store says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Store {
    /// Whether it answered in time.
    pub reachable: bool,
    /// Why not.
    pub error: Option<String>,
    /// Name and version, as it says.
    pub vendor: Option<String>,
    /// The databases.
    pub databases: Vec<Database>,
}

/// A topic's database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// The topic whose events it holds.
    pub topic: String,
    /// Documents in it; `None`: it does not exist.
    pub documents: Option<u64>,
    /// The newest event's timestamp, RFC 3339.
    pub newest: Option<String>,
    /// Documents in its dead-letter database but those that were put away; `None`: that one does not exist.
    pub dead_letters: Option<u64>,
    /// Events that were deleted before they were taken, by what was written down; `None`: not known.
    pub lost_events: Option<u64>,
    /// Dead letters that were put away.
    pub put_away: Option<u64>,
    /// Whether its access rules are those that were made with it; `None`: not known.
    pub access_kept: Option<bool>,
    /// Whom its access rules let in beside the agents.
    pub readers: BTreeSet<String>,
    /// Whether what refuses the writes of these is there; `None`: nobody is to be refused, or it is not known.
    pub guarded: Option<bool>,
    /// Why nothing is known of it, where it is not missing.
    pub error: Option<String>,
}

/// What a sink holds of a topic. `None`: not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sink {
    /// Its name.
    pub name: String,
    /// The topic.
    pub topic: String,
    /// Records of it.
    pub records: Option<u64>,
    /// The newest event's timestamp, RFC 3339.
    pub newest: Option<String>,
    /// Its dead letters.
    pub dead_letters: Option<u64>,
    /// Events of the topic that did not come there yet.
    pub lag: Option<i64>,
    /// The tables of its database → their columns → the types of these.
    pub tables: BTreeMap<String, BTreeMap<String, String>>,
    /// Why nothing is known of it.
    pub error: Option<String>,
}

impl Inspect {
    /// Reads the report; `None`: it is not one.
    pub fn read(report: &serde_json::Value) -> Option<Self> {
        Self::deserialize(report).ok()
    }

    /// Whether so many brokers are there and every partition has its full set of in-sync replicas.
    pub fn in_sync(&self, brokers: usize) -> bool {
        self.log.reachable
            && self.log.brokers.len() >= brokers
            && self.log.topics.iter().all(Topic::in_sync)
    }
}

impl Database {
    /// How access to it is not as it was made, in words: its rules, whom they let in, and what refuses these to write.
    pub fn access_differs(&self, readers: &BTreeSet<String>) -> Vec<String> {
        let changed = (self.access_kept == Some(false)).then(|| "changed".to_owned());
        let out = readers.difference(&self.readers);
        let out = out.map(|user| format!("{user} may not read it"));
        let others = self.readers.difference(readers);
        let others = others.map(|user| format!("{user} may read it"));
        let open = (self.guarded == Some(false)).then(|| "its readers may write to it".to_owned());
        let all = changed.into_iter().chain(out).chain(others);
        all.chain(open).collect()
    }
}

impl Log {
    /// A topic of the pipeline that exists.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        let mut topics = self.topics.iter();
        topics.find(|topic| topic.name == name && !topic.partitions.is_empty())
    }

    /// The partitions of all topics, each with its topic's name.
    pub fn partitions(&self) -> impl Iterator<Item = (&str, &Partition)> {
        let topics = self.topics.iter().chain(&self.other_topics);
        topics.flat_map(|topic| {
            let partitions = topic.partitions.iter();
            partitions.map(|partition| (topic.name.as_str(), partition))
        })
    }

    /// What a broker holds.
    pub fn held_by(&self, broker: i32) -> Held {
        let mut held = Held::default();
        let alive = |id: &i32| self.brokers.iter().any(|broker| broker.id == *id);
        for (topic, partition) in self.partitions() {
            held.leads += usize::from(partition.leader == broker);
            if partition.replicas.contains(&broker) {
                held.copies += 1;
                held.topics.insert(topic.to_owned());
                let mut others = partition.isr.iter().filter(|id| **id != broker);
                held.last_copies += usize::from(!others.any(alive));
            }
        }
        held
    }

    /// Brokers that should have copies and are neither there nor `wanted`: the copies will not come back by themselves.
    pub fn gone(&self, wanted: &BTreeSet<i32>) -> BTreeMap<i32, Held> {
        let ids: BTreeSet<i32> = self
            .partitions()
            .flat_map(|(_, partition)| partition.replicas.iter().copied())
            .filter(|id| !wanted.contains(id))
            .filter(|id| !self.brokers.iter().any(|broker| broker.id == *id))
            .collect();
        ids.into_iter().map(|id| (id, self.held_by(id))).collect()
    }
}

/// What a broker holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Partitions that it leads.
    pub leads: usize,
    /// Partitions of which it should have a copy.
    pub copies: usize,
    /// Those of them that no other broker has whole.
    pub last_copies: usize,
    /// Their topics.
    pub topics: BTreeSet<String>,
}

impl Held {
    /// That a broker which is neither there nor wanted should have these copies, and what to do. `node`: where it was.
    pub fn gone_in_words(&self, broker: i32, node: Option<&str>) -> String {
        let lost = match self.last_copies {
            0 => String::new(),
            last => format!(", {last} of which had no other"),
        };
        let (place, cure) = match node {
            Some(node) => (
                format!(" ({node})"),
                format!(
                    "put {node} back into the inventory: its broker gets its old number and copies them again"
                ),
            ),
            None => (
                String::new(),
                "Kafka's own tools can give them another place".to_owned(),
            ),
        };
        format!(
            "broker {broker}{place} is gone with copies of {} partitions ({}){lost}; {cure}",
            self.copies,
            self.topics_in_words()
        )
    }

    /// Some of the topics, in words.
    pub fn topics_in_words(&self) -> String {
        let mut names: Vec<&str> = self.topics.iter().take(3).map(String::as_str).collect();
        if self.topics.len() > names.len() {
            names.push("…");
        }
        names.join(", ")
    }
}

impl Topic {
    /// How the settings the topic has of its own differ from all that it should have, a line for each.
    pub fn settings_differ(&self, wanted: &BTreeMap<String, String>) -> Vec<String> {
        const DEFAULT: &str = "the brokers' default";
        let Some(there) = &self.config else {
            return vec![format!("topic {}: its settings are not known", self.name)];
        };
        let keys: BTreeSet<&String> = there.keys().chain(wanted.keys()).collect();
        let word = |value: Option<&String>| value.map_or(DEFAULT.into(), Clone::clone);
        keys.into_iter()
            .filter_map(|key| {
                let (there, wanted) = (there.get(key), wanted.get(key));
                let same = match (there, wanted) {
                    (Some(there), Some(wanted)) => same_value(there, wanted),
                    _ => false,
                };
                let (name, there, wanted) = (&self.name, word(there), word(wanted));
                (!same).then(|| format!("topic {name}: {key} {there} → {wanted}"))
            })
            .collect()
    }

    /// How many records are behind what was read of each partition; `None`: not known.
    pub fn behind(&self, read: &BTreeMap<i32, i64>) -> Option<i64> {
        if read.is_empty() {
            return self.messages;
        }
        let ends = self.partitions.iter().map(|partition| {
            let end = self.ends.get(&partition.id)?;
            let read = read.get(&partition.id).copied();
            Some((end - read.unwrap_or(0)).max(0))
        });
        ends.sum()
    }

    /// How many copies its partitions have where that is another number, in words.
    pub fn copies_differ(&self, wanted: u32) -> Option<String> {
        let counts: BTreeSet<usize> = self
            .partitions
            .iter()
            .map(|partition| partition.replicas.len())
            .filter(|count| u32::try_from(*count) != Ok(wanted))
            .collect();
        let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
        (!counts.is_empty()).then(|| {
            format!(
                "topic {}: {} of each partition, not {wanted}",
                self.name,
                match counts.as_slice() {
                    [one] if one == "1" => "1 copy".to_owned(),
                    all => format!("{} copies", all.join(" or ")),
                }
            )
        })
    }

    /// Whether every partition has a leader and its full set of in-sync replicas.
    pub fn in_sync(&self) -> bool {
        self.partitions.iter().all(|partition| {
            partition.leader >= 0 && partition.isr.len() == partition.replicas.len()
        })
    }
}

/// Whether brokers take two texts for the same value: they write numbers, yes and no, and lists in their own way.
fn same_value(there: &str, wanted: &str) -> bool {
    let items = |text: &str| -> Vec<String> {
        let items = text.split(',').map(str::trim);
        items.map(str::to_owned).collect()
    };
    let (there, wanted) = (items(there), items(wanted));
    there.len() == wanted.len()
        && there
            .iter()
            .zip(&wanted)
            .all(|(there, wanted)| same_item(there, wanted))
}

fn same_item(there: &str, wanted: &str) -> bool {
    if let (Ok(there), Ok(wanted)) = (there.parse::<i128>(), wanted.parse::<i128>()) {
        return there == wanted;
    }
    let number = |text: &str| text.parse::<f64>().ok().map(f64::to_bits);
    let is_bool = |text: &str| matches!(text.to_ascii_lowercase().as_str(), "true" | "false");
    there == wanted
        || number(there).is_some_and(|there| Some(there) == number(wanted))
        || (is_bool(there) && there.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Inspect, Topic, same_value};

    fn report(isr: &[i32]) -> Inspect {
        let report = json!({
            "kafka": {"reachable": true, "error": null,
                "brokers": [{"id": 1, "host": "vm2.x.internal", "port": 9092}, {"id": 2, "host": "vm3.x.internal", "port": 9092}],
                "topics": [{"name": "t", "partitions": [{"id": 0, "leader": 1, "replicas": [1, 2], "isr": isr}], "messages": 1234, "lag": null}]},
            "couchdb": {"reachable": true, "error": null, "vendor": "CouchDB 3.5.1",
                "databases": [{"name": "t", "topic": "t", "documents": 100, "newest": null, "dead_letters": 0}]},
            "more": 1
        });
        Inspect::read(&report).expect("a report")
    }

    #[test]
    fn access_to_a_database_is_as_it_was_made_or_each_difference_is_named() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut database = super::Database {
            access_kept: Some(true),
            readers: names(&["a", "b"]),
            guarded: Some(true),
            ..super::Database::default()
        };
        assert!(database.access_differs(&names(&["a", "b"])).is_empty());
        database.guarded = Some(false);
        let differs = database.access_differs(&names(&["b", "c"]));
        let all = [
            "c may not read it",
            "a may read it",
            "its readers may write to it",
        ];
        assert_eq!(differs, all);
        database.access_kept = Some(false);
        assert_eq!(database.access_differs(&names(&["a", "b"]))[0], "changed");
    }

    #[test]
    fn knows_when_it_is_in_sync() {
        assert!(report(&[1, 2]).in_sync(2));
        assert!(!report(&[1]).in_sync(2), "a replica lags");
        assert!(!report(&[1, 2]).in_sync(3), "a broker is missing");
        assert!(!Inspect::default().in_sync(0), "nobody answers");
    }

    #[test]
    fn values_are_the_same_where_kafka_takes_them_for_the_same() {
        for (there, wanted) in [
            ("604800000", "604800000"),
            ("604800000", "0604800000"),
            ("0.5", "0.50"),
            ("true", "TRUE"),
            ("compact,delete", "compact, delete"),
            ("", ""),
        ] {
            assert!(same_value(there, wanted), "{there} {wanted}");
        }
        for (there, wanted) in [
            ("604800000", "604800001"),
            ("9007199254740993", "9007199254740992"),
            ("0.5", "0.51"),
            ("true", "false"),
            ("delete", "Delete"),
            ("compact", "compact,delete"),
        ] {
            assert!(!same_value(there, wanted), "{there} {wanted}");
        }
    }

    #[test]
    fn says_how_settings_and_copies_differ() {
        let mut topic: Topic = serde_json::from_value(json!({"name": "t", "config": {
            "retention.ms": "604800000", "max.message.bytes": "65536", "cleanup.policy": "delete"},
            "partitions": [{"replicas": [1]}, {"replicas": [2, 1]}, {"replicas": [1, 2, 3]}]}))
        .expect("a topic");
        let wanted = [
            ("retention.ms", "3600000"),
            ("cleanup.policy", "delete"),
            ("flush.ms", "5"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        assert_eq!(
            topic.settings_differ(&wanted),
            [
                "topic t: flush.ms the brokers' default → 5",
                "topic t: max.message.bytes 65536 → the brokers' default",
                "topic t: retention.ms 604800000 → 3600000"
            ]
        );
        topic.config = None;
        assert_eq!(
            topic.settings_differ(&wanted),
            ["topic t: its settings are not known"]
        );
        assert_eq!(
            topic.copies_differ(2).as_deref(),
            Some("topic t: 1 or 3 copies of each partition, not 2")
        );
        topic.partitions.truncate(2);
        topic.partitions.remove(0);
        assert_eq!(topic.copies_differ(2), None);
    }

    #[test]
    fn says_what_a_broker_holds_and_which_are_gone() {
        let report = json!({"kafka": {"reachable": true, "brokers": [{"id": 1}, {"id": 3}],
            "topics": [{"name": "t", "partitions": [
                {"id": 0, "leader": 1, "replicas": [1, 2], "isr": [1]},
                {"id": 1, "leader": -1, "replicas": [2], "isr": [2]},
                {"id": 2, "leader": 3, "replicas": [3, 1], "isr": [3, 1]}]}],
            "other_topics": [{"name": "__consumer_offsets", "partitions": [
                {"id": 0, "leader": 3, "replicas": [3], "isr": [3]}]}]}});
        let log = Inspect::read(&report).expect("a report").log;
        let held = log.held_by(3);
        assert_eq!((held.leads, held.copies, held.last_copies), (2, 2, 1));
        assert_eq!(held.topics_in_words(), "__consumer_offsets, t");
        let gone = log.gone(&[1].into());
        assert_eq!(gone.keys().collect::<Vec<_>>(), [&2]);
        assert_eq!((gone[&2].copies, gone[&2].last_copies), (2, 1));
        assert!(log.gone(&[1, 2].into()).is_empty(), "it is only away");
    }
}
