//! What `verify --report` writes for somebody who was not there: what was proven, what each topic's events became, and on what. A stable
//! shape (`"format": 1`), as JSON or as one page of HTML. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::status_report::Report;
use crate::carry_out::kill_broker::Killed;
use crate::carry_out::prove::Proof;
use crate::contract::Comparison;
use crate::template::{TemplateError, render};

/// The report.
#[derive(Debug, Serialize)]
pub struct Grade {
    /// Format of this document.
    pub format: u32,
    /// When it was made.
    pub at: jiff::Timestamp,
    /// The version of the deployer that made it.
    pub deployer: &'static str,
    /// The deployment's name.
    pub deployment: String,
    /// Its id.
    pub id: String,
    /// Nothing speaks against it.
    pub passed: bool,
    /// What does, in words.
    pub problems: Vec<String>,
    /// The canaries.
    pub canaries: Proof,
    /// What was proven while a broker was dead and came back; `None`: no broker was killed.
    pub after_the_kill: Option<Killed>,
    /// Each topic against its database.
    pub topics: Vec<Comparison>,
    /// The newest document; `None`: there is none.
    pub sample: Option<Value>,
    /// Node → what its cloud calls the machine.
    pub machines: BTreeMap<String, String>,
    /// What was unpacked, with its version and where it came from.
    pub software: Vec<String>,
    /// How the deployment was meanwhile, as `status --json` has it.
    pub status: Report,
}

impl Grade {
    /// Judges what was gathered, and adds it to what is not well by itself.
    pub fn judge(&mut self) {
        let mut problems: Vec<String> = self.topics.iter().flat_map(against).collect();
        problems.extend(self.status.problems.iter().cloned());
        self.passed = problems.is_empty();
        self.problems = problems;
    }

    /// A page that needs no other file.
    pub fn html(&self) -> Result<String, TemplateError> {
        #[derive(Serialize)]
        struct Page<'a> {
            #[serde(flatten)]
            grade: &'a Grade,
            sample_text: String,
        }
        let sample = self.sample.as_ref().unwrap_or(&Value::Null);
        let page = Page {
            grade: self,
            sample_text: format!("{sample:#}"),
        };
        render("report.html", &page)
    }
}

/// What speaks against a topic and its database.
fn against(compared: &Comparison) -> Vec<String> {
    let Comparison {
        topic,
        database,
        partitions,
        missing,
        foreign,
        ..
    } = compared;
    let mut found = Vec::new();
    if missing.count > 0 {
        found.push(format!(
            "{topic}: {} events are neither documents nor dead letters: {}",
            missing.count,
            missing.first.join(", ")
        ));
    }
    // What was deleted from the topic by its age may have left documents: nobody can tell them from foreign ones.
    let is_whole = partitions.iter().all(|partition| partition.begin == 0);
    if foreign.count > 0 && is_whole {
        found.push(format!(
            "{database}: {} documents are of no event of {topic}: {}",
            foreign.count,
            foreign.first.join(", ")
        ));
    }
    for partition in partitions {
        if partition.isr.len() < partition.replicas.len() {
            found.push(format!(
                "{topic}, partition {}: {} of {} copies are in sync",
                partition.partition,
                partition.isr.len(),
                partition.replicas.len()
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Named, Span};

    fn compared() -> Comparison {
        Comparison {
            topic: "t".into(),
            database: "d".into(),
            partitions: vec![Span {
                partition: 0,
                begin: 0,
                end: 3,
                replicas: vec![1, 2],
                isr: vec![1, 2],
            }],
            events: 3,
            again: 0,
            documents: 3,
            dead_letters: 0,
            missing: Named::default(),
            foreign: Named::default(),
        }
    }

    fn named(name: &str) -> Named {
        Named {
            count: 1,
            first: vec![name.into()],
        }
    }

    #[test]
    fn each_kind_of_difference_speaks_against_it() {
        assert_eq!(against(&compared()), [""; 0]);
        let mut all = compared();
        all.missing = named("0:2");
        all.foreign = named("theirs");
        all.partitions[0].isr.pop();
        assert_eq!(
            against(&all),
            [
                "t: 1 events are neither documents nor dead letters: 0:2",
                "d: 1 documents are of no event of t: theirs",
                "t, partition 0: 1 of 2 copies are in sync"
            ]
        );
    }

    #[test]
    fn a_document_of_an_event_that_kafka_deleted_is_not_called_foreign() {
        let mut old = compared();
        old.foreign = named("c-r-000000000001");
        old.partitions[0].begin = 1;
        assert_eq!(against(&old), [""; 0]);
    }
}
