//! Where events go: which topics to CouchDB, and which to files.

use std::collections::BTreeMap;

use super::NAME;
use crate::component::{couchdb, kafka};
use crate::inventory::{self, FileFormat, Findings, Inventory, Member};
use crate::topology::{FilesSink, Topic};

/// Where files go by name; topics are told whether they go to CouchDB. Without sinks, each does.
pub fn sinks(
    inventory: &Inventory,
    members: &[Member<'_>],
    topics: &mut BTreeMap<String, Topic>,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, FilesSink> {
    if inventory.sinks.is_empty() {
        return BTreeMap::new();
    }
    for topic in topics.values_mut() {
        // The canaries prove the way to CouchDB, where there is one.
        topic.documented = topic.canary;
    }
    let has = |role| members.iter().any(|member| member.has(role));
    if !has(NAME) {
        findings.lacks(
            "sinks",
            "nobody writes to them: no node is a consumer",
            "give a node the role `consumer`",
        );
    }
    let mut found = BTreeMap::new();
    for (name, sink) in &inventory.sinks {
        let key = format!("sinks.{name}");
        let Some(topic) = topics.get_mut(&sink.from) else {
            if has(kafka::NAME) {
                findings.lacks(
                    format!("{key}.from"),
                    format!("`{}` is no topic of the inventory", sink.from),
                    format!("add it to `topics.extra`, or name one of {}", names(topics)),
                );
            }
            continue;
        };
        match (&sink.couchdb, &sink.files) {
            (Some(_), None) => {
                if topic.documented {
                    findings.add(
                        format!("{key}.couchdb"),
                        format!("`{}` goes to CouchDB already", sink.from),
                        "take this sink away",
                    );
                }
                topic.documented = true;
                if !has(couchdb::NAME) {
                    findings.lacks(
                        format!("{key}.couchdb"),
                        "no node has CouchDB",
                        "give a node the role `couchdb`",
                    );
                }
            }
            (None, Some(files)) => {
                check_columns(&key, files, findings);
                found.insert(name.clone(), files_sink(&sink.from, files));
            }
            _ => findings.add(
                key,
                "must be of one kind: `couchdb` or `files`",
                "write `files: {}`, or `couchdb: {}`",
            ),
        }
    }
    found
}

fn check_columns(key: &str, files: &inventory::FilesSink, findings: &mut Findings<'_>) {
    let is_csv = files.format == FileFormat::Csv;
    if is_csv && files.columns.iter().all(String::is_empty) {
        findings.add(
            format!("{key}.files.format"),
            "`csv` needs the columns",
            "add such as `columns: [_id, timestamp, memory.free]`",
        );
    } else if !is_csv && !files.columns.is_empty() {
        findings.add(
            format!("{key}.files.columns"),
            "are of `csv` alone: a line of `json` is the whole document",
            "add `format: csv`",
        );
    }
}

fn files_sink(from: &str, files: &inventory::FilesSink) -> FilesSink {
    FilesSink {
        from: from.to_owned(),
        format: files.format,
        columns: files.columns.clone(),
        roll_bytes: files.roll_mib << 20,
    }
}

fn names(topics: &BTreeMap<String, Topic>) -> String {
    let own = topics.values().filter(|topic| !topic.canary);
    let names: Vec<String> = own.map(|topic| format!("`{}`", topic.name)).collect();
    names.join(", ")
}
