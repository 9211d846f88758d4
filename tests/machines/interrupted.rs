//! Command lines that are killed or stopped in the middle, on one machine that does it all.

use std::time::Duration;

use crate::deployer_command::{Deployer, subtest};
use crate::support::{may_run, succeed};
use crate::watch::{Documents, restarted, units, well, whole_run};

/// All roles on one machine, with `count` events and more keys.
fn inventory(count: u32, more: &str) -> String {
    format!(
        "\
nodes:
  vm1: {{ roles: [zookeeper, kafka, couchdb, consumer, producer] }}
kafka: {{ replication: 1{more} }}
producer: {{ count: {count}, interval: 20ms }}
"
    )
}

#[test]
fn what_is_killed_or_stopped_is_finished_by_the_next() {
    if !may_run("what_is_killed_or_stopped_is_finished_by_the_next") {
        return;
    }
    let deployer = Deployer::new(&inventory(50, ""));
    subtest("up killed at many points of the first run", || {
        a_first_up_killed_again_and_again(&deployer);
    });
    subtest("Ctrl-C between steps", || ctrl_c_between_steps(&deployer));
    subtest("Ctrl-C while up waits for events", || {
        ctrl_c_while_waiting(&deployer);
    });
    subtest("a second deployer at the same time is refused", || {
        two_at_the_same_time(&deployer);
    });
    subtest("the passwords are lost", || lost_passwords(&deployer));
    subtest("teardown killed and repeated", || {
        a_killed_teardown(&deployer);
    });
    subtest("Ctrl-C while machines are made", || {
        deployer.write("nodes: { vm1: {} }\n");
        let mut up = deployer.start(&["up"]);
        assert!(up.until(|line| line.contains("make the network")));
        up.interrupt();
        up.finish().code(130).says(&["goes on from here"]);
        deployer.run(&["up"]).code(0);
        deployer.run(&["up"]).code(0).says(&["nothing to do"]);
        subtest("a lost receipt", || a_lost_receipt(&deployer));
        subtest("the box's own packet filter", || {
            the_boxs_own_packet_filter(&deployer);
        });
    });
}

/// T14: what looks like a first `up` says that a deployment of the same name lives.
fn a_lost_receipt(deployer: &Deployer) {
    let elsewhere = deployer.beside(true, "nodes: { vm1: {} }\n");
    let id = deployer.id();
    let words = format!("deployer teardown --cloud local --id {id}");
    elsewhere
        .run(&["up"])
        .code(0)
        .says(&["has a deployment called", &words]);
    elsewhere.run(&["up"]).code(0).never_says(&[&words]);
    elsewhere.teardown();
}

/// L5: what drops the packets of a deployment's bridge is found, and marked rules let them through; others' rules stay.
fn the_boxs_own_packet_filter(deployer: &Deployer) {
    let id = deployer.id();
    // Its name is not ours: what is left is looked for by the id.
    let table = format!("foreign-{}", std::process::id());
    let bridge = format!("dp-{id}");
    let rules = format!(
        "add table inet {table}; add chain inet {table} forward {{ type filter hook forward priority 0; policy accept; }}; \
         add rule inet {table} forward iifname \"{bridge}\" drop; add rule inet {table} forward oifname \"{bridge}\" drop"
    );
    succeed("nft", &[&rules]);
    let chain = || succeed("nft", &["list", "chain", "inet", &table, "forward"]);
    let chain_words = format!("table inet {table}, chain forward");
    let plan = deployer.run(&["plan"]).code(2);
    plan.says(&["let it through the box's packet filter", &chain_words]);
    deployer.run(&["up"]).code(0).says(&[&chain_words]);
    let mark = format!("comment \"deployer-{id}\"");
    assert_eq!(chain().matches(&mark).count(), 2, "{}", chain());
    deployer.run(&["plan"]).code(0);
    // Somebody took one away.
    succeed("nft", &["flush", "chain", "inet", &table, "forward"]);
    deployer.run(&["plan"]).code(0);
    succeed("nft", &[&rules]);
    deployer.run(&["up"]).code(0);
    assert_eq!(chain().matches(&mark).count(), 2, "{}", chain());
    deployer.teardown();
    assert!(!chain().contains("deployer-"), "{}", chain());
    assert_eq!(chain().matches("drop").count(), 2, "{}", chain());
    succeed("nft", &["delete", "table", "inet", &table]);
}

/// Each run goes on where the one before was killed; the kills fall on machines, files, archives, services and topics.
fn a_first_up_killed_again_and_again(deployer: &Deployer) {
    let mut kills = 0;
    for (lines, milliseconds) in [
        (1, 5),
        (3, 40),
        (5, 0),
        (9, 150),
        (12, 30),
        (9, 200),
        (7, 0),
        (5, 400),
    ] {
        let mut up = deployer.start(&["up"]);
        let mut seen = 0;
        let reached = up.until(|_| {
            seen += 1;
            seen == lines
        });
        if !reached {
            up.finish().code(0);
            break;
        }
        std::thread::sleep(Duration::from_millis(milliseconds));
        let said = up.kill();
        kills += usize::from(said.code.is_none());
    }
    assert!(kills >= 5, "only {kills} kills");
    deployer.run(&["up"]).code(0);
    deployer
        .run(&["verify"])
        .code(0)
        .says(&["20 canaries sent, 20 are documents, 0 twice"]);
    whole_run(
        &Documents::new(deployer, "vm1"),
        "utilizations1",
        "vm1",
        50,
        1,
    );
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
    // What only looks leaves the files that `up` writes under its lock alone (B13).
    let configuration = deployer.receipt_path().with_file_name("ssh_config");
    let text = std::fs::read_to_string(&configuration).expect("a configuration") + "# mine\n";
    std::fs::write(&configuration, &text).expect("written");
    for verb in ["status", "plan", "logs"] {
        deployer.run(&[verb]);
    }
    let now = std::fs::read_to_string(&configuration).expect("a configuration");
    assert_eq!(now, text);
    deployer.run(&["status"]).code(0);
    deployer
        .run(&["open", "kafka", "--port", "19092"])
        .code(64)
        .says(&["brokers send each client to port 9092", "leave --port out"]);
}

fn ctrl_c_between_steps(deployer: &Deployer) {
    let before = units(deployer);
    deployer.write(&inventory(50, ", settings: { log.cleaner.threads: 2 }"));
    let mut up = deployer.start(&["up", "--yes"]);
    assert!(up.until(|line| line.contains("server.properties … done")));
    up.interrupt();
    up.finish()
        .code(130)
        .says(&["stopped", "deployer up goes on from here"]);
    assert_eq!(units(deployer), before);
    // Half of an `up` is no ground for a new run (T16).
    deployer
        .run(&["produce"])
        .code(1)
        .says(&["did not come to its end", "deployer up finishes it"]);
    deployer.run(&["up"]).code(0).says(&["proven"]);
    let restarted = restarted(&before, &units(deployer));
    assert_eq!(restarted.into_iter().collect::<Vec<_>>(), ["vm1 kafka"]);
    deployer.run(&["plan"]).code(0);
}

fn ctrl_c_while_waiting(deployer: &Deployer) {
    deployer.write(&inventory(
        100_000,
        ", settings: { log.cleaner.threads: 2 }",
    ));
    let mut up = deployer.start(&["up", "--yes", "--wait"]);
    assert!(up.until(|line| line.contains("/100000")));
    up.interrupt();
    let waited = std::time::Instant::now();
    up.finish().code(130);
    assert!(
        waited.elapsed() < Duration::from_secs(5),
        "{:?}",
        waited.elapsed()
    );
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
}

fn two_at_the_same_time(deployer: &Deployer) {
    deployer.write(&inventory(50, ", settings: { log.cleaner.threads: 1 }"));
    let mut one = deployer.start(&["up", "--yes"]);
    assert!(one.until(|line| line.contains("server.properties … done")));
    deployer
        .run(&["up", "--yes"])
        .code(1)
        .says(&["is in use by process"]);
    deployer
        .run(&["teardown", "--yes"])
        .code(1)
        .says(&["is in use by process"]);
    deployer
        .run(&["produce"])
        .code(1)
        .says(&["is in use by process"]);
    one.finish().code(0);
    deployer.run(&["produce"]).code(0);
    let state = "/var/lib/deployer/*/producer/state.json";
    let command = format!("stat -c %U {state}");
    let owner = deployer.on("vm1", &["sh", "-c", &command]);
    assert_ne!(owner.trim(), "root", "what a run writes is the service's");
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
}

/// Also what a first `up` leaves that is killed between its receipt and its passwords.
fn lost_passwords(deployer: &Deployer) {
    let path = deployer.secrets_path();
    let before = std::fs::read_to_string(&path).expect("passwords");
    std::fs::remove_file(&path).expect("they are there");
    let words = ["secrets.json is gone", "`deployer up` makes new ones"];
    deployer.run(&["status"]).code(1).says(&words);
    deployer.run(&["plan"]).code(2).says(&words);
    assert!(!path.exists());
    deployer.run(&["up"]).code(0).says(&["proven"]);
    let now = std::fs::read_to_string(&path).expect("passwords");
    assert_ne!(now, before);
    // Its producer has another password, too, and what it kept meanwhile is on its way.
    well(deployer);
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
}

fn a_killed_teardown(deployer: &Deployer) {
    deployer.id();
    for milliseconds in [10, 60, 200] {
        let teardown = deployer.start(&["teardown", "--yes"]);
        std::thread::sleep(Duration::from_millis(milliseconds));
        assert_eq!(teardown.kill().code, None, "the kill came too late");
    }
    deployer.teardown();
}
