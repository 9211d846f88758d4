//! All of a pipeline on one machine with one processor and 2 GiB, as a student's own may be.

use crate::deployer_command::{Deployer, say, subtest};
use crate::real_couchdb::real_couchdb;
use crate::support::{may_run, succeed};
use crate::watch::{Documents, well, whole_run};

/// What the machine has, in MiB.
const MEMORY: u64 = 2048;

#[test]
#[ignore = "figures: alone on the box"]
fn all_of_it_on_one_small_machine() {
    if !may_run("all_of_it_on_one_small_machine") {
        return;
    }
    let Some(archive) = real_couchdb(".tar.gz", "all on one small machine") else {
        return;
    };
    // Whoever is started from here runs on the same processor.
    let thread = std::fs::read_link("/proc/thread-self").expect("a link");
    let thread = thread.file_name().expect("a name").to_string_lossy();
    succeed("taskset", &["-cp", "0", &thread]);
    let deployer = Deployer::new(&format!(
        "nodes: {{ all: {{ roles: [zookeeper, kafka, couchdb, consumer, producer], memory_mib: {MEMORY} }} }}\n\
         kafka: {{ replication: 1 }}\nproducer: {{ count: 100, interval: 50ms }}\n\
         couchdb: {{ distribution: archive, archive: \"{}\" }}\n",
        archive.display()
    ));
    let up = deployer.run(&["up", "--wait"]).code(0);
    let up = up.says(&["20 canaries sent, 20 are documents, 0 twice", "all 100/100"]);
    let done = up.err.lines().find(|line| line.contains(": done in "));
    say(done.expect("the time it took"));
    assert_eq!(deployer.on("all", &["nproc"]).trim(), "1");
    let documents = Documents::new(&deployer, "all");
    whole_run(&documents, "utilizations1", "all", 100, 1);
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
    for role in ["zookeeper", "kafka", "couchdb", "consumer"] {
        subtest(&format!("{role} starts anew"), || {
            let unit = format!("{}-{role}", deployer.name);
            deployer.on("all", &["systemctl", "restart", &unit]);
            well(&deployer);
        });
    }
    let used = memory(&deployer);
    say(&format!("{used} MiB at most, of {MEMORY}"));
    assert!(used < MEMORY, "{used} MiB");
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
    deployer.teardown();
}

/// The most that the processes there ever had, all of them together, in MiB: no less than all had at one time.
fn memory(deployer: &Deployer) -> u64 {
    let said = deployer.on("all", &["cat /proc/[0-9]*/status 2>/dev/null || true"]);
    let peaks = said.lines().filter_map(|line| line.strip_prefix("VmHWM:"));
    let peaks = peaks.filter_map(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    peaks.sum::<u64>() / 1024
}
