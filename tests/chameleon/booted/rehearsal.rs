//! `rehearse` against a real OpenStack, on a booted machine that carries the whole pipeline: documents arrive, a site that cannot
//! prolong leases is left alone, what a killed rehearsal leaves is taken away, and the report has nothing of whose account it is.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use deployer::cloud::Cloud as _;
use serde_json::Value;

use super::site;
use super::whole::found;
use crate::desk::{Desk, says};
use crate::habits;
use crate::proxy::Proxy;
use crate::real_couchdb::release;
use crate::watcher::THIS_BOX;

/// What the next one says of it.
const BEFORE: &str = "rehearse: take away what an earlier rehearsal left";

fn inventory(couchdb: &str) -> String {
    format!(
        "\
name: mine
cloud: chameleon
nodes: {{ vm1: {{ roles: [zookeeper, kafka, couchdb, consumer, producer] }} }}
kafka: {{ replication: 1 }}
couchdb: {{ {couchdb} }}
producer: {{ count: 10, interval: 50ms }}
clouds: {{ chameleon: {{ ssh_from: [{THIS_BOX}], lease: 80h, network: own, cidr: 10.78.65.0/24 }} }}
"
    )
}

fn words<'a>(file: &'a str, report: &'a str) -> [&'a str; 8] {
    [
        "rehearse",
        "--cloud",
        "chameleon",
        "--inventory",
        file,
        "--yes",
        "--report",
        report,
    ]
}

/// It dies at each step (at one, but for `.ci/run full`) while the step goes on; what was left is taken away by the next one before
/// it begins.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_killed_and_begun_again_and_leaves_nothing() {
    let full = std::env::vars().any(|(key, _)| key == "DEPLOYER_TEST_FULL");
    let Some(couchdb) = release("a rehearsal on Chameleon") else {
        return;
    };
    let Some((cloud, _watcher)) = site() else {
        return;
    };
    let proxy = Proxy::start().await;
    let mut desk = Desk::new(cloud);
    desk.behind(cloud, &proxy);
    let file = desk.write("inventory.yaml", &inventory(&couchdb));
    let steps = if full { 1..=9 } else { 2..=2 };
    for step in steps {
        let report = desk.path(&format!("killed-at-{step}.md"));
        let mut child = desk
            .command(&words(&file, &report))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the deployer starts");
        let start = Instant::now();
        let seen = || std::fs::read_to_string(&report).unwrap_or_default();
        let heading = format!("## {step}/9 ");
        // In the second step the site is at a lease or a machine.
        while !seen().contains(&heading) || step == 2 && found(cloud, "rehearse").await.is_none() {
            assert!(start.elapsed() < Duration::from_mins(5), "{}", seen());
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        child.kill().expect("SIGKILL");
        child.wait().expect("a status");
        says(&seen(), &["# A rehearsal on chameleon", &heading]);
        // The one before left something, but where it had made nothing yet.
        let left = (3..=9).contains(&step);
        assert_eq!(seen().contains(BEFORE), left, "{}", seen());
    }

    // The same again, where leases are not prolonged but put into ERROR.
    habits::prolongs_no_machines(&proxy, "");
    let last = desk.path("last.md");
    desk.run(0, &words(&file, &last));
    let text = std::fs::read_to_string(&last).expect("a report");
    eprintln!("{text}");
    if !full {
        says(&text, &[BEFORE]);
    }
    says(
        &text,
        &[
            "its cost is not known, so that the cap of 2.00 SUs cannot be held",
            "proven:",
            "; the first documents after ",
            "rehearse: prolong the lease | as it should: exit code 1",
            "look whether `up` leaves all as it is | not tried: the site said ERROR |",
            "\nNothing is left. (20",
        ],
    );
    for secret in private(&cloud.clouds) {
        assert!(!text.contains(&secret), "{secret}");
    }
    let all = cloud.cloud("bob").deployments().await.expect("list");
    assert!(
        all.iter().all(|found| found.deployment != "rehearse"),
        "{all:?}"
    );
}

/// What stands in the credentials but the address of the site.
fn private(clouds: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(clouds).expect("credentials");
    let all: Value = serde_yaml::from_str(&text).expect("YAML");
    let auth = all["clouds"]["alice"]["auth"].as_object().expect("alice's");
    let texts = auth
        .iter()
        .filter(|(key, _)| *key != "auth_url" && !key.contains("domain"));
    let texts: Vec<String> = texts
        .filter_map(|(_, value)| value.as_str().map(Into::into))
        .collect();
    assert!(texts.len() >= 2, "{text}");
    texts
}
