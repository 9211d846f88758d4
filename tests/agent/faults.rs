//! Two producers follow files that grow all the time, while real brokers, ZooKeeper, the agents, the network, the disks
//! and `CouchDB` (the double) fail in a random order. At the end each line is exactly one document.
//!
//! The order is all in the seed: `DEPLOYER_TEST_SEED=N` repeats it, `DEPLOYER_TEST_FULL=1` makes the course longer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use crate::cluster::{Cluster, Gate};
use crate::double::{Double, Fault};
use crate::lab::{Agent, is_root, json, secret, wait_until};

const TOPIC: &str = "t1";
const CLIENTS: [&str; 2] = ["c1", "c2"];
/// The time from one line of a client to the next, and how many make a file.
const PACE: Duration = Duration::from_millis(10);
const FILE_LINES: u64 = 700;
/// How long everything may take to be a document after the last fault.
const CATCH_UP: Duration = Duration::from_mins(4);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    BrokerKilled,
    BrokerFrozen,
    BrokerRestarted,
    BrokerCutOff,
    LeadersMoved,
    ZookeeperKilled,
    ZookeeperFrozen,
    ZookeeperRestarted,
    CouchdbAway,
    CouchdbCutOff,
    CouchdbHangs,
    CouchdbDiskFull,
    CouchdbLosesAnswers,
    CouchdbStutters,
    ProducerKilled,
    ProducerFrozen,
    ProducerRestarted,
    SpoolDiskFull,
    ConsumerKilled,
    ConsumerFrozen,
    ConsumerRestarted,
    SecondConsumerComesAndGoes,
    SecondConsumerComesAndDies,
}

use Kind::{
    BrokerCutOff, BrokerFrozen, BrokerKilled, BrokerRestarted, ConsumerFrozen, ConsumerKilled,
    ConsumerRestarted, CouchdbAway, CouchdbCutOff, CouchdbDiskFull, CouchdbHangs,
    CouchdbLosesAnswers, CouchdbStutters, LeadersMoved, ProducerFrozen, ProducerKilled,
    ProducerRestarted, SecondConsumerComesAndDies, SecondConsumerComesAndGoes, SpoolDiskFull,
    ZookeeperFrozen, ZookeeperKilled, ZookeeperRestarted,
};

const ALL: [Kind; 23] = [
    BrokerKilled,
    BrokerFrozen,
    BrokerRestarted,
    BrokerCutOff,
    LeadersMoved,
    ZookeeperKilled,
    ZookeeperFrozen,
    ZookeeperRestarted,
    CouchdbAway,
    CouchdbCutOff,
    CouchdbHangs,
    CouchdbDiskFull,
    CouchdbLosesAnswers,
    CouchdbStutters,
    ProducerKilled,
    ProducerFrozen,
    ProducerRestarted,
    SpoolDiskFull,
    ConsumerKilled,
    ConsumerFrozen,
    ConsumerRestarted,
    SecondConsumerComesAndGoes,
    SecondConsumerComesAndDies,
];

/// A small file system for a producer's state, so that it can be filled.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf) -> Self {
        std::fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(mounted.success(), "the test mounts a small disk, as root");
        Self(path)
    }

    fn fill(&self) {
        let mut file = File::create(self.0.join("filler")).unwrap();
        let block = vec![1; 4096];
        while file.write_all(&block).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A process that still writes there was killed before; what is left goes with the machine.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Writes numbered lines into a file, which it rotates, until it is told to stop; returns how many there are.
fn write_lines(client: &'static str, path: PathBuf, stop: Arc<AtomicBool>) -> JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            let mut file = OpenOptions::new()
                .append(true)
                .create(true)
                .open(&path)
                .unwrap();
            for _ in 0..FILE_LINES {
                number += 1;
                writeln!(file, "{client} {number}").unwrap();
                std::thread::sleep(PACE);
                if stop.load(Ordering::Relaxed) {
                    return number;
                }
            }
            let rotated = path.with_extension(format!("log.{number}"));
            std::fs::rename(&path, rotated).unwrap();
        }
        number
    })
}

struct World {
    chance: StdRng,
    longest: u64,
    cluster: Cluster,
    double: Double,
    couchdb: Gate,
    producers: [Agent; 2],
    consumer: Agent,
    configs: Configs,
    // After the agents, which write there.
    disks: Vec<SmallDisk>,
    directory: TempDir,
}

struct Configs {
    producers: [PathBuf; 2],
    consumers: [PathBuf; 2],
}

impl World {
    fn new(seed: u64, longest: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let cluster = Cluster::start(directory.path(), TOPIC, 4);
        let double = Double::with_databases(&[TOPIC]);
        let couchdb = Gate::to(double.url.trim_start_matches("http://").parse().unwrap());
        let disks: Vec<SmallDisk> = CLIENTS
            .map(|client| SmallDisk::mount(directory.path().join(format!("disk-{client}"))))
            .into();
        let bootstrap = cluster.bootstrap();
        let configs = Configs::write(directory.path(), &bootstrap, &couchdb);
        let start = |config| Agent::start("producer", config, Stdio::null());
        Self {
            chance: StdRng::seed_from_u64(seed),
            longest,
            producers: configs.producers.each_ref().map(|config| start(config)),
            consumer: Agent::consumer(&configs.consumers[0]),
            cluster,
            double,
            couchdb,
            configs,
            disks,
            directory,
        }
    }

    /// Lets a fault last for a while.
    fn hold(&mut self) {
        let time = self.chance.random_range(200..self.longest);
        std::thread::sleep(Duration::from_millis(time));
    }

    /// Makes a fault happen and ends it; which of two it hits is chance.
    fn suffer(&mut self, kind: Kind) {
        let one = self.chance.random_range(0..2);
        match kind {
            BrokerKilled => {
                self.cluster.brokers[one].kill();
                self.hold();
                self.cluster.brokers[one].start();
            }
            BrokerFrozen => {
                self.cluster.brokers[one].freeze(true);
                self.hold();
                self.cluster.brokers[one].freeze(false);
            }
            BrokerRestarted => {
                self.cluster.brokers[one].terminate();
                self.cluster.brokers[one].start();
            }
            BrokerCutOff => {
                self.cluster.gates[one].set_cut(true);
                self.hold();
                self.cluster.gates[one].set_cut(false);
            }
            LeadersMoved => self.cluster.move_leaders(),
            ZookeeperKilled => {
                self.cluster.zookeeper.kill();
                self.hold();
                self.cluster.zookeeper.start();
            }
            ZookeeperFrozen => {
                self.cluster.zookeeper.freeze(true);
                self.hold();
                self.cluster.zookeeper.freeze(false);
            }
            ZookeeperRestarted => {
                self.cluster.zookeeper.terminate();
                self.cluster.zookeeper.start();
            }
            CouchdbAway => self.couchdb_fails(Fault::ResetBefore),
            CouchdbDiskFull => self.couchdb_fails(Fault::Status(500)),
            CouchdbLosesAnswers => self.couchdb_fails(Fault::ResetAfter),
            CouchdbCutOff => {
                self.couchdb.set_cut(true);
                self.hold();
                self.couchdb.set_cut(false);
            }
            CouchdbHangs => {
                self.double.state().hangs = true;
                self.hold();
                self.double.state().hangs = false;
            }
            CouchdbStutters => self.double.fail_next(&[
                Fault::Status(503),
                Fault::HalfThen500,
                Fault::BelowQuorum,
                Fault::Status(429),
                Fault::HalfRowsFail,
                Fault::RowMissing,
            ]),
            ProducerKilled => {
                self.producers[one].kill();
                self.start_producer(one);
            }
            ProducerFrozen => {
                self.producers[one].freeze(true);
                self.hold();
                self.producers[one].freeze(false);
            }
            ProducerRestarted => {
                assert!(self.producers[one].terminate().success());
                self.start_producer(one);
            }
            SpoolDiskFull => {
                self.disks[one].fill();
                self.hold();
                self.disks[one].free();
            }
            ConsumerKilled => {
                self.consumer.kill();
                self.hold();
                self.consumer = Agent::consumer(&self.configs.consumers[0]);
            }
            ConsumerFrozen => {
                self.consumer.freeze(true);
                self.hold();
                self.consumer.freeze(false);
            }
            ConsumerRestarted => {
                assert!(self.consumer.terminate().success());
                self.consumer = Agent::consumer(&self.configs.consumers[0]);
            }
            SecondConsumerComesAndGoes | SecondConsumerComesAndDies => {
                // The log of the one before would answer for it.
                let _ = std::fs::remove_file(self.configs.consumers[1].with_extension("log"));
                let mut second = Agent::consumer(&self.configs.consumers[1]);
                wait_until("two consumers share", || {
                    second.log().contains("partitions are assigned")
                });
                self.hold();
                if kind == SecondConsumerComesAndGoes {
                    assert!(second.terminate().success());
                } else {
                    second.kill();
                }
            }
        }
    }

    fn couchdb_fails(&mut self, fault: Fault) {
        self.double.state().lasting = Some(fault);
        self.hold();
        self.double.state().lasting = None;
    }

    fn start_producer(&mut self, one: usize) {
        self.producers[one] = Agent::start("producer", &self.configs.producers[one], Stdio::null());
    }

    /// Returns how many records no consumer has settled; nothing where that is not known.
    fn lag(&self) -> Option<i64> {
        let found = json("consumer", &self.configs.consumers[0], &["inspect"], "");
        found[0]["kafka"]["topics"][0]["lag"].as_i64()
    }
}

impl Configs {
    fn write(directory: &Path, bootstrap: &str, couchdb: &Gate) -> Self {
        let write = |name: String, text: String| {
            let path = directory.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let password = secret(directory, "password", "sesame\n");
        let producers = CLIENTS.map(|client| {
            let text = format!(
                "client = {client:?}\n[kafka]\nbootstrap = {bootstrap:?}\ntopic = {TOPIC:?}\n[source]\nkind = \"file\"\npath = \"{}\"\ncount = 0\n\
                 [state]\ndirectory = \"{}\"\n[spool]\nbytes = 4194304\n",
                directory.join(format!("{client}.log")).display(),
                directory.join(format!("disk-{client}/state")).display()
            );
            write(format!("producer-{client}.toml"), text)
        });
        let consumers = [1, 2].map(|number| {
            let text = format!(
                "group = \"g\"\n[kafka]\nbootstrap = {bootstrap:?}\n[couchdb]\nurl = \"http://{}\"\nuser = \"consumer\"\n\
                 password_file = \"{}\"\n[[topics]]\nname = {TOPIC:?}\ndatabase = {TOPIC:?}\nepoch = \"e0\"\n",
                couchdb.address,
                password.display()
            );
            write(format!("consumer-{number}.toml"), text)
        });
        Self {
            producers,
            consumers,
        }
    }
}

/// Suffers `rounds` times every kind of fault, and checks every line.
fn course(seed: u64, rounds: usize, longest: u64) {
    let start = Instant::now();
    let mut world = World::new(seed, longest);
    let stop = Arc::new(AtomicBool::new(false));
    let writers = CLIENTS.map(|client| {
        let path = world.directory.path().join(format!("{client}.log"));
        write_lines(client, path, Arc::clone(&stop))
    });
    wait_until("documents come", || world.double.count(TOPIC) > 0);
    let mut events = format!("seed {seed}: ready after {:?}\n", start.elapsed());
    for _ in 0..rounds {
        let mut kinds = ALL;
        kinds.shuffle(&mut world.chance);
        for kind in kinds {
            let (at, documents) = (start.elapsed(), world.double.count(TOPIC));
            world.suffer(kind);
            world.hold();
            writeln!(events, "{at:8.1?} {kind:?}, {documents} documents before").unwrap();
        }
    }
    stop.store(true, Ordering::Relaxed);
    let written: u64 = writers.map(|writer| writer.join().unwrap()).iter().sum();
    writeln!(
        events,
        "{:8.1?} {written} lines are written",
        start.elapsed()
    )
    .unwrap();
    let deadline = Instant::now() + CATCH_UP;
    while (world.double.count(TOPIC) as u64) < written || world.lag() != Some(0) {
        assert!(
            Instant::now() < deadline,
            "{events}only {} documents of {written}, lag {:?}",
            world.double.count(TOPIC),
            world.lag()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    writeln!(events, "{:8.1?} all are documents", start.elapsed()).unwrap();
    eprint!("{events}");
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for document in world.double.documents(TOPIC).values() {
        let line = document["line"].as_str().unwrap().to_owned();
        *found.entry(line).or_default() += 1;
    }
    let twice: Vec<_> = found.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{events}twice: {twice:?}");
    assert_eq!(found.len() as u64, written, "{events}");
    assert_eq!(world.double.count("t1-dead-letters"), 0, "{events}");
}

/// Says what the test needs and does not have.
fn lacks() -> Option<&'static str> {
    if !is_root() {
        return Some("root, to mount small disks");
    }
    let runs = |program: &str| {
        let mut command = Command::new(program);
        let status = command.arg("-version").stdout(Stdio::null());
        status.stderr(Stdio::null()).status().is_ok()
    };
    (!runs("java") || !runs("mvn")).then_some("java and mvn, for Kafka")
}

#[test]
fn every_line_is_one_document_through_every_kind_of_fault() {
    if let Some(lacks) = lacks() {
        crate::skip::skip(&format!("needs {lacks}"));
        return;
    }
    let seed = std::env::var("DEPLOYER_TEST_SEED").map_or_else(
        |_| rand::random_range(0..1_000_000),
        |seed| seed.parse().unwrap(),
    );
    if std::env::var_os("DEPLOYER_TEST_FULL").is_some() {
        course(seed, 5, 6000);
    } else {
        course(seed, 1, 1500);
    }
}
