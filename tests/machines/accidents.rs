//! What happens to a running pipeline: processes, machines and disks go, and nothing may be lost or there twice.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::default_pipeline::{EVENTS, whole_newest_runs};
use crate::deployer_command::Deployer;
use crate::support::eventually;
use crate::watch::{address, inside, off, restarted, units, well};

/// Starts a new run, and waits until events flow.
fn produce(deployer: &Deployer) {
    deployer.run(&["produce"]).code(0);
    let status = deployer.run(&["status", "--json"]).json();
    for client in ["vm1-1", "vm1-2"] {
        let node = &status["nodes"][client];
        assert!(
            node["produced"][0].as_u64() < Some(u64::from(EVENTS) / 2),
            "{node}"
        );
    }
}

fn unit(deployer: &Deployer, role: &str) -> String {
    format!("{}-{role}.service", deployer.name)
}

pub(crate) fn a_killed_broker_loses_nothing(deployer: &Deployer) {
    let before = units(deployer);
    produce(deployer);
    let broker = unit(deployer, "kafka");
    deployer.on("vm2", &["systemctl", "kill", "--signal=KILL", &broker]);
    whole_newest_runs(deployer, 3);
    let status = well(deployer);
    for topic in ["utilizations1", "utilizations2"] {
        // In Kafka, too, each event is there once: 100, 80 and 80.
        assert_eq!(status["topics"][topic]["events"], 260, "{topic}");
        assert_eq!(status["topics"][topic]["dead_letters"], 0, "{topic}");
    }
    let restarted = restarted(&before, &units(deployer));
    assert_eq!(restarted, BTreeSet::from(["vm2 kafka".to_owned()]));
}

pub(crate) fn a_killed_consumer_loses_nothing(deployer: &Deployer) {
    let before = units(deployer);
    produce(deployer);
    deployer.on(
        "vm2",
        &[
            "systemctl",
            "kill",
            "--signal=KILL",
            &unit(deployer, "consumer"),
        ],
    );
    let couchdb = unit(deployer, "couchdb");
    deployer.on("vm3", &["systemctl", "stop", &couchdb]);
    std::thread::sleep(Duration::from_secs(5));
    deployer.on("vm3", &["systemctl", "start", &couchdb]);
    eventually("CouchDB listens", || {
        let address = std::net::SocketAddr::new(address(deployer, "vm3"), 5984);
        std::net::TcpStream::connect(address).map_err(|error| error.to_string())
    });
    whole_newest_runs(deployer, 4);
    let status = well(deployer);
    assert_eq!(status["topics"]["utilizations1"]["dead_letters"], 0);
    let restarted = restarted(&before, &units(deployer));
    let expected = ["vm2 consumer".to_owned(), "vm3 couchdb".to_owned()];
    assert_eq!(restarted, BTreeSet::from(expected));
}

pub(crate) fn a_finished_producer_stays_finished(deployer: &Deployer) {
    // The machine's process 1 tells one boot from another: when it began is a number of /proc.
    let boot = || inside(deployer, "vm1-1", &["cut", "-d ", "-f22", "/proc/1/stat"]);
    let before = boot();
    inside(deployer, "vm1-1", &["systemctl", "--no-block", "reboot"]);
    off(deployer, "vm1-1");
    let producer = unit(deployer, "producer");
    // At boot it looks at its state, and has nothing to do.
    eventually("the producer is finished after the boot", || {
        let status = deployer.run(&["status", "--json"]).json();
        let now = &status["nodes"]["vm1-1"]["units"][&producer];
        (now == "finished").then_some(()).ok_or(status.to_string())
    });
    assert_ne!(boot(), before);
    well(deployer);
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
    whole_newest_runs(deployer, 4);
}

pub(crate) fn a_dead_node_is_repaired(deployer: &Deployer) {
    inside(deployer, "vm3", &["systemctl", "--no-block", "poweroff"]);
    off(deployer, "vm3");
    let status = deployer.run(&["status"]).code(1).says(&["problem: vm3"]);
    assert!(status.took < Duration::from_secs(8), "{:?}", status.took);
    let status = deployer.run(&["status", "--json"]).code(1).json();
    let reachable =
        ["vm1-1", "vm1-2", "vm2", "vm3"].map(|node| &status["nodes"][node]["reachable"]);
    assert_eq!(reachable, [true, true, true, false]);
    deployer
        .run(&["plan"])
        .code(2)
        .says(&["start vm3 (it is off; its disk is kept)"]);
    deployer.run(&["up"]).code(0).says(&["proven"]);
    well(deployer);
    whole_newest_runs(deployer, 4);
}

pub(crate) fn a_node_without_sshd_is_named(deployer: &Deployer) {
    let before = units(deployer);
    inside(deployer, "vm2", &["systemctl", "stop", "ssh"]);
    inside(deployer, "vm2", &["pkill", "-x", "sshd"]);
    let said = deployer
        .run(&["up"])
        .code(1)
        .says(&["vm2", "is its sshd running?"]);
    assert!(said.took < Duration::from_secs(15), "{:?}", said.took);
    said.never_says(&["start ", "write ", "vm3:"]);
    inside(deployer, "vm2", &["systemctl", "start", "ssh"]);
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
    assert_eq!(units(deployer), before);
}

pub(crate) fn lost_data_needs_a_word(deployer: &Deployer) {
    inside(deployer, "vm3", &["systemctl", "--no-block", "poweroff"]);
    off(deployer, "vm3");
    std::fs::remove_dir_all(deployer.place().join("machines/vm3")).expect("vm3 is there");
    deployer.run(&["up", "--yes"]).code(64).says(&[
        "vm3: the data of kafka and couchdb is gone",
        "--destroy-data vm3",
    ]);
    assert!(!deployer.place().join("machines/vm3").exists());
    deployer
        .run(&["up", "--yes", "--destroy-data", "vm3"])
        .code(0)
        .says(&["proven"]);
    deployer.run(&["verify"]).code(0);
    // What was given up stays said for as long as Kafka has its events.
    deployer.run(&["status"]).code(1).says(&[
        "events were read and are no documents of utilizations1: were they deleted? `deployer import` brings back",
    ]);
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
}
