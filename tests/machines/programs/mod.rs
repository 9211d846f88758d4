//! Programs of the inventory's own on real machines: each as a user of its own, with just the rights it was given; killed, changed,
//! failing, and taken away.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::deployer_command::{Deployer, subtest};
use crate::sandbox::units_are_closed_in;
use crate::support::{eventually, may_run, within};
use crate::watch::{units, well};

const SHOP: &str = include_str!("Shop.java");
const TALKER: &str = include_str!("talker.sh");

const PATIENCE: Duration = Duration::from_mins(2);

const INVENTORY: &str = r#"
nodes:
  vm1: { roles: [zookeeper, kafka, couchdb, consumer] }
  vm2:
    roles: [producer]
    producer: { source: file, path: /var/lib/deployer/#/clock/runs, group: #-clock, topic: runs, count: 0 }
kafka: { replication: 1 }
topics: { extra: { orders: {}, private: {} } }
programs:
  shop:
    on: kafka
    files: @/Shop.java
    run: java -cp "/opt/deployer/$DEPLOYMENT/kafka/libs/*" Shop.java
    env: kafka
    writes: [orders]
    environment: { DEPLOYMENT: # }
    memory_mib: 384
  talker:
    on: vm2
    files: [@/talker.sh]
    run: sh talker.sh
    env: kafka
    environment: { GREETING: "it's me" }
  crash: { on: vm2, run: exit 3 }
  clock: { on: vm2, run: 'date >>$STATE_DIRECTORY/runs', schedule: "* * * * *" }
"#;

#[test]
fn programs_of_ones_own() {
    if !may_run("programs_of_ones_own") {
        return;
    }
    let site = Site(Deployer::new(""));
    let deployer = &site.0;
    fs::write(site.file("Shop.java"), SHOP).expect("a file");
    fs::write(site.file("talker.sh"), TALKER).expect("a file");
    deployer.write(&site.inventory());
    deployer.run(&["up", "--yes"]).code(0);
    subtest(
        "what one sends are documents, and no more may it write",
        || {
            eventually("twenty documents", || {
                let said = deployer.run(&["docs", "-n", "1000", "--topic", "orders"]);
                let count = said
                    .out
                    .lines()
                    .filter(|line| line.contains("\"n\""))
                    .count();
                (count == 20).then_some(()).ok_or_else(|| said.all())
            });
            eventually("it has ended", || {
                let said = deployer.run(&["logs", "shop"]).code(0);
                let refused = said
                    .out
                    .contains("Not authorized to access topics: [private]");
                refused.then_some(()).ok_or_else(|| said.all())
            });
        },
    );
    subtest(
        "one that fails again and again is named, and stops nothing",
        || {
            eventually("its state", || {
                let status = deployer.run(&["status", "--json"]).json();
                let wanted = [
                    ("vm1", "shop", "finished"),
                    ("vm2", "talker", "running"),
                    ("vm2", "crash", "failing"),
                    ("vm2", "clock", "waiting"),
                ];
                let is_so = wanted.iter().all(|(node, name, state)| {
                    status["nodes"][node]["units"][site.unit(name)] == *state
                });
                is_so.then_some(()).ok_or_else(|| status.to_string())
            });
            deployer.run(&["plan"]).code(0).says(&["nothing to do"]);
        },
    );
    subtest("no secret is shown, whatever it prints", || {
        let said = eventually("its last word", || {
            let said = deployer.run(&["logs", "talker"]).code(0);
            let is_whole = said.out.contains("its directory is its own");
            is_whole.then_some(()).ok_or_else(|| said.all())?;
            Ok(said)
        });
        let said = said.says(&[
            "it's me from vm2",
            "its directory is its own",
            "sasl.password=<secret>",
        ]);
        let secrets = deployer.secrets();
        let password = secrets["passwords"]["talker"].as_str().expect("a password");
        said.never_says(&[password, "it changed itself"]);
        let files = site.on(
            "vm2",
            "ls -l /etc/deployer/$0/talker /opt/deployer/$0/programs/talker",
        );
        assert!(
            !files
                .lines()
                .any(|line| line.get(7..10).is_some_and(|others| others.contains('w'))),
            "{files}"
        );
    });
    units_are_closed_in(deployer);
    subtest("a killed one runs again", || {
        let before = site.pid("talker");
        site.on("vm2", "systemctl kill --signal=KILL $0-talker.service");
        eventually("another process", || {
            let now = site.pid("talker");
            (now != 0 && now != before)
                .then_some(())
                .ok_or_else(|| now.to_string())
        });
    });
    subtest(
        "a file that was changed on the node is put right, and that program alone restarted",
        || {
            let (talker, others) = (site.pid("talker"), site.others());
            site.on(
                "vm2",
                "echo exit >/opt/deployer/$0/programs/talker/talker.sh",
            );
            deployer
                .run(&["plan"])
                .code(2)
                .says(&["talker.sh", "-talker.service"]);
            deployer.run(&["up", "--yes"]).code(0);
            assert_ne!(site.pid("talker"), talker);
            assert_eq!(site.others(), others);
            deployer.run(&["plan"]).code(0).says(&["nothing to do"]);
        },
    );
    subtest("another version of a file", || {
        let others = site.others();
        let text = TALKER.replace("its directory", "the second directory");
        fs::write(site.file("talker.sh"), text).expect("a file");
        deployer.run(&["up", "--yes"]).code(0);
        eventually("its words", || {
            let said = deployer.run(&["logs", "talker"]).code(0);
            said.out
                .contains("the second directory")
                .then_some(())
                .ok_or_else(|| said.all())
        });
        assert_eq!(site.others(), others);
    });
    subtest("what cannot be is refused, with its line", || {
        for (old, new, words) in [
            (
                "/talker.sh]",
                "/walker.sh]",
                &["programs.talker.files", "walker.sh"][..],
            ),
            (
                "on: vm2\n",
                "on: vm3\n",
                &["programs.talker.on", "no node or role `vm3`"],
            ),
            (
                "writes: [orders]",
                "writes: [odres]",
                &["programs.shop.writes[0]", "`odres` is no topic"],
            ),
            (
                "* * * * *",
                "* * * *",
                &["programs.clock.schedule", "is not a schedule"],
            ),
            (
                "* * * * *",
                "* * L * *",
                &["programs.clock.schedule", "a timer can say"],
            ),
            (
                "run: sh talker.sh",
                "run: ''",
                &["programs.talker", "runs nothing"],
            ),
        ] {
            let text = site.inventory();
            assert!(text.contains(old), "{old}");
            deployer.write(&text.replacen(old, new, 1));
            let refused = deployer.run(&["up", "--yes"]).code(64);
            refused.says(words).says(&["inventory.yaml:"]);
        }
    });
    subtest(
        "what runs at times has its time, and a producer reads what it writes",
        || {
            let next = "systemctl show -P NextElapseUSecRealtime $0-clock.timer";
            let next = site.on("vm2", next);
            assert!(next.contains(":00 "), "{next}");
            // `a_pair_in_python` waits for a minute to be over.
            site.on("vm2", "systemctl start $0-clock.service");
            eventually("a run", || {
                let runs = site.on(
                    "vm2",
                    "cat /var/lib/deployer/$0/clock/runs 2>/dev/null; true",
                );
                (!runs.is_empty()).then_some(()).ok_or(runs)
            });
            eventually("its line is a document", || {
                let said = deployer.run(&["docs", "--topic", "runs"]);
                let is_there = said.out.contains("UTC");
                is_there.then_some(()).ok_or_else(|| said.all())
            });
        },
    );
    subtest(
        "one that is taken out of the inventory leaves nothing",
        || {
            let text = site.inventory();
            let (first, rest) = text.split_once("  talker:").expect("it");
            let (_, rest) = rest.split_once("  crash:").expect("the next");
            deployer.write(&format!("{first}  crash:{rest}"));
            deployer.run(&["up", "--yes"]).code(0);
            let left = site.on(
                "vm2",
                "getent passwd $0-talker; find /etc /opt /run/deployer -path '*talker*'; true",
            );
            assert_eq!(left, "");
        },
    );
    deployer.teardown();
}

/// The students' own pair, by Debian's kafka-python.
const PAIR: &str = r"
nodes:
  vm1: { roles: [zookeeper, kafka] }
  vm2: {}
kafka: { replication: 1 }
topics: { extra: { utilizations1: {} } }
programs:
  top:
    on: vm2
    files: @/producer.py
    run: exec python3 producer.py
    packages: [python3-kafka]
    env: kafka
    writes: [utilizations1]
  keeper:
    on: vm1
    files: @/consumer.py
    run: exec python3 consumer.py
    packages: [python3-kafka]
    env: kafka
    reads: [utilizations1]
  clock: { on: vm2, run: touch $STATE_DIRECTORY/ran, schedule: '* * * * *' }
";

#[test]
#[ignore = "builds a base image with Python: minutes"]
fn a_pair_in_python() {
    if !may_run("a_pair_in_python") {
        return;
    }
    let site = Site(Deployer::new(""));
    let deployer = &site.0;
    let files = [
        ("producer.py", include_str!("producer.py")),
        ("consumer.py", include_str!("consumer.py")),
    ];
    for (name, text) in files {
        fs::write(site.file(name), text).expect("a file");
    }
    deployer.write(&site.filled(PAIR));
    deployer.run(&["up", "--yes"]).code(0);
    let wanted: String = (1..=20).map(|number| format!("{number} True\n")).collect();
    within(PATIENCE, "each event once, in order", || {
        let kept = site.on("vm1", "cat /var/lib/deployer/$0/keeper/events; true");
        (kept == wanted).then_some(()).ok_or_else(|| {
            let logs = ["top", "keeper"].map(|name| deployer.run(&["logs", name]).all());
            format!("{kept}{}", logs.concat())
        })
    });
    within(PATIENCE, "a run at its time", || {
        let ran = site.on("vm2", "ls /var/lib/deployer/$0/clock");
        (ran == "ran\n").then_some(()).ok_or(ran)
    });
    well(deployer);
    deployer.run(&["plan"]).code(0).says(&["nothing to do"]);
    deployer.teardown();
}

/// The deployment, and what happens in it.
struct Site(Deployer);

impl Site {
    fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.directory.path().join(name)
    }

    fn inventory(&self) -> String {
        self.filled(INVENTORY)
    }

    /// With the test's directory, and the deployment's name.
    fn filled(&self, text: &str) -> String {
        let directory: &Path = self.0.directory.path();
        let text = text.replace('@', directory.to_str().expect("a plain path"));
        text.replace('#', &self.0.name)
    }

    fn unit(&self, name: &str) -> String {
        format!("{}-{name}.service", self.0.name)
    }

    /// Runs a script on a node; `$0` is the deployment's name.
    fn on(&self, node: &str, script: &str) -> String {
        self.0.on(node, &["sh", "-c", script, &self.0.name])
    }

    /// The process of a program on the second node; 0: none.
    fn pid(&self, name: &str) -> u64 {
        let said = self.on(
            "vm2",
            &format!("systemctl show -P MainPID $0-{name}.service"),
        );
        said.trim().parse().expect("a number")
    }

    /// All units but those of the programs on the second node.
    fn others(&self) -> Vec<String> {
        let all = units(&self.0).into_iter();
        let others = all.filter(|(name, _)| !name.starts_with("vm2 "));
        others
            .map(|(name, unit)| format!("{name} {}", unit.pid))
            .collect()
    }
}
