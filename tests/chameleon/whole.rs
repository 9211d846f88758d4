//! The whole way: `up --cloud chameleon` from an empty project to documents in CouchDB, on booted machines, by the binary as a user
//! calls it; nothing is left after `teardown`.

use std::path::Path;
use std::time::{Duration, Instant};

use deployer::cloud::Cloud as _;

use super::openstack::{OpenStack, turn};
use super::watcher::{THIS_BOX, Watcher, command, may_boot};

const BINARY: &str = env!("CARGO_BIN_EXE_deployer");

/// CouchDB is the stand-in: its packages are on no registry that every box reaches.
fn inventory() -> String {
    format!(
        "\
name: whole
cloud: chameleon
nodes:
  vm1: {{ count: 2, roles: [producer] }}
  vm2: {{ roles: [zookeeper, kafka, consumer] }}
  vm3: {{ roles: [kafka, couchdb] }}
couchdb: {{ distribution: pouchdb }}
producer: {{ count: 20, interval: 50ms }}
clouds:
  chameleon: {{ ssh_from: [{THIS_BOX}], lease: 3d }}
"
    )
}

/// A user's box.
struct Desk<'a> {
    directory: tempfile::TempDir,
    cloud: &'a OpenStack,
}

impl Desk<'_> {
    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Runs a command line; fails unless it ends with this code. Returns what it said.
    fn run(&self, code: i32, words: &[&str]) -> String {
        let start = Instant::now();
        let output = command(BINARY, words)
            .args(["--state-dir", &self.path("state")])
            .env("XDG_RUNTIME_DIR", self.directory.path())
            .env("OS_CLIENT_CONFIG_FILE", &self.cloud.clouds)
            .env("OS_CLOUD", "alice")
            .output()
            .expect("the deployer starts");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
        eprintln!(
            "    deployer {} after {:?}",
            words.join(" "),
            start.elapsed()
        );
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        said
    }
}

/// The agents lie beside the binary; builds them where `cargo test` was called for this package only.
fn agents() {
    let beside = Path::new(BINARY).parent().expect("a directory");
    if beside.join("producer").is_file() && beside.join("consumer").is_file() {
        return;
    }
    let built = command(env!("CARGO"), &["build", "--package", "agent", "--bins"]).status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "the agents were not built"
    );
}

#[track_caller]
fn says(said: &str, words: &[&str]) {
    for words in words {
        assert!(said.contains(words), "`{words}` is missing:\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_an_empty_project_to_documents_and_back() {
    let Some(cloud) = OpenStack::shared() else {
        return;
    };
    if !may_boot() {
        return;
    }
    agents();
    let _turn = turn().await;
    let _watcher = Watcher::start(cloud);
    let desk = Desk {
        directory: tempfile::tempdir().expect("a directory"),
        cloud,
    };
    let file = desk.path("inventory.yaml");
    std::fs::write(&file, inventory()).expect("an inventory");
    let ours = async || {
        let found = cloud.cloud("bob").deployments().await.expect("list");
        found.into_iter().find(|found| found.deployment == "whole")
    };

    // Nothing that is charged for happens without a word.
    let said = desk.run(64, &["up", "--inventory", &file]);
    says(&said, &["4 machines will run on Chameleon", "are deleted"]);
    desk.run(2, &["plan", "--inventory", &file]);
    assert_eq!(ours().await, None);

    let start = Instant::now();
    let said = desk.run(0, &["up", "--inventory", &file, "--yes", "--wait"]);
    eprintln!("{said}");
    says(
        &said,
        &[
            "40 canaries sent, 40 are documents, 0 twice",
            "vm1-1 20/20",
            "the lease ends at",
        ],
    );
    assert!(
        start.elapsed() < Duration::from_mins(4),
        "{:?}",
        start.elapsed()
    );
    says(
        &desk.run(0, &["up", "--inventory", &file]),
        &["nothing to do"],
    );
    says(
        &desk.run(0, &["status"]),
        &["all is well", "in 3 d", "are deleted"],
    );
    says(&desk.run(0, &["extend", "5d"]), &["in 5 d"]);
    says(&desk.run(64, &["extend", "2d"]), &["nothing to prolong"]);
    says(&desk.run(0, &["status"]), &["in 5 d"]);
    let list = ["list", "--cloud", "chameleon", "--inventory", &file];
    says(&desk.run(0, &list), &["whole", "vm1-1, vm1-2, vm2, vm3"]);

    // The receipt is lost: the id, which everybody of the project can list, is enough.
    let id = ours().await.expect("it is listed").id;
    std::fs::rename(desk.path("state"), desk.path("lost")).expect("a lost receipt");
    let words = [
        "teardown",
        "--id",
        &id,
        "--cloud",
        "chameleon",
        "--inventory",
        &file,
        "--yes",
    ];
    says(&desk.run(0, &words), &["nothing is left"]);
    assert_eq!(ours().await, None);
}
