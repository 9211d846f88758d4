//! What a user does with topics from the own box: Kafka's own tools, events as they come, files that are sent, documents as a table.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::command_line::Running;
use crate::deployer_command::{Deployer, subtest};
use crate::support::{eventually, may_run, succeed};
use crate::watch::well;

const INVENTORY: &str = "\
nodes:
  vm1: { roles: [zookeeper, kafka, consumer, couchdb] }
kafka: { replication: 1 }
topics: { extra: { orders: { partitions: 2 } } }
";

#[test]
fn doors_are_open_to_who_belongs() {
    if !may_run("doors_are_open_to_who_belongs") {
        return;
    }
    let deployer = Deployer::new(INVENTORY);
    deployer.run(&["up", "--yes"]).code(0).says(&["proven"]);
    subtest("Kafka's own tools run on a broker's node", || {
        own_tools_run(&deployer);
    });
    subtest("events are shown as they come", || {
        events_are_shown(&deployer);
    });
    subtest("a file that is sent twice is there once", || {
        twice_is_once(&deployer);
    });
    subtest("documents are a table", || documents_are_a_table(&deployer));
    subtest("what runs on a node ends with the command line", || {
        nothing_goes_on(&deployer);
    });
    well(&deployer);
    deployer.teardown();
}

fn own_tools_run(deployer: &Deployer) {
    let listed = deployer.run(&["kafka", "topics", "--list"]).code(0);
    assert!(
        listed.out.lines().any(|line| line == "orders"),
        "{}",
        listed.all()
    );
    assert_eq!(listed.err, "");
    // What it says and its exit code are the tool's own.
    let words = ["kafka", "topics", "--describe", "--topic", "nowhere"];
    deployer.run(&words).code(1).says(&["nowhere"]);
    let help = deployer.run(&["kafka", "groups", "--help"]);
    help.says(&["--all-groups"]);
    let topic = "--entity-type=topics";
    deployer
        .run(&[
            "kafka",
            "configs",
            "--describe",
            topic,
            "--entity-name",
            "orders",
        ])
        .code(0)
        .says(&["retention.ms=604800000"]);
    let keyed = [
        "--property",
        "parse.key=true",
        "--property",
        "key.separator=:",
    ];
    let words = [
        &["kafka", "console-producer", "--topic", "orders"],
        &keyed[..],
    ]
    .concat();
    deployer
        .reading(&words, "k:{\"a\":1}\nk:{\"a\":2}\n")
        .code(0);
    let words = "kafka console-consumer --topic orders --from-beginning --max-messages 2";
    let words: Vec<&str> = words.split(' ').collect();
    let read = deployer.run(&words).code(0);
    assert_eq!(read.out, "{\"a\":1}\n{\"a\":2}\n", "{}", read.all());
    assert_eq!(tools_there(deployer), "");
}

/// Directories and processes of tools on the node.
fn tools_there(deployer: &Deployer) -> String {
    let words = "ls -d /run/deployer-tool-* 2>/dev/null; pgrep -af '[T]opicCommand|[C]onsoleConsumer|[c]onsumer.toml tail'; :";
    deployer.on("vm1", &[words])
}

fn groups(deployer: &Deployer) -> String {
    deployer.run(&["kafka", "groups", "--list"]).code(0).out
}

/// A tail that shows all that is sent from here on.
fn tail(deployer: &Deployer, more: &[&str]) -> Running {
    let mut tail = deployer.start(&[&["tail", "orders"], more].concat());
    assert!(tail.until(|line| line.contains("reading orders, partitions: 2")));
    tail
}

fn events_are_shown(deployer: &Deployer) {
    let before = groups(deployer);
    let first = deployer.run(&["tail", "orders", "--from-beginning", "-n", "1"]);
    let first = first.code(0);
    let columns: Vec<&str> = first.out.trim_end().split('\t').collect();
    assert_eq!(columns[2..], ["k", "-", "{\"a\":1}"], "{}", first.all());
    let tail = tail(deployer, &["-n", "2"]);
    deployer
        .reading(&["send", "orders", "-"], "one\n{\"two\": 2.0}\n")
        .code(0)
        .says(&["2 lines sent, 2 acknowledged"]);
    let said = tail.finish().code(0);
    assert_eq!(said.out.lines().count(), 2, "{}", said.all());
    said.says(&[
        "\"sequence\":1,\"kind\":\"line\",\"line\":\"one\"}",
        "\"sequence\":2,\"kind\":\"json\",\"event\":{\"two\": 2.0}}",
    ]);
    assert_eq!(groups(deployer), before, "a group is left");
    deployer
        .run(&["tail", "nowhere"])
        .code(64)
        .says(&["there is no topic `nowhere`"]);
}

/// Documents that were sent by a run.
fn sent(deployer: &Deployer, run: &str) -> Vec<Value> {
    let documents = deployer
        .run(&["docs", "-n", "50", "--topic", "orders"])
        .code(0);
    let documents = documents.out.lines().map(|line| {
        let document: Value = serde_json::from_str(line).expect("a document");
        document
    });
    documents
        .filter(|document| document["run"] == run)
        .collect()
}

fn twice_is_once(deployer: &Deployer) {
    let file = deployer.directory.path().join("orders.txt");
    std::fs::write(&file, "{\"total\": 1.50}\nplain text\n7").expect("a file");
    let words = ["send", "orders", file.to_str().expect("a plain path")];
    let said = deployer.run(&words).code(0);
    let run = said
        .err
        .split("run ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let run = run.unwrap_or_else(|| panic!("{}", said.all())).to_owned();
    said.says(&["3 lines sent, 3 acknowledged"]);
    deployer
        .run(&words)
        .code(0)
        .says(&["3 lines sent, 3 acknowledged", &run]);
    eventually("all documents", || {
        let there = sent(deployer, &run);
        (there.len() == 3).then_some(()).ok_or(format!("{there:?}"))
    });
    well(deployer);
    let mut there = sent(deployer, &run);
    there.sort_by_key(|document| document["sequence"].as_u64());
    assert_eq!(there.len(), 3);
    assert_eq!(there[0]["event"]["total"], 1.5);
    assert_eq!(there[1]["line"], "plain text");
    assert_eq!(there[2]["line"], "7");

    for topic in ["nowhere", "deployer-canaries"] {
        let words = ["send", topic, words[2]];
        let known = "it has orders";
        deployer
            .run(&words)
            .code(64)
            .says(&["the inventory has no topic", known]);
    }
    let large = format!("small\n{}\nsmall\n", "x".repeat(1_000_000));
    deployer
        .reading(&["send", "orders", "-"], &large)
        .code(1)
        .says(&[
            "line 2 was not acknowledged",
            "1 lines were",
            "makes no second document",
        ]);
}

fn documents_are_a_table(deployer: &Deployer) {
    let words = ["docs", "--table", "-n", "20", "--topic", "orders"];
    let table = deployer.run(&words).code(0).out;
    let head = table.lines().next().expect("a head");
    for column in [
        "_id",
        "client",
        "sequence",
        "line",
        "event.total",
        "kafka.key",
    ] {
        assert!(head.split("  ").any(|name| name.trim() == column), "{head}");
    }
    assert!(table.contains("plain text"), "{table}");
}

fn nothing_goes_on(deployer: &Deployer) {
    let words = ["kafka", "console-consumer", "--topic", "orders"];
    let begun = || {
        eventually("the tool", || {
            let there = tools_there(deployer);
            there.contains("ConsoleConsumer").then_some(()).ok_or(there)
        });
    };
    let gone = || {
        eventually("its end", || {
            let there = tools_there(deployer);
            there.is_empty().then_some(()).ok_or(there)
        });
    };
    let tool = deployer.start(&words);
    begun();
    tool.interrupt();
    tool.finish().code(130);
    gone();
    let (tool, killed) = (deployer.start(&words), tail(deployer, &[]));
    let ended = tail(deployer, &[]);
    begun();
    tool.kill();
    killed.kill();
    ended.interrupt();
    // That is how it is meant to end.
    ended.finish().code(0);
    gone();
}

const USERS: &str = "\
security: on
users: { shop: { write: [orders] }, grader: { read: [orders] } }
";

#[test]
fn a_users_program_comes_in() {
    if !may_run("a_users_program_comes_in") {
        return;
    }
    let deployer = Deployer::new(&format!("{USERS}{INVENTORY}"));
    deployer.run(&["up", "--yes"]).code(0).says(&["proven"]);
    deployer
        .run(&["client-config", "mallory"])
        .code(64)
        .says(&["the inventory has no user `mallory`; it has grader, shop"]);
    let directory = |user: &str| {
        let into = deployer.directory.path().join(user).display().to_string();
        deployer
            .run(&["client-config", user, "--into", &into])
            .code(0);
        for file in std::fs::read_dir(&into).expect("a directory").flatten() {
            let mode = file.metadata().expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file:?}");
        }
        succeed("python3", &[&format!("{into}/client.py")]);
        into
    };
    let (shop, grader) = (directory("shop"), directory("grader"));
    let again = deployer.run(&["client-config", "shop", "java", "--into", &shop]);
    again.code(64).says(&["nothing is overwritten"]);

    let tunnel = deployer.start(&["open", "kafka"]);
    eventually("the tunnel", || {
        TcpStream::connect("127.0.0.2:9092").map_err(|error| error.to_string())
    });
    // Kafka's own programs, on this box, by the files alone.
    let disk = deployer.place().join("machines/vm1/disk/upper");
    let (disk, name) = (disk.display(), &deployer.name);
    let program = |directory: &str, words: &str| {
        let script = format!(
            "cd {directory} && timeout 60 java -Xmx128m -cp '{disk}/opt/deployer/{name}/kafka/libs/*' \
             -Dlog4j.configuration=file:{disk}/etc/deployer/{name}/kafka/log4j.properties {words} \
             --bootstrap-server vm1.{name}.internal:9092 --topic orders 2>&1"
        );
        ["-c".to_owned(), script]
    };
    let reads = |directory: &str, group: &str| {
        let words = format!(
            "org.apache.kafka.tools.consumer.ConsoleConsumer --consumer.config client.properties \
             --group {group} --from-beginning --max-messages 1 --timeout-ms 30000"
        );
        program(directory, &words)
    };
    let writes = "kafka.tools.ConsoleProducer --producer.config client.properties --sync";
    let mut send = program(&shop, writes);
    send[1] = format!("echo '{{\"total\":1}}' | ({})", send[1]);
    succeed("sh", &send.each_ref().map(String::as_str));
    let read = reads(&grader, "grader-1");
    let read = succeed("sh", &read.each_ref().map(String::as_str));
    assert!(read.contains("{\"total\":1}"), "{read}");
    for (directory, group, refusal) in [
        (&shop, "shop-1", "AuthorizationException"),
        (&grader, "other", "GroupAuthorizationException"),
    ] {
        let [_, script] = reads(directory, group);
        let said = succeed("sh", &["-c", &format!("{script}; :")]);
        assert!(said.contains(refusal), "{said}");
    }
    let mut send = program(&grader, writes);
    send[1] = format!("echo x | ({}); :", send[1]);
    let said = succeed("sh", &send.each_ref().map(String::as_str));
    // Who may write to no topic gets no number for its events either.
    assert!(said.contains("AuthorizationException"), "{said}");
    tunnel.interrupt();
    tunnel.finish();
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
    deployer.teardown();
}
