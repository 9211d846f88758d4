//! Two deployments on the same host, commands that are killed, and a node that is the operator's own machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::hosts::Hosts;
use super::product::{PROGRAM, Product};
use super::{PROOF, all_in_one, section};
use crate::support::may_run;

#[tokio::test(flavor = "multi_thread")]
async fn deployments_share_a_host_and_survive_kills() {
    if !may_run("existing: deployments_share_a_host_and_survive_kills") {
        return;
    }
    let hosts = Hosts::boot(&["host", "laptop"]).await;
    let clouds = section(&hosts, &[("all", "host")]);
    let one = Product::new(&all_in_one("one", [2181, 9092, 9093], &clouds));
    let two = Product::new(&all_in_one("two", [2182, 9192, 9193], &clouds));
    one.expect(0, &["up", "--wait"]);

    // The same ports again: refused before anything is there.
    let clash = Product::new(&all_in_one("three", [2183, 9092, 9293], &clouds));
    let refused = clash.expect(1, &["up", "--yes"]);
    refused.says(&[
        "all: port 9092 is taken by one-kafka.service",
        "another port",
    ]);
    assert_eq!(hosts.traces("host", "three"), "");

    for seconds in [0.7, 1.5] {
        two.kill_after(Duration::from_secs_f64(seconds), &["up", "--yes"]);
    }
    two.kill_at("consumer:", &["up", "--yes"]);
    // When all is done but proved, which cannot come to its end here: that is owed, though there is nothing else to do.
    let consumer = |signal: &str| {
        let send = format!("systemctl kill --signal={signal} two-consumer.service");
        hosts.root("host", &send);
    };
    consumer("STOP");
    two.kill_at("send 20 canaries", &["up", "--yes"]);
    consumer("CONT");
    let up = two.expect(0, &["up", "--yes", "--wait"]);
    assert!(up.out.contains(PROOF), "{}", up.out);
    assert_eq!(two.documents("utilizations1"), 10);

    for user in [&one, &two] {
        let status = user.expect(0, &["status", "--json"]).out;
        let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
        let consumer = &status["nodes"]["all"]["agents"]["consumer"];
        assert!(consumer["error"].is_null(), "{consumer}");
        assert!(consumer["lag"].is_object(), "{consumer}");
    }

    let processes = || hosts.root("host", "systemctl show -p MainPID 'one-*' | sort");
    let before = processes();
    for seconds in [0.4, 1.2] {
        two.kill_after(Duration::from_secs_f64(seconds), &["teardown", "--yes"]);
    }
    two.expect(0, &["teardown", "--yes"])
        .says(&["nothing is left"]);
    assert_eq!(hosts.traces("host", "two"), "");
    assert_eq!(processes(), before);
    one.expect(0, &["up"]).says(&["nothing to do"]);
    one.expect(0, &["status"]);
    one.expect(0, &["teardown", "--yes"]);
    assert_eq!(hosts.traces("host", "one"), "");

    from_a_laptop(&hosts);
}

/// The deployer runs on one of the hosts, which is a node too, without ssh to itself.
fn from_a_laptop(hosts: &Hosts) {
    let agents = Path::new(PROGRAM).parent().expect("a directory");
    let programs = ["deployer", "producer", "consumer"].map(|name| agents.join(name));
    hosts.copy("laptop", &programs, "/root/bin");
    hosts.copy("laptop", &[hosts.key()], "/root/keys");
    hosts.copy("laptop", &cache(), "/root/.cache/deployer");
    let entry = hosts.entry("host");
    let entry = entry.replace(&hosts.key().display().to_string(), "/root/keys/student");
    let clouds = format!(
        "clouds: {{ existing: {{ hosts: {{ all: {entry}, laptop: {{ address: self }} }} }} }}"
    );
    let inventory = all_in_one("desk", [2181, 9092, 9093], &clouds)
        .replace(
            "nodes:\n",
            "nodes:\n  laptop: { roles: [producer], producer: { topic: desk } }\n",
        )
        .replace("sinks: {", "sinks: { desk: { from: desk, files: {} },");
    hosts.root(
        "laptop",
        &format!("cat >/root/desk.yaml <<'END'\n{inventory}\nEND"),
    );
    let deployer = |arguments: &str| {
        let command = format!("timeout 200 /root/bin/deployer {arguments} -i /root/desk.yaml 2>&1");
        let output = hosts.attempt("laptop", &command);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments}: {text}");
        text
    };
    deployer("check");
    let up = deployer("up --wait");
    assert!(up.contains(PROOF), "{up}");
    assert_eq!(deployer("docs -n 1000 --topic desk").lines().count(), 10);
    assert!(deployer("up").contains("nothing to do"));
    assert!(deployer("teardown --yes").contains("nothing is left"));
    for host in ["host", "laptop"] {
        assert_eq!(hosts.traces(host, "desk"), "", "{host}");
    }
}

/// What was fetched for the deployments before this one.
fn cache() -> Vec<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || Path::new(&std::env::var_os("HOME").expect("a home")).join(".cache"),
        PathBuf::from,
    );
    let entries = base.join("deployer").read_dir().expect("a cache");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.is_file()).collect()
}
