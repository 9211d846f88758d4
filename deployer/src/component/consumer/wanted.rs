//! What the pipeline should be: topics with their settings, and databases.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access::{self, Marks};
use super::tables::Table;
use crate::component::Difference;
use crate::inspect::Inspect;
use crate::rights::Right;

/// What should be there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The topics that must exist, with partition counts.
    pub topics: BTreeMap<String, u32>,
    /// All settings that each of them should have of its own.
    pub settings: BTreeMap<String, BTreeMap<String, String>>,
    /// The databases that must exist.
    pub databases: BTreeSet<String>,
    /// The tables of sinks, which the consumer makes where they are missing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, Table>,
    /// Databases of which users read the documents.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub readers: BTreeMap<String, BTreeSet<String>>,
    /// All who may log in to Kafka, each with the mark of the password; none: it asks nobody who it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users: Marks,
    /// All that they may do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rights: Vec<Right>,
}

impl Wanted {
    /// What making it is, in one line.
    pub(super) fn words(&self) -> String {
        let counted = |count: usize, noun: &str| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{count} {noun}{plural}")
        };
        let more = [
            (self.users.len(), "user"),
            (self.databases.len(), "database"),
        ];
        let more = more.into_iter().filter(|(count, _)| *count > 0);
        let mut words: Vec<String> = more.map(|(count, noun)| counted(count, noun)).collect();
        words.insert(0, counted(self.topics.len(), "topic"));
        let last = words.pop().unwrap_or_default();
        match words.as_slice() {
            [] => format!("prepare {last}"),
            first => format!("prepare {} and {last}", first.join(", ")),
        }
    }
}

/// What is missing in the pipeline or not as it should be, by its report.
pub(super) fn differs(wanted: &Value, report: Option<&Value>) -> Option<Difference> {
    let Ok(wanted) = Wanted::deserialize(wanted) else {
        return Some(Difference::of("what is wanted cannot be read"));
    };
    let Wanted {
        topics,
        settings,
        databases,
        ..
    } = &wanted;
    let Some(Inspect {
        log: kafka,
        store: couchdb,
        ..
    }) = report.and_then(Inspect::read)
    else {
        return Some(Difference::of("the pipeline does not answer yet"));
    };
    for (name, reachable, error) in [
        ("Kafka", kafka.reachable, &kafka.error),
        (
            "CouchDB",
            couchdb.reachable || databases.is_empty(),
            &couchdb.error,
        ),
    ] {
        if !reachable {
            let error = error.as_ref().map(|error| format!(": {error}"));
            let error = error.unwrap_or_default();
            return Some(Difference::of(format!("{name} does not answer{error}")));
        }
    }
    let mut missing = Vec::new();
    let mut differences = Vec::new();
    for (name, wanted) in topics {
        let Some(topic) = kafka.topic(name) else {
            missing.push(format!("topic {name}"));
            continue;
        };
        let count = topic.partitions.len();
        if u32::try_from(count).is_ok_and(|count| count < *wanted) {
            missing.push(format!("partitions of topic {name}"));
            differences.push(format!("topic {name}: partitions {count} → {wanted}"));
        }
        if let Some(wanted) = settings.get(name) {
            differences.extend(topic.settings_differ(wanted));
        }
    }
    missing.extend(
        databases
            .iter()
            .filter(|name| {
                !couchdb.databases.iter().any(|database| {
                    let main = database.name == **name
                        && (database.documents.is_some() || database.error.is_some());
                    main || (dead_letters(&database.name) == **name
                        && (database.dead_letters.is_some() || database.error.is_some()))
                })
            })
            .map(|name| format!("database {name}")),
    );
    // Who may not look may not write either, whatever was changed.
    let nobody = BTreeSet::new();
    let ours = couchdb.databases.iter();
    for database in ours.filter(|database| databases.contains(&database.name)) {
        let readers = wanted.readers.get(&database.name).unwrap_or(&nobody);
        let why = match &database.error {
            Some(closed) => vec![closed.clone()],
            None => database.access_differs(readers),
        };
        if !why.is_empty() {
            let (name, why) = (&database.name, why.join(", "));
            missing.push(format!("access rules of database {name} ({why})"));
        }
    }
    let (not_there, not_same) = access::differs(&wanted, &kafka);
    missing.extend(not_there);
    let because = match (differences.is_empty(), not_same.is_empty()) {
        _ if !missing.is_empty() => format!("missing: {}", missing.join(", ")),
        (true, true) => return None,
        (false, true) => "settings of topics differ".to_owned(),
        (true, false) => "users or rights differ".to_owned(),
        (false, false) => "settings of topics, and users or rights differ".to_owned(),
    };
    differences.extend(not_same);
    Some(Difference {
        because,
        diff: (!differences.is_empty()).then(|| differences.join("\n")),
    })
}

/// The name of the database for what cannot be stored in `database`.
fn dead_letters(database: &str) -> String {
    format!("{database}-dead-letters")
}
