//! One deployment of the utilization pipeline, from nothing to nothing, with what happens to it in between. The longest of these tests:
//! by its name it begins among the first, or it would run alone at the end.

#![expect(
    clippy::disallowed_methods,
    reason = "the environment says whether the long matrix is wanted"
)]

use std::collections::BTreeSet;

use crate::accidents;
use crate::deployer_command::{Deployer, subtest};
use crate::documents;
use crate::grade;
use crate::sandbox;
use crate::stand_in;
use crate::support::may_run;
use crate::watch::{Documents, Knocking, address, restarted, units, well, whole_run};

/// The utilization pipeline with `count` events of each client, `interval` apart, and more keys.
fn inventory(clients: u32, count: u32, interval: &str, more: &str) -> String {
    format!(
        "\
nodes:
  vm1: {{ count: {clients}, roles: [producer] }}
  vm2: {{ roles: [zookeeper, kafka, consumer] }}
  vm3: {{ roles: [kafka, couchdb] }}
producer: {{ count: {count}, interval: {interval} }}
{more}
"
    )
}

#[test]
fn the_utilization_pipeline() {
    if !may_run("the_utilization_pipeline") {
        return;
    }
    // H2: what root makes on this box for machines does not depend on it.
    let deployer = Deployer::new(&inventory(2, 100, "20ms", "")).with_umask("077");
    subtest("up makes exactly 100 documents of each client", || {
        up_makes_documents(&deployer);
    });
    subtest("a second up changes nothing", || {
        a_second_up_changes_nothing(&deployer);
    });
    subtest("status has its documented shape", || {
        status_has_its_shape(&deployer);
    });
    subtest("units are closed in, and `top` sees all", || {
        sandbox::units_are_closed_in(&deployer);
        sandbox::top_sees_all_processes(&deployer, "vm1-1", "utilizations1");
    });
    subtest("no stranger's request ends the stand-in", || {
        stand_in::strangers_get_nothing(&deployer);
    });
    subtest("documents leave in a file and return", || {
        documents::leave_and_return(&deployer);
    });
    subtest("a dead letter becomes a document", || {
        documents::dead_letter_becomes_one(&deployer);
    });
    subtest("a grader gets what was seen", || {
        grade::a_grader_gets_what_was_seen(&deployer);
    });
    subtest(
        "a changed key restarts its readers, brokers one by one",
        || {
            a_changed_key_restarts_its_readers(&deployer);
        },
    );
    subtest("an edit by hand is shown and undone", || {
        an_edit_by_hand_is_undone(&deployer);
    });
    subtest("an up killed between write and restart is healed", || {
        a_missed_restart_is_healed(&deployer);
    });
    subtest("changed settings of producers start a new run", || {
        deployer.write(&inventory(2, EVENTS, "10ms", CHANGED));
        deployer
            .run(&["up", "--yes", "--wait"])
            .code(0)
            .says(&["vm1-2 80/80"]);
        whole_newest_runs(&deployer, 2);
    });
    subtest("a broker killed under load loses nothing", || {
        accidents::a_killed_broker_loses_nothing(&deployer);
    });
    subtest(
        "a killed consumer and a CouchDB that is away lose nothing",
        || {
            accidents::a_killed_consumer_loses_nothing(&deployer);
        },
    );
    subtest("a finished producer stays finished", || {
        accidents::a_finished_producer_stays_finished(&deployer);
    });
    subtest("a dead node is named and repaired", || {
        accidents::a_dead_node_is_repaired(&deployer);
    });
    subtest("a node without sshd is named, the others untouched", || {
        accidents::a_node_without_sshd_is_named(&deployer);
    });
    subtest("other deployments live beside it", || {
        others_live_beside(&deployer);
    });
    subtest("what is no longer wanted goes with --prune only", || {
        orphans_are_pruned(&deployer);
    });
    subtest("lost data needs a word", || {
        accidents::lost_data_needs_a_word(&deployer);
    });
    subtest("teardown leaves nothing", || deployer.teardown());
}

/// O1: openjdk-17 is not in Debian 13. A base image of it is made, so this belongs to the long matrix.
#[test]
fn machines_of_debian_13() {
    if std::env::var_os("DEPLOYER_TEST_FULL").is_none() {
        crate::deployer_command::say("machines_of_debian_13 is for DEPLOYER_TEST_FULL=1");
        return;
    }
    if !may_run("machines_of_debian_13") {
        return;
    }
    let trixie = "clouds: { local: { release: trixie } }";
    let deployer = Deployer::new(&inventory(1, 10, "20ms", trixie));
    deployer
        .run(&["up", "--yes", "--wait"])
        .code(0)
        .says(&["20 canaries sent, 20 are documents", "vm1 10/10"]);
    let java = "readlink -f /proc/$(systemctl show -p MainPID --value '*-kafka.service')/exe";
    let java = deployer.on("vm2", &[java]);
    assert!(java.starts_with("/usr/lib/jvm/java-21-openjdk-"), "{java}");
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
    deployer.teardown();
}

fn up_makes_documents(deployer: &Deployer) {
    let said = deployer.run(&["plan"]).code(2);
    said.says(&["create vm1-1", "create vm3", "make the network"]);
    assert!(!deployer.state_dir.exists(), "plan wrote something");
    deployer.run(&["up", "--wait"]).code(0).says(&[
        "proven:    40 canaries sent, 40 are documents, 0 twice",
        "vm1-1 100/100",
        "vm1-2 100/100",
        "stand-in",
        "next: ",
    ]);
    let documents = Documents::new(deployer, "vm3");
    whole_run(&documents, "utilizations1", "vm1-1", 100, 1);
    whole_run(&documents, "utilizations2", "vm1-2", 100, 1);
    let newest = deployer.run(&["docs", "-n", "2"]).code(0).out;
    let newest: Vec<serde_json::Value> = newest
        .lines()
        .map(|line| serde_json::from_str(line).expect("a document a line"))
        .collect();
    assert_eq!(newest.len(), 2);
    // T20: one word is the text of the shell there.
    assert_eq!(
        deployer.on("vm2", &["cd /etc/deployer; pwd"]),
        "/etc/deployer\n"
    );
    assert!(
        newest[0]["processes"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    );
}

fn a_second_up_changes_nothing(deployer: &Deployer) {
    let before = units(deployer);
    assert_eq!(before.len(), 7, "{before:?}");
    // From here on sshd says each command that it runs.
    for node in ["vm1-1", "vm1-2", "vm2", "vm3"] {
        let words =
            "echo LogLevel VERBOSE >/etc/ssh/sshd_config.d/loud.conf && systemctl reload ssh";
        deployer.on(node, &["sh", "-c", words]);
    }
    let commands = |node: &str| {
        let words = "journalctl --sync && journalctl --unit=ssh --grep='Starting session'";
        let said = deployer.on(node, &["sh", "-c", words]);
        said.lines().filter(|line| line.contains("command")).count()
    };
    deployer.hang_up();
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
    let between = ["vm1-1", "vm1-2", "vm2", "vm3"].map(commands);
    deployer
        .run(&["up"])
        .code(0)
        .says(&["4 nodes, nothing to do"])
        .never_says(&["proven", "start "]);
    for (node, between) in ["vm1-1", "vm1-2", "vm2", "vm3"].into_iter().zip(between) {
        // One was the count before, one is the round trip.
        assert_eq!(commands(node) - between, 2, "{node}");
    }
    assert_eq!(units(deployer), before);
    let said = deployer.run(&["plan"]).code(0);
    assert_eq!(said.out, "nothing to do\n");
}

fn status_has_its_shape(deployer: &Deployer) {
    deployer
        .run(&["status"])
        .code(0)
        .says(&["all is well", "vm1-1", "finished 100/100"]);
    let status = well(deployer);
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    let mut top = keys(&status);
    top.sort();
    assert_eq!(
        top,
        [
            "brokers",
            "cloud",
            "couchdb",
            "deployment",
            "expires",
            "format",
            "healthy",
            "id",
            "nodes",
            "notes",
            "problems",
            "security",
            "topics"
        ]
    );
    assert_eq!(keys(&status["nodes"]), ["vm1-1", "vm1-2", "vm2", "vm3"]);
    for node in ["vm1-1", "vm2"] {
        let mut node = keys(&status["nodes"][node]);
        node.sort();
        assert_eq!(
            node,
            [
                "address",
                "agents",
                "error",
                "produced",
                "reachable",
                "units"
            ]
        );
    }
    let topic = &status["topics"]["utilizations2"];
    let mut names = keys(topic);
    names.sort();
    assert_eq!(
        names,
        [
            "dead_letters",
            "documents",
            "events",
            "lag",
            "newest_age_seconds",
            "partitions",
            "under_replicated",
            "without_leader"
        ]
    );
    // What the consumer says of itself; the producers have ended.
    let consumer = &status["nodes"]["vm2"]["agents"]["consumer"];
    assert_eq!(consumer["error"], serde_json::Value::Null);
    assert_eq!(consumer["lag"]["utilizations2"], 0, "{consumer}");
    assert_eq!(status["nodes"]["vm1-1"]["agents"], serde_json::json!({}));
    assert_eq!(topic["events"], 100);
    assert_eq!(topic["documents"], 100);
    assert_eq!(status["couchdb"], "PouchDB Server (stand-in)");
    assert_eq!(status["brokers"]["alive"], serde_json::json!([1, 2]));
}

const CLEANERS: &str = "kafka: { settings: { log.cleaner.threads: 2 } }";

fn a_changed_key_restarts_its_readers(deployer: &Deployer) {
    let before = units(deployer);
    deployer.write(&inventory(2, 100, "20ms", CLEANERS));
    let planned = deployer
        .run(&["plan"])
        .code(2)
        .says(&["+log.cleaner.threads=2"]);
    let restarts: Vec<&str> = planned
        .out
        .lines()
        .skip_while(|line| *line != "restarts")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .collect();
    assert_eq!(restarts.len(), 2, "{}", planned.out);
    for (line, node) in restarts.iter().zip(["vm2", "vm3"]) {
        let unit = format!(
            "  {node}: {}-kafka.service, server.properties changed",
            deployer.name
        );
        assert!(line.starts_with(&unit), "{line}");
    }
    // Another inventory is a question, and there is nobody to ask.
    deployer
        .run(&["up"])
        .code(64)
        .says(&["is another than at the last up", "--yes"]);
    assert_eq!(units(deployer), before);

    let knocking = Knocking::at([address(deployer, "vm2"), address(deployer, "vm3")]);
    let said = deployer.run(&["up", "--yes"]).code(0).says(&["proven"]);
    let (both, down) = knocking.end();
    assert_eq!(both, 0, "both brokers were down at the same time");
    assert_eq!(down, BTreeSet::from([0, 1]), "not both were seen down");
    let after = units(deployer);
    assert_eq!(
        restarted(&before, &after),
        BTreeSet::from(["vm2 kafka".to_owned(), "vm3 kafka".to_owned()])
    );
    // The second one stopped only after the first one was back, and between them they were in sync.
    let (one, two) = (&after["vm2 kafka"], &after["vm3 kafka"]);
    assert!(one.began < two.ended, "{one:?} {two:?}");
    let order: Vec<&str> = said
        .err
        .lines()
        .filter_map(|line| line.split_once("] "))
        .map(|(_, words)| words)
        .filter(|words| words.contains("kafka.service … done") || words.contains("in sync … done"))
        .map(|words| {
            if words.contains("sync") {
                "in sync"
            } else {
                &words[..3]
            }
        })
        .collect();
    assert_eq!(
        order,
        ["in sync", "vm2", "in sync", "vm3", "in sync"],
        "{}",
        said.err
    );
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
}

/// Other settings than at first, which stay from here on.
const CHANGED: &str = "\
kafka: { settings: { log.cleaner.threads: 2 } }
consumer: { batch_age: 60ms }";

/// Events of each later run: enough for something to happen in the middle.
pub(crate) const EVENTS: u32 = 80;

/// Waits until the newest run of each client, the one with this number, is whole.
pub(crate) fn whole_newest_runs(deployer: &Deployer, runs: usize) {
    let documents = Documents::new(deployer, "vm3");
    whole_run(&documents, "utilizations1", "vm1-1", EVENTS, runs);
    whole_run(&documents, "utilizations2", "vm1-2", EVENTS, runs);
}

fn an_edit_by_hand_is_undone(deployer: &Deployer) {
    let before = units(deployer);
    let file = format!("/etc/deployer/{}/consumer/consumer.toml", deployer.name);
    let text = deployer.on("vm2", &["cat", &file]);
    deployer.on("vm2", &["sh", "-c", &format!("echo '# by hand' >>{file}")]);
    deployer
        .run(&["plan"])
        .code(2)
        .says(&["consumer.toml (content differs)", "-# by hand"]);
    deployer
        .run(&["up"])
        .code(0)
        .says(&["-# by hand", "proven"]);
    assert_eq!(deployer.on("vm2", &["cat", &file]), text);
    // The consumer never read the edit.
    assert_eq!(units(deployer), before);
    deployer.run(&["plan"]).code(0);
}

fn a_missed_restart_is_healed(deployer: &Deployer) {
    let missed = "consumer.toml changed since it started";
    // A restart that is already on its way to the node when the kill comes is done: then another kill is needed.
    let before = (61..=66).find_map(|age| {
        let before = units(deployer);
        let changed = CHANGED.replace("60ms", &format!("{age}ms"));
        deployer.write(&inventory(2, 100, "20ms", &changed));
        let mut up = deployer.start(&["up", "--yes"]);
        assert!(up.until(|line| line.contains("consumer.toml … done")));
        up.kill();
        let plan = deployer.run(&["plan"]);
        (plan.code == Some(2) && plan.out.contains(missed)).then_some(before)
    });
    let before = before.expect("one of the kills comes between write and restart");
    assert_eq!(units(deployer), before);
    deployer
        .run(&["plan"])
        .code(2)
        .says(&[missed])
        .never_says(&["batch_age"]);
    deployer.run(&["up"]).code(0).says(&["proven"]);
    let after = units(deployer);
    assert_eq!(
        restarted(&before, &after),
        BTreeSet::from(["vm2 consumer".to_owned()])
    );
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
}

fn others_live_beside(deployer: &Deployer) {
    let before = units(deployer);
    let plain = "nodes: { vm2: {} }\n";
    let (other, namesake) = (deployer.beside(false, plain), deployer.beside(true, plain));
    for other in [&other, &namesake] {
        other.run(&["up"]).code(0);
        assert_ne!(other.id(), deployer.id());
        assert_eq!(other.on("vm2", &["hostname"]), "vm2\n");
    }
    deployer
        .run(&["status", "--cloud", "local"])
        .code(64)
        .says(&["several deployments fit", &deployer.name, &other.name]);
    other.teardown();
    namesake.teardown();
    assert_eq!(units(deployer), before);
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
}

fn orphans_are_pruned(deployer: &Deployer) {
    let orphan = deployer.place().join("machines/vm1-2");
    deployer.write(&inventory(1, EVENTS, "10ms", CHANGED));
    let words = "vm1-2: no longer wanted and left alone; --prune removes it";
    // What it sends is read as before, so nothing changes anywhere.
    deployer.run(&["plan"]).code(0).says(&[words]);
    deployer.run(&["up", "--yes"]).code(0).says(&[words]);
    assert!(orphan.exists());
    deployer
        .run(&["up", "--yes", "--prune"])
        .code(0)
        .says(&["delete vm1-2 and its disk"]);
    assert!(!orphan.exists());
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
    well(deployer);
}
