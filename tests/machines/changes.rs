//! An inventory that changes: what runs says so when it is asked, and then nothing is left to do. Which key has which fate is
//! `tests/fixtures/keys.tsv`; here many keys change at once, on real machines.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::deployer_command::{Deployer, subtest};
use crate::real_couchdb::real_couchdb;
use crate::support::{eventually, may_run, succeed, within};
use crate::watch::{Documents, well};

/// In plain text: whoever asks what runs needs no login.
fn inventory(nodes: &str, couchdb: &str, more: &str) -> String {
    format!("security: off\nnodes:\n{nodes}\ncouchdb: {{ {couchdb} }}\n{more}\n")
}

const NODES: &str = "  vm1: { roles: [producer] }
  vm2: { roles: [zookeeper, kafka, consumer] }
  vm3: { roles: [kafka, couchdb] }";

/// A client by count, and CouchDB elsewhere.
const MOVED: &str = "  vm1: { count: 1, roles: [producer] }
  vm2: { roles: [zookeeper, kafka, consumer, couchdb] }
  vm3: { roles: [kafka] }";

/// Nearly all keys that reach something that runs.
const CHANGED: &str = "\
zookeeper: { port: 2191, heap_mib: 144 }
kafka:
  port: 9192
  heap_mib: 400
  settings: { log.retention.bytes: 1e9, log.cleaner.threads: 2, num.io.threads: 5, log.cleanup.policy: 'delete, compact' }
producer: { count: 30, interval: 10ms, raw: true, metrics_port: 9541 }
consumer: { batch_documents: 400, batch_bytes: 3000000, batch_age: 60ms, metrics_port: 9542 }
clouds: { local: { quick_start: false } }";

/// Keys whose order was random once: each plan must say the same.
const COUCHDB: &str = "port: 5994, settings: { couchdb: { max_dbs_open: 600, max_document_size: 7000000 }, log: { level: notice }, mango: { default_limit: 30 } }";

#[test]
fn an_inventory_that_changes_reaches_what_runs() {
    if !may_run("an_inventory_that_changes_reaches_what_runs") {
        return;
    }
    let archive = real_couchdb(".tar.gz", "D2: CouchDB's own settings");
    let (distribution, settings) = if let Some(archive) = &archive {
        let archive = archive.display();
        let distribution = format!("distribution: archive, archive: \"{archive}\"");
        (distribution, COUCHDB)
    } else {
        ("distribution: pouchdb".to_owned(), "port: 5994")
    };
    let few = "producer: { count: 20, interval: 20ms }";
    let deployer = Deployer::new(&inventory(NODES, &distribution, few));
    deployer.run(&["up", "--wait"]).code(0).says(&["proven"]);
    subtest("what changes is asked for and said by what runs", || {
        let couchdb = format!("{distribution}, {settings}");
        deployer.write(&inventory(NODES, &couchdb, CHANGED));
        deployer.run(&["plan"]).code(2).says(&[
            "+log.retention.bytes=1000000000",
            "-Xmx400m",
            "-Xmx144m",
        ]);
        deployer
            .run(&["up", "--yes", "--wait"])
            .code(0)
            .says(&["proven", "30/30"]);
        the_running_things_say_so(&deployer, archive.is_some());
    });
    subtest("the same inventory is the same plan, each time", || {
        for _ in 0..3 {
            deployer.run(&["plan"]).code(0).says(&["nothing to do"]);
        }
    });
    subtest("a machine's own keys are refused", || {
        let release = CHANGED.replace("quick_start: false", "quick_start: false, release: jammy");
        deployer.write(&inventory(NODES, &distribution, &release));
        deployer
            .run(&["plan"])
            .code(64)
            .says(&["clouds.local.release: the machines that are there were made without it"]);
    });
    subtest("T40: agents that were named are used again", || {
        let couchdb = format!("{distribution}, {settings}");
        deployer.write(&inventory(NODES, &couchdb, CHANGED));
        let other = other_agents(&deployer);
        deployer
            .run(&["up", "--yes", "--agents", &other])
            .code(0)
            .says(&["copy consumer"]);
        deployer
            .run(&["up"])
            .code(0)
            .says(&["nothing to do", &format!("agents: those of {other}")]);
    });
    subtest(
        "T39: another name is a second deployment, which is said",
        || {
            let other = deployer.beside(false, &inventory(NODES, &distribution, few));
            let beside = format!("`{}` is there and goes on beside it", deployer.name);
            other.run(&["plan"]).code(2).says(&[&beside]);
        },
    );
    subtest(
        "CouchDB moves in one up, and a count that comes keeps the topic",
        || {
            let couchdb = format!("{distribution}, {settings}");
            deployer.write(&inventory(MOVED, &couchdb, CHANGED));
            deployer
                .run(&["up", "--yes"])
                .code(64)
                .says(&["vm3: another node takes over couchdb and starts empty"]);
            deployer
                .run(&["up", "--yes", "--prune", "--destroy-data", "vm3"])
                .code(0)
                .says(&["proven", "vm1-1"]);
            let numbers = &deployer.receipt()["numbers"]["producer"];
            assert_eq!(*numbers, serde_json::json!({"vm1-1": 1}));
            deployer.run(&["plan"]).code(0).says(&["nothing to do"]);
            well(&deployer);
        },
    );
    subtest(
        "T18: a foreign program comes in by what `open kafka` says",
        || {
            a_foreign_program_comes_in(&deployer);
        },
    );
    subtest("teardown leaves nothing", || deployer.teardown());
}

fn the_running_things_say_so(deployer: &Deployer, real_couchdb: bool) {
    for (node, ports) in [("vm2", &[2191, 9192, 9542][..]), ("vm3", &[9192, 5994])] {
        let seen = listening(deployer, node);
        for port in ports {
            assert!(seen.contains(port), "{node} {port}: {seen:?}");
        }
        for port in [2181, 9092, 5984, 9441, 9442] {
            assert!(!seen.contains(&port), "{node} {port}: {seen:?}");
        }
    }
    let processes = deployer.on("vm2", &["ps", "-eo", "args", "-ww"]);
    for words in ["-Xmx144m", "-Xmx400m", "-XX:+UseG1GC"] {
        assert!(processes.contains(words), "{words}: {processes}");
    }
    // The brokers themselves, by Kafka's own tool.
    let script = format!(
        "java -cp '/opt/deployer/{0}/kafka/libs/*' kafka.admin.ConfigCommand \
         --bootstrap-server vm2.{0}.internal:9192 --describe --all --entity-type brokers --entity-name 1",
        deployer.name
    );
    let broker = deployer.on("vm2", &["bash", "-c", &script]);
    for setting in [
        "log.retention.bytes=1000000000",
        "log.cleaner.threads=2",
        "num.io.threads=5",
    ] {
        assert!(
            broker.contains(&format!("{setting} ")),
            "{setting}: {broker}"
        );
    }
    if real_couchdb {
        let documents = Documents::at(deployer, "vm3", 5994);
        for (key, value) in [
            ("couchdb/max_dbs_open", "600"),
            ("couchdb/max_document_size", "7000000"),
            ("log/level", "notice"),
            ("mango/default_limit", "30"),
        ] {
            let path = format!("_node/_local/_config/{key}");
            assert_eq!(documents.get(&path, Some("admin")), (200, value.into()));
        }
    }
    // The newest documents are of the second run and have the text of `top` in them.
    eventually("a document with the text of top", || {
        let newest = deployer.run(&["docs", "-n", "1"]).code(0).out;
        let raw = newest.contains("\"raw\":") && newest.contains("load average");
        raw.then_some(()).ok_or(newest)
    });
}

/// Kafka's own producer on this box, from a machine's disk, which knows the brokers by the names that are put into this box's
/// hosts table for as long. With a key, for the topics are compacted by now.
fn a_foreign_program_comes_in(deployer: &Deployer) {
    let first = SocketAddr::from(([127, 0, 0, 2], 9192));
    let name = &deployer.name;
    let hosts = || std::fs::read_to_string("/etc/hosts").expect("a hosts table");
    // As a run left it that was killed.
    let left = format!(
        "# deployer {name} tunnel begin\n192.0.2.1 vm2.{name}.internal\n# deployer {name} tunnel end\n"
    );
    let mut file = std::fs::OpenOptions::new().append(true).open("/etc/hosts");
    let file = file.as_mut().expect("a hosts table");
    file.write_all(left.as_bytes()).expect("a block");
    let tunnel = deployer.start(&["open", "kafka"]);
    eventually("the tunnel", || {
        TcpStream::connect(first).map_err(|error| error.to_string())
    });
    let lines = format!("127.0.0.2 vm2.{name}.internal\n127.0.0.3 vm3.{name}.internal\n");
    let there = hosts();
    assert!(
        there.contains(&lines) && !there.contains("192.0.2.1 vm2"),
        "{there}"
    );
    let place = deployer
        .place()
        .join("machines/vm2/disk/upper/opt/deployer");
    let script = format!(
        "echo 'k {{\"hello\":1}}' | java -cp '{}/{name}/kafka/libs/*' \
         kafka.tools.ConsoleProducer --bootstrap-server vm2.{name}.internal:9192,vm3.{name}.internal:9192 --topic utilizations1 \
         --property parse.key=true --property 'key.separator= '",
        place.display(),
    );
    succeed("sh", &["-c", &script]);
    // On a busy box the consumer that the last `up` stopped may be of its group for a while still.
    within(Duration::from_secs(90), "its document", || {
        let newest = deployer.run(&["docs", "-n", "3"]).code(0).out;
        newest.contains("\"hello\":1").then_some(()).ok_or(newest)
    });
    tunnel.interrupt();
    let said = tunnel.finish();
    let servers = format!("bootstrap servers vm2.{name}.internal:9192,vm3.{name}.internal:9192");
    said.says(&[
        &servers,
        "/etc/hosts of this box has vm2",
        "until this ends",
    ]);
    let there = hosts();
    assert!(!there.contains(name.as_str()), "{there}");
    let open = TcpStream::connect(first);
    assert!(open.is_err(), "the tunnel stays open");
}

/// The ports at which a node listens, by its kernel.
fn listening(deployer: &Deployer, node: &str) -> BTreeSet<u16> {
    const LISTENS: &str = "0A";
    let table = deployer.on(node, &["cat", "/proc/net/tcp", "/proc/net/tcp6"]);
    table
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (local, _, state) = (words.next()?, words.next()?, words.next()?);
            let port = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
            (state == LISTENS).then_some(port)
        })
        .collect()
}

/// Agents that do the same and are other files.
fn other_agents(deployer: &Deployer) -> String {
    let directory = deployer.directory.path().join("other");
    std::fs::create_dir(&directory).expect("a directory");
    let beside = std::path::Path::new(env!("CARGO_BIN_EXE_deployer"));
    for agent in ["producer", "consumer"] {
        let to = directory.join(agent);
        std::fs::copy(beside.with_file_name(agent), &to).expect("a copy");
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&to)
            .expect("the copy");
        // What follows a program in its file is not read.
        file.write_all(b"\n").expect("a byte more");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&to, mode).expect("its mode");
    }
    directory.display().to_string()
}
