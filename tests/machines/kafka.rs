//! One deployment whose inventory says other things of Kafka again and again: topics' settings, partitions, copies, brokers and
//! clients. What the brokers say is asked with Kafka's own tool.

use crate::deployer_command::{Deployer, subtest};
use crate::support::{eventually, may_run};
use crate::watch::Documents;

/// Two endless clients, and so many brokers; `more` are further keys.
fn inventory(clients: u32, brokers: u32, more: &str) -> String {
    let third = if brokers == 3 {
        "  vm4: { roles: [kafka] }\n"
    } else {
        ""
    };
    format!(
        "\
nodes:
  vm1: {{ count: {clients}, roles: [producer] }}
  vm2: {{ roles: [zookeeper, kafka, consumer] }}
  vm3: {{ roles: [kafka, couchdb] }}
{third}producer: {{ count: 0, interval: 200ms }}
{more}
"
    )
}

/// Kafka's own tool for settings, on a broker's node.
fn config_tool(deployer: &Deployer, words: &str) -> String {
    let words = words.split(' ');
    let words: Vec<&str> = ["kafka", "configs", "--entity-type", "topics"]
        .into_iter()
        .chain(words)
        .collect();
    deployer.run(&words).code(0).out
}

/// The settings a topic has of its own, as Kafka's tool shows them.
fn settings(deployer: &Deployer, topic: &str) -> Vec<String> {
    let said = config_tool(deployer, &format!("--describe --entity-name {topic}"));
    let mut settings: Vec<String> = said
        .lines()
        .filter_map(|line| line.trim().split(' ').next())
        .filter(|word| word.contains('='))
        .map(str::to_owned)
        .collect();
    settings.sort();
    settings
}

const SHORT: &str =
    "topics: { retention: 1h, settings: { max.message.bytes: 65536 }, extra: { orders: {} } }";

#[test]
fn what_the_inventory_says_of_kafka_is_so() {
    if !may_run("what_the_inventory_says_of_kafka_is_so") {
        return;
    }
    let deployer = Deployer::new(&inventory(2, 2, "topics: { extra: { orders: {} } }"));
    deployer.run(&["up", "--yes"]).code(0).says(&["proven"]);
    subtest("settings of topics converge", || {
        settings_converge(&deployer);
    });
    subtest("settings that were altered by hand are repaired", || {
        settings_are_repaired(&deployer);
    });
    subtest("partitions only grow", || partitions_only_grow(&deployer));
    subtest("a dropped client is read until it is pruned", || {
        a_dropped_client_is_read(&deployer);
    });
    subtest("a new broker is named, and copies stay as many", || {
        a_new_broker_is_named(&deployer);
    });
    subtest("a broker that holds partitions stays one", || {
        a_broker_that_holds_partitions_stays(&deployer);
    });
    subtest("a broker that is gone is named, and comes back", || {
        a_broker_that_is_gone_comes_back(&deployer);
    });
    deployer.teardown();
}

fn settings_converge(deployer: &Deployer) {
    assert_eq!(
        settings(deployer, "utilizations1"),
        ["retention.ms=604800000"]
    );
    deployer.write(&inventory(2, 2, SHORT));
    let plan = deployer.run(&["plan"]).code(2);
    for topic in [
        "utilizations1",
        "utilizations2",
        "orders",
        "deployer-canaries",
    ] {
        for words in [
            "retention.ms 604800000 → 3600000",
            "max.message.bytes the brokers' default → 65536",
        ] {
            let line = format!("topic {topic}: {words}");
            assert!(plan.out.contains(&line), "{line}: {}", plan.all());
        }
    }
    deployer.run(&["up", "--yes"]).code(0).says(&["proven"]);
    let wanted = ["max.message.bytes=65536", "retention.ms=3600000"];
    // The canaries prove the way of the events, with their settings.
    for topic in ["orders", "deployer-canaries"] {
        assert_eq!(settings(deployer, topic), wanted);
    }
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
}

fn settings_are_repaired(deployer: &Deployer) {
    let alter =
        "--alter --entity-name orders --add-config retention.ms=1000,cleanup.policy=compact";
    config_tool(deployer, alter);
    let words = [
        "topic orders: cleanup.policy compact → the brokers' default",
        "topic orders: retention.ms 1000 → 3600000",
    ];
    deployer.run(&["status"]).code(1).says(&words);
    deployer.run(&["plan"]).code(2).says(&words);
    // A setting that left the inventory goes with them.
    deployer.write(&inventory(
        2,
        2,
        &SHORT.replace("max.message.bytes: 65536", ""),
    ));
    let gone = "topic utilizations1: max.message.bytes 65536 → the brokers' default";
    deployer
        .run(&["up", "--yes"])
        .code(0)
        .says(&[gone, words[1]]);
    assert_eq!(settings(deployer, "orders"), ["retention.ms=3600000"]);
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
    deployer.run(&["status"]).code(0).says(&["all is well"]);
}

fn orders(partitions: u32) -> String {
    format!("topics: {{ retention: 1h, extra: {{ orders: {{ partitions: {partitions} }} }} }}")
}

fn partitions_only_grow(deployer: &Deployer) {
    deployer.write(&inventory(2, 2, &orders(4)));
    let more = "topic orders: partitions 1 → 4";
    deployer.run(&["up", "--yes"]).code(0).says(&[more]);
    deployer.write(&inventory(2, 2, &orders(2)));
    let fewer = "topic orders: partitions 4 → 2: Kafka cannot take partitions away";
    for verb in [&["plan"][..], &["up", "--yes"]] {
        let said = deployer.run(verb).code(64);
        said.says(&[fewer, "nothing was changed", "say `partitions: 4`"]);
    }
    deployer.write(&inventory(2, 2, &orders(4)));
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
}

fn a_dropped_client_is_read(deployer: &Deployer) {
    let documents = Documents::new(deployer, "vm3");
    let count = || -> usize {
        let runs = documents.runs("utilizations2", "vm1-2");
        runs.values().map(Vec::len).sum()
    };
    deployer.write(&inventory(1, 2, &orders(4)));
    let left = "vm1-2: its producer was not stopped, and what it sends is read as before";
    deployer.run(&["plan"]).code(0).says(&[left]);
    deployer.run(&["up", "--yes"]).code(0).says(&[left]);
    let before = count();
    eventually("more documents of the dropped client", || match count() {
        now if now > before => Ok(()),
        now => Err(format!("{now}")),
    });
    let sends = "vm1-2: no longer in the inventory, and its producer still sends";
    deployer
        .run(&["status"])
        .code(0)
        .says(&[sends, "(utilizations2)"]);
    let said = deployer.run(&["up", "--yes", "--prune"]).code(0);
    said.says(&["delete vm1-2 and its disk"]);
    let said = deployer.run(&["status"]).code(0);
    said.never_says(&["utilizations2", "vm1-2"]);
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
}

/// Partitions that are spread over three brokers.
const SPREAD: &str =
    "topics: { retention: 1h, extra: { orders: { partitions: 4 }, spread: { partitions: 6 } } }";

fn a_new_broker_is_named(deployer: &Deployer) {
    deployer.write(&inventory(1, 3, &orders(4)));
    let empty = "vm4: its broker has no partitions";
    deployer.run(&["up", "--yes"]).code(0).says(&[empty]);
    deployer
        .run(&["status"])
        .code(0)
        .says(&[empty, "3 of 3 alive"]);
    let copies = format!("kafka: {{ replication: 3 }}\n{}", orders(4));
    deployer.write(&inventory(1, 3, &copies));
    for verb in [&["plan"][..], &["up", "--yes"]] {
        let said = deployer.run(verb).code(64);
        said.says(&[
            "kafka.replication 2 → 3: topics ",
            "nothing was changed",
            "say `replication: 2`",
        ]);
    }
    deployer.write(&inventory(1, 3, SPREAD));
    deployer.run(&["up", "--yes"]).code(0);
    deployer.run(&["status"]).code(0).never_says(&[empty]);
}

fn a_broker_that_holds_partitions_stays(deployer: &Deployer) {
    let hosts = deployer.on("vm2", &["cat", "/etc/hosts"]);
    assert!(hosts.contains(&format!("vm4.{}.internal", deployer.name)));
    deployer.write(&inventory(1, 2, SPREAD));
    let stays = "partitions cannot be moved yet, so vm4 should stay a broker";
    deployer
        .run(&["plan"])
        .code(2)
        .says(&["vm4: its broker goes and leads ", stays]);
    for verb in [&["up", "--yes"][..], &["up", "--yes", "--prune"]] {
        let said = deployer.run(verb).code(64);
        said.says(&[stays, "nothing was changed", "--destroy-data vm4"]);
    }
    assert_eq!(deployer.on("vm2", &["cat", "/etc/hosts"]), hosts);
    // Given up without being pruned, it goes on to serve, known to all.
    let said = deployer
        .run(&["up", "--yes", "--destroy-data", "vm4"])
        .code(0);
    said.says(&["vm4: no longer wanted and left alone"]);
    assert_eq!(deployer.on("vm2", &["cat", "/etc/hosts"]), hosts);
    let said = deployer.run(&["status"]).code(0);
    said.says(&[
        "2 of 2 alive, and 3 that the inventory does not name",
        "vm4: no longer in the inventory",
    ]);
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
}

fn a_broker_that_is_gone_comes_back(deployer: &Deployer) {
    let prune = ["up", "--yes", "--prune", "--destroy-data", "vm4"];
    deployer
        .run(&prune)
        .code(0)
        .says(&["delete vm4 and its disk"]);
    let gone = "broker 3 (vm4) is gone with copies of ";
    let back = "put vm4 back into the inventory";
    // Until its session at ZooKeeper ends it is there for the others.
    let said = eventually("the broker is gone for the others, too", || {
        let said = deployer.run(&["status"]);
        if said.out.contains(gone) {
            Ok(said)
        } else {
            Err(said.out)
        }
    });
    said.code(1).says(&[gone, back, "2 of 2 alive"]);
    deployer
        .run(&["plan"])
        .code(2)
        .says(&[gone, back, "nothing that `up` can do"]);
    // Brokers restart without waiting for copies that do not come.
    let heap = format!("kafka: {{ heap_mib: 300 }}\n{SPREAD}");
    deployer.write(&inventory(1, 2, &heap));
    let said = deployer.run(&["up", "--yes"]).code(0).says(&["proven"]);
    assert!(said.took.as_secs() < 100, "{}", said.all());
    deployer.write(&inventory(1, 3, &heap));
    deployer.run(&["up", "--yes"]).code(0).says(&["proven"]);
    eventually("all copies are there again", || {
        let said = deployer.run(&["status"]);
        (said.code == Some(0)).then_some(()).ok_or(said.out)
    });
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
}
