//! The whole way: `up --cloud aws` from an empty account to documents in CouchDB, on booted machines, by the binary as a user calls
//! it; nothing is left after `teardown`.

use std::time::{Duration, Instant};

use deployer::cloud::Cloud as _;

use super::bench::Bench;
use super::desk::{Desk, says};
use super::moto::{self, Moto};
use super::watcher::{Watcher, may_boot};

const REGION: &str = "us-east-2";

/// CouchDB is the stand-in: its packages are on no registry that every box reaches.
fn inventory(url: &str) -> String {
    format!(
        "\
name: whole
cloud: aws
nodes:
  vm1: {{ count: 2, roles: [producer] }}
  vm2: {{ roles: [zookeeper, kafka, consumer] }}
  vm3: {{ roles: [kafka, couchdb] }}
couchdb: {{ distribution: pouchdb }}
producer: {{ count: 20, interval: 50ms }}
clouds:
  aws: {{ region: {REGION}, endpoint_url: '{url}', ssh_from: [10.126.255.254], ttl: 2h }}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn from_an_empty_account_to_documents_and_back() {
    let Some(moto) = Moto::start(&[]) else { return };
    if !may_boot() {
        return;
    }
    let url = format!("http://127.0.0.1:{}", moto.port);
    let _watcher = Watcher::start(moto::python().expect("python"), &url, REGION);
    let desk = Desk::new();
    let file = desk.write("inventory.yaml", &inventory(&url));
    let bench = Bench::new(&url, REGION, "none", &[]);
    let nothing_there = async || {
        let found = bench.aws().deployments().await.expect("deployments");
        assert!(found.is_empty(), "{found:?}");
    };

    // Nothing that costs money happens without a word.
    let said = desk.run(64, &["up", "--inventory", &file]);
    says(
        &said,
        &["4 machines will run on AWS", "There is no terminal"],
    );
    nothing_there().await;
    desk.run(2, &["plan", "--inventory", &file]);
    nothing_there().await;

    let start = Instant::now();
    let said = desk.run(0, &["up", "--inventory", &file, "--yes", "--wait"]);
    eprintln!("{said}");
    says(
        &said,
        &[
            "40 canaries sent, 40 are documents, 0 twice",
            "vm1-1 20/20",
            "1 h 5",
        ],
    );
    assert!(
        start.elapsed() < Duration::from_mins(3),
        "{:?}",
        start.elapsed()
    );
    let said = desk.run(0, &["up", "--inventory", &file]);
    says(&said, &["nothing to do"]);
    let said = desk.run(0, &["status"]);
    says(&said, &["all is well", "1 h 5", "`deployer extend` renews"]);

    desk.run(0, &["extend", "6h"]);
    says(&desk.run(0, &["status"]), &["5 h 5"]);
    let said = desk.run(0, &["up", "--inventory", &file]);
    says(&said, &["nothing to do", "5 h 5"]);
    let said = desk.run(0, &["list", "--cloud", "aws", "--inventory", &file]);
    says(&said, &["whole", "vm1-1, vm1-2, vm2, vm3"]);

    // The receipt is lost: the id, which everybody can list, is enough.
    let id = said
        .lines()
        .find_map(|line| line.split_whitespace().nth(2).filter(|id| id.len() == 12))
        .expect("an id")
        .to_owned();
    std::fs::rename(desk.path("state"), desk.path("lost")).expect("a lost receipt");
    let words = [
        "teardown",
        "--id",
        &id,
        "--cloud",
        "aws",
        "--inventory",
        &file,
        "--yes",
    ];
    says(&desk.run(0, &words), &["nothing is left"]);
    nothing_there().await;
}
