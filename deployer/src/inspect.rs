//! The pipeline's own report: what `consumer inspect` prints, see the agents' contract. Plain data; what an older or newer
//! consumer leaves out or adds does no harm.

use serde::{Deserialize, Serialize};

/// The report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inspect {
    /// What Kafka says.
    pub kafka: Kafka,
    /// What CouchDB says.
    pub couchdb: Couchdb,
}

/// What Kafka says of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kafka {
    /// Whether any broker answered in time.
    pub reachable: bool,
    /// Why not.
    pub error: Option<String>,
    /// The brokers in the metadata.
    pub brokers: Vec<Broker>,
    /// The topics.
    pub topics: Vec<Topic>,
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
    /// Events the consumer has not taken yet; `None`: not known.
    pub lag: Option<i64>,
    /// Events that Kafka has deleted before the consumer took them, and it has not written that down; `None`: not known.
    pub deleted: Option<i64>,
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

/// What CouchDB says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Couchdb {
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
    /// Events that Kafka deleted before the consumer took them, by what it wrote down; `None`: not known.
    pub lost_events: Option<u64>,
    /// Dead letters that were put away.
    pub put_away: Option<u64>,
    /// Whether its access rules are those that were made with it; `None`: not known.
    pub access_kept: Option<bool>,
    /// Why nothing is known of it, where it is not missing.
    pub error: Option<String>,
}

impl Inspect {
    /// Reads the report; `None`: it is not one.
    pub fn read(report: &serde_json::Value) -> Option<Self> {
        Self::deserialize(report).ok()
    }

    /// Whether so many brokers are there and every partition has its full set of in-sync replicas.
    pub fn in_sync(&self, brokers: usize) -> bool {
        self.kafka.reachable
            && self.kafka.brokers.len() >= brokers
            && self.kafka.topics.iter().all(Topic::in_sync)
    }
}

impl Topic {
    /// Whether every partition has a leader and its full set of in-sync replicas.
    pub fn in_sync(&self) -> bool {
        self.partitions.iter().all(|partition| {
            partition.leader >= 0 && partition.isr.len() == partition.replicas.len()
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Inspect;

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
    fn knows_when_it_is_in_sync() {
        assert!(report(&[1, 2]).in_sync(2));
        assert!(!report(&[1]).in_sync(2), "a replica lags");
        assert!(!report(&[1, 2]).in_sync(3), "a broker is missing");
        assert!(!Inspect::default().in_sync(0), "nobody answers");
    }
}
