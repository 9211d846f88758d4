//! A file of one machine goes to two sinks of another, lines of JSON and CSV, with no CouchDB anywhere; then CouchDB comes as a
//! third. Each has each line once, whatever happens to the consumer and to the other sinks.

use std::collections::BTreeSet;

use deployer::documents::file::{Head, Writing};
use serde_json::Value;

use crate::command_line::Said;
use crate::deployer_command::{Deployer, subtest};
use crate::support::{eventually, may_run};
use crate::watch::well;

const INVENTORY: &str = "\
nodes:
  vm1: { roles: [producer] }
  vm2: { roles: [zookeeper, kafka, consumer] }
kafka: { replication: 1 }
producer: { source: file, path: /var/log/shop.log, group: adm, count: 5 }
sinks:
  lines: { from: utilizations1, files: {} }
  table: { from: utilizations1, files: { format: csv, columns: [_id, line] } }
";

#[test]
fn sinks_of_one_topic_live_apart() {
    if !may_run("sinks_of_one_topic_live_apart") {
        return;
    }
    let shop = Shop(Deployer::new(INVENTORY));
    let deployer = &shop.0;
    subtest("a deployment needs no CouchDB", || shop.lives_on_files());
    let documents = "sinks:\n  documents: { from: utilizations1, couchdb: {} }\n";
    let inventory = INVENTORY.replace("consumer]", "consumer, couchdb]");
    let inventory = inventory.replace("count: 5", "count: 0");
    deployer.write(&inventory.replace("sinks:\n", documents));
    shop.remove_file();
    deployer.run(&["up", "--yes"]).code(0);
    shop.await_documents(10);
    subtest("a killed consumer writes each line once", || {
        shop.write(11, 100);
        for first in [101, 201] {
            shop.kill_consumer();
            shop.write(first, first + 99);
        }
        shop.await_files("lines", 300);
        shop.await_files("table", 300);
        shop.await_documents(300);
    });
    subtest("a CouchDB that is away stops no files", || {
        shop.systemctl(&["stop"], "couchdb");
        shop.write(301, 350);
        shop.await_files("lines", 350);
        shop.await_files("table", 350);
        shop.status().code(1).says(&["couchdb: "]);
        shop.systemctl(&["start"], "couchdb");
        shop.await_documents(350);
        well(deployer);
    });
    subtest("a closed directory stops no other sink", || {
        let table = shop.directory("table");
        shop.on("vm2", &format!("chmod 0 {table}"));
        shop.systemctl(&["restart"], "consumer");
        shop.write(351, 400);
        shop.await_files("lines", 400);
        shop.await_documents(400);
        let trouble = format!("vm2: consumer: {table}/utilizations1: Permission denied");
        eventually("status names the directory", || {
            let said = shop.status();
            let names_it = said.all().contains(&trouble);
            names_it.then_some(()).ok_or_else(|| said.all())
        });
        assert_eq!(shop.files("table").len(), 350);
        shop.on("vm2", &format!("chmod 750 {table}"));
        shop.await_files("table", 400);
        well(deployer);
    });
    subtest("check names a file that the producer cannot read", || {
        deployer.run(&["check"]).code(0);
        shop.on("vm1", "chmod 600 /var/log/shop.log");
        deployer.run(&["check"]).code(1).says(&[
            "the producer could not read /var/log/shop.log",
            "-rw------- root:adm",
        ]);
        shop.on("vm1", "chmod 640 /var/log/shop.log");
        deployer.run(&["check"]).code(0);
    });
    let status = well(deployer);
    let sinks = &status["topics"]["utilizations1"]["sinks"];
    for sink in ["lines", "table"] {
        assert_eq!(sinks[sink]["records"], 400, "{sinks}");
        assert_eq!(sinks[sink]["dead_letters"], 0, "{sinks}");
    }
    assert!(sinks["lines"]["newest_age_seconds"].is_u64(), "{sinks}");
    deployer.run(&["plan"]).code(0).says(&["nothing to do"]);
    shop.await_files("lines", 400);
    deployer.teardown();
}

#[test]
fn what_never_had_a_couchdb_takes_no_documents_and_is_taken_away() {
    if !may_run("what_never_had_a_couchdb_takes_no_documents_and_is_taken_away") {
        return;
    }
    let inventory = "\
nodes: { vm1: { roles: [zookeeper, kafka, consumer, producer] } }
kafka: { replication: 1 }
producer: { count: 5, interval: 20ms }
sinks: { lines: { from: utilizations1, files: {} } }
";
    let deployer = Deployer::new(inventory);
    let run = |words: &[&str]| deployer.run(words);
    run(&["up", "--yes", "--wait"]).code(0);
    let file_of = |name: &str| deployer.directory.path().join(name);
    let path = file_of("export.gz");
    let mut file = Writing::begin(&path).expect("begun");
    let head = Head::new("another", "0a1b2c3d4e5f", vec!["utilizations1".into()]);
    file.head(&head).expect("a head");
    file.end().expect("an end");
    let refused = run(&["import", &path.display().to_string()]).code(64);
    refused.says(&["has no CouchDB, so it has no databases", "lines"]);
    let lost = run(&[
        "teardown",
        "--yes",
        "--export",
        &file_of("kept.gz").display().to_string(),
    ]);
    let lost = lost.code(64);
    lost.says(&[
        "has no CouchDB, so it has no databases",
        "nothing was taken away",
    ]);
    well(&deployer);
    deployer.teardown();
}

/// The deployment, and what happens in it.
struct Shop(Deployer);

impl Shop {
    /// All that a user would type where no node has CouchDB.
    fn lives_on_files(&self) {
        let run = |words: &[&str]| self.0.run(words);
        run(&["check"]).code(0);
        let planned = run(&["plan"]).code(2);
        planned
            .says(&["prepare 2 topics"])
            .never_says(&["database"]);
        let proven = "acknowledged by all in-sync brokers; no documents are made here";
        run(&["up", "--yes"]).code(0).says(&[proven]);
        self.write(1, 5);
        let waited = run(&["up", "--wait"]).code(0);
        waited.says(&["all events are stored", "nothing to do"]);
        assert_eq!(
            (self.files("lines").len(), self.files("table").len()),
            (5, 5)
        );
        self.remove_file();
        self.write(6, 10);
        run(&["produce", "--wait"]).code(0);
        self.await_files("lines", 10);
        self.await_files("table", 10);
        well(&self.0);
        self.status().code(0).says(&["to lines", "to table"]);
        let newest = run(&["docs", "-n", "1"]).code(0);
        assert_eq!(newest.json()["line"], "order 10");
        run(&["verify"]).code(0).says(&[proven]);
        run(&["dead-letters"])
            .code(0)
            .says(&["there are no dead letters"]);
        let retried = run(&["dead-letters", "--retry"]).code(1);
        retried.says(&["beside sinks, where they are only shown"]);
        let file = self.0.directory.path().join("export.jsonl");
        let exported = run(&["export", &file.display().to_string()]).code(64);
        exported.says(&["has no CouchDB, so it has no databases", "lines, table"]);
        assert!(!file.exists(), "half of an export is left");
        let opened = run(&["open", "couchdb"]).code(64);
        opened.says(&["no node with the role couchdb"]);
        run(&["logs", "consumer"]).code(0);
        run(&["plan"]).code(0).says(&["nothing to do"]);
    }

    fn on(&self, node: &str, script: &str) -> String {
        self.0.on(node, &["sh", "-c", script])
    }

    fn systemctl(&self, words: &[&str], role: &str) -> String {
        let unit = format!("{}-{role}.service", self.0.name);
        self.on("vm2", &format!("systemctl {} {unit}", words.join(" ")))
    }

    /// Kills the consumer as soon as it runs.
    fn kill_consumer(&self) {
        eventually("the consumer runs", || {
            let state = self.systemctl(&["show", "-P", "ActiveState"], "consumer");
            (state.trim() == "active").then_some(()).ok_or(state)
        });
        self.systemctl(&["kill", "--signal=KILL"], "consumer");
    }

    /// Writes lines with these numbers to the file.
    fn write(&self, first: usize, last: usize) {
        let script = format!(
            "umask 027; seq -f 'order %g' {first} {last} >>/var/log/shop.log && chgrp adm /var/log/shop.log"
        );
        self.on("vm1", &script);
    }

    /// A new run, which another count begins as well, reads the file from its beginning: what was sent must be gone.
    fn remove_file(&self) {
        self.on("vm1", "rm /var/log/shop.log");
    }

    fn directory(&self, sink: &str) -> String {
        format!("/var/lib/deployer/{}/consumer/{sink}", self.0.name)
    }

    /// The lines that the files of a sink hold, by the ids of their events.
    fn files(&self, sink: &str) -> Vec<(String, String)> {
        let files = format!("{}/utilizations1/2*", self.directory(sink));
        let text = self.on("vm2", &format!("cat {files} || true"));
        let row = |row: &str| {
            if sink == "table" {
                let (id, line) = row.split_once(',').expect("two columns");
                return (id.to_owned(), line.to_owned());
            }
            let document: Value = serde_json::from_str(row).expect("a line of JSON");
            let of = |key: &str| document[key].as_str().expect("a text").to_owned();
            (of("_id"), of("line"))
        };
        let rows = text.lines().filter(|line| *line != "_id,line");
        rows.map(row).collect()
    }

    /// Waits until a sink has the first lines, in their order and each once.
    fn await_files(&self, sink: &str, count: usize) {
        let rows = eventually(&format!("{count} rows in {sink}"), || {
            let rows = self.files(sink);
            let missing = format!("{} rows", rows.len());
            (rows.len() >= count).then_some(rows).ok_or(missing)
        });
        let ids: BTreeSet<&String> = rows.iter().map(|(id, _)| id).collect();
        assert_eq!((rows.len(), ids.len()), (count, count), "{sink}");
        for (number, (_, line)) in rows.iter().enumerate() {
            assert_eq!(line, &format!("order {}", number + 1), "{sink}");
        }
    }

    fn status(&self) -> Said {
        self.0.run(&["status"])
    }

    fn await_documents(&self, count: u64) {
        eventually(&format!("{count} documents"), || {
            let status = self.0.run(&["status", "--json"]).json();
            let topic = &status["topics"]["utilizations1"];
            let is_there = topic["documents"] == count && topic["dead_letters"] == 0;
            is_there.then_some(()).ok_or_else(|| topic.to_string())
        });
    }
}
