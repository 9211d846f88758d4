//! How fast the agents are, each beside something named that does the same work on the same servers.
//!
//! ```text
//! cargo bench -p agent                        # all figures; less than ten minutes
//! cargo bench -p agent -- producer            # some of them
//! ```
//!
//! | figure      | what is measured                                              | beside                                           |
//! |-------------|---------------------------------------------------------------|--------------------------------------------------|
//! | `producer`  | lines of 100 B and 1 KB from a pipe to confirmed events       | a bare loop over librdkafka with the same settings and the same events, and Kafka's `ProducerPerformance` |
//! | `consumer`  | a backlog in 1, 2, 4 and 8 partitions to documents            | `_bulk_docs` of the same documents, 500 at once, as many requests at once as there are partitions; and one `POST` per document |
//! | `readers`   | `_bulk_docs` to a database of which users read the documents  | the same to one of which nobody does             |
//! | `rows`      | a backlog in 2 partitions to rows of a real `MariaDB`         | one commit for each row                          |
//! | `latency`   | from an event to its document, at 10 a second and at half of the consumer's best | the targets, 1 s and 3 s               |
//!
//! What is compared runs in turns, three times; of each, the slowest, the middle and the fastest run are printed, and ratios
//! are those of the middle ones. Kafka (two brokers, every partition on both) and ZooKeeper come by Maven, as in the tests.
//! `CouchDB` is the release whose archive (tar.gz) `DEPLOYER_TEST_COUCHDB` names; without one it is the tests' double in
//! memory: ratios then show what the clients cost, rates and latencies say nothing of `CouchDB`.
//!
//! Such an archive comes out of `CouchDB`'s sources (3.5, with Erlang 25) in a minute:
//!
//! ```text
//! ./configure --disable-docs --disable-fauxton --without-proper --disable-spidermonkey --js-engine quickjs
//! make release && tar -czf couchdb.tar.gz -C rel couchdb
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a panic is the message, figures are printed, and the tests' lab has more than is needed here"
)]

#[path = "../agent/certificates.rs"]
mod certificates;
#[path = "../agent/cluster/mod.rs"]
mod cluster;
mod consumer;
mod couchdb;
#[path = "../agent/double/mod.rs"]
mod double;
#[path = "../agent/lab.rs"]
mod lab;
#[path = "../agent/mariadb/server.rs"]
mod mariadb;
mod process;
mod producer;
mod rows;

use std::fmt;

use cluster::Cluster;
use couchdb::Server;

const NAMES: [&str; 5] = ["producer", "rows", "consumer", "readers", "latency"];

/// How often each thing is measured.
const TURNS: usize = 3;

/// Rates of several runs, in things a second.
#[derive(Default)]
pub struct Rates(Vec<f64>);

impl Rates {
    pub fn push(&mut self, things: usize, time: std::time::Duration) {
        self.0.push(things as f64 / time.as_secs_f64());
        self.0.sort_by(f64::total_cmp);
    }

    pub fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (self.0[0], self.0[self.0.len() - 1]);
        write!(formatter, "{least:9.0} {:9.0} {most:9.0} /s", self.median())
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` runs this too, without the word by which `cargo bench` calls.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("figures are measured by `cargo bench -p agent`");
        return;
    }
    let wanted =
        |name: &str| arguments.len() == 1 || arguments.iter().any(|argument| argument == name);
    for argument in arguments.iter().filter(|argument| *argument != "--bench") {
        assert!(
            NAMES.contains(&argument.as_str()),
            "there is no figure {argument}; there are {}",
            NAMES.join(", ")
        );
    }
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(directory.path(), "warm-up", 1);
    if wanted("producer") {
        producer::measure(&cluster, directory.path());
    }
    if wanted("rows") {
        rows::throughput(&cluster, directory.path());
    }
    if !["consumer", "readers", "latency"]
        .iter()
        .any(|name| wanted(name))
    {
        return;
    }
    let couchdb = Server::start(directory.path());
    println!("documents go to {}", couchdb.kind);
    if wanted("consumer") {
        consumer::throughput(&cluster, &couchdb, directory.path());
    }
    if wanted("readers") {
        consumer::readers(&cluster, &couchdb);
    }
    if wanted("latency") {
        consumer::latency(&cluster, &couchdb, directory.path());
    }
}
