//! Streams of an inventory: what is refused before anything is made, and the topics and rights that they have.

use std::io::Write as _;

use deployer::component::spark::{self, Spark};
use deployer::component::{Component as _, Does, Flow, Reach, Stop};
use deployer::facts::{Facts, FileFact, UnitFact};
use deployer::receipt::Choices;
use serde_json::{Value, json};

use crate::topologies::read;

const GOOD: &str = "\
name: x
nodes:
  vm1: { roles: [zookeeper, kafka, producer] }
  vm2: { roles: [spark] }
kafka: { replication: 1 }
topics:
  extra:
    orders: { partitions: 4 }
streams:
  totals:
    from: orders
    parse: { json: \"customer STRING, euros DOUBLE\", require: [customer] }
    sql: SELECT customer AS key, sum(euros) AS value FROM orders GROUP BY customer
    to: totals
";

#[test]
fn its_topics_are_made_and_its_rights_are_those_of_its_topics() {
    let topology = read(GOOD).expect("good");
    for topic in ["orders", "totals", "totals-bad"] {
        assert!(topology.topics.contains_key(topic), "{topic}");
    }
    let rights = Spark.rights(&topology.nodes["vm2"], &topology);
    let words: Vec<String> = rights
        .iter()
        .flat_map(deployer::rights::Right::words)
        .collect();
    let wanted = [
        "spark: read topic deployer-canaries",
        "spark: read topic orders",
        "spark: write topic totals",
        "spark: write topic totals-bad",
    ];
    assert_eq!(words, wanted);
    // One that the inventory has for its settings is as it says.
    let said = GOOD.replace(
        "orders: { partitions: 4 }",
        "{ orders: {}, totals: { partitions: 7 } }",
    );
    let topology = read(&said).expect("good");
    assert_eq!(topology.topics["totals"].partitions, 7);
    assert_eq!(topology.topics["totals-bad"].partitions, 1);
}

#[test]
fn what_could_never_run_is_refused_with_its_line() {
    let other = "
  more:
    from: totals
    sql: SELECT 1 AS key, 2 AS value FROM totals
    to: ";
    let more = |to: &str| format!("    to: totals{other}{to}\n");
    let cases: &[(&str, &str, &str)] = &[
        (
            "from: orders",
            "from: order",
            "t.yaml:11:11: streams.totals.from: `order` is no topic of the inventory; add it to `topics.extra`, or name one of `orders`, `totals`, `totals-bad`, `utilizations1`",
        ),
        (
            "SELECT customer AS key",
            "CREATE TABLE key",
            "streams.totals.sql: must be a query, and begins with `create`",
        ),
        (
            "SELECT customer AS key,",
            "SELECT customer,",
            "t.yaml:13:10: streams.totals.sql: gives no column `key`",
        ),
        (
            "AS value FROM",
            "FROM",
            "streams.totals.sql: gives no column `value`",
        ),
        (
            "FROM orders GROUP",
            "FROM order GROUP",
            "streams.totals.sql: does not read `orders`, the topic of its `from`",
        ),
        (
            "require: [customer]",
            "require: [client]",
            "streams.totals.parse.require[0]: `client` is none of its columns",
        ),
        (
            "json: \"customer STRING, euros DOUBLE\", require: [customer]",
            "",
            "streams.totals.parse: must be by one of `json` and `regex`",
        ),
        (
            "json: \"customer STRING, euros DOUBLE\", require: [customer]",
            "regex: (a)",
            "streams.totals.parse: `regex` needs names for its groups",
        ),
        (
            "    to: totals\n",
            "    to: totals\n    every: 5\n",
            "streams.totals.every: `5` is not a span of time",
        ),
        (
            "    to: totals\n",
            "    to: totals\n    every: 2d\n",
            "t.yaml:15:12: streams.totals.every: must be between 1s and 1h, is 2d",
        ),
        (
            "    to: totals\n",
            "    to: orders\n",
            "streams.totals.from: reads what comes of its own rows: `orders` → `orders`",
        ),
        (
            "    to: totals\n",
            &more("orders"),
            "streams.totals.from: reads what comes of its own rows: `orders` → `totals` → `orders`",
        ),
        (
            "    to: totals\n",
            &more("totals-bad"),
            "streams.totals.to: `totals-bad` has the rows of the stream `more` already",
        ),
        (
            "    to: totals\n",
            "    to: utilizations1\n",
            "t.yaml:14:9: streams.totals.to: `utilizations1`, of the stream totals, is the topic of vm1 already",
        ),
        (
            "  vm2: { roles: [spark] }\n",
            "",
            "streams: nobody runs them: no node has the role `spark`",
        ),
        (
            "[spark] }",
            "[spark], memory_mib: 1024 }",
            "nodes.vm2: needs 1152 MiB of memory (system 256, Spark 512 + 384) and has 1024; lower `heap_mib`, or raise `nodes.vm2.memory_mib` to 1152",
        ),
        (
            "[spark] }",
            "[spark], memory_mib: 1024 }\n  vm3:\n  vm4: { memory_mib: 1600 }",
            "t.yaml:4:3: nodes.vm2: needs 1152 MiB of memory (system 256, Spark 512 + 384) and has 1024; give `spark` to vm3, which has room for it, or lower `heap_mib`",
        ),
        (
            "[spark] }",
            "[spark], memory_mib: 1024 }\n  vm3: { count: 2 }",
            "(system 256, Spark 512 + 384) and has 1024; lower `heap_mib`, or raise `nodes.vm2.memory_mib` to 1152",
        ),
        (
            "partitions: 4",
            "retention: 1m",
            "streams.totals.from: `orders` keeps events for 1m: they may be gone before the stream has read them",
        ),
        (
            "kafka: {",
            "spark: { heap_mib: 400 }\nkafka: {",
            "spark.heap_mib: must be between 480 and 65536, is 400",
        ),
    ];
    for (good, bad, told) in cases {
        assert!(GOOD.contains(good), "{good}");
        let said = read(&GOOD.replace(good, bad)).expect_err(bad);
        assert!(said.contains(told), "{bad}:\n{said}\nhas not\n{told}");
    }
    let none = GOOD.split("streams:").next().unwrap_or_default();
    let said = read(none).expect_err("no streams");
    assert!(said.contains("`spark` would have nothing to run"), "{said}");
}

#[test]
fn groups_of_events_that_go_are_said() {
    let said = |text: &str| Spark.remarks(&read(text).expect("good"));
    let begins = "the stream totals groups the events of `orders`, which go after 7d: ";
    assert!(said(GOOD)[0].starts_with(begins), "{:?}", said(GOOD));
    let grouped = " sum(euros) AS value FROM orders GROUP BY customer";
    let rows = GOOD.replace(grouped, " euros AS value FROM orders");
    assert_eq!(said(&rows), <[String; 0]>::default());
}

#[test]
fn a_stream_is_behind_until_it_has_passed_the_canary() {
    let seldom = "
  seldom: { from: orders, sql: \"SELECT 1 AS key, 2 AS value FROM orders\", to: seldom, every: 1h }
";
    let topology = read(&format!("{GOOD}{}", &seldom[1..])).expect("good");
    let said = |text: &str| {
        let behind = Spark.behind(&topology, text, 4).expect("it reads them");
        let words = behind
            .into_iter()
            .map(|(part, behind)| format!("{part} {}", behind.how));
        words.collect::<Vec<_>>()
    };
    let silent = [
        "the stream seldom has not begun yet",
        "the stream totals has not begun yet",
    ];
    assert_eq!(said(""), silent);
    let text = |markers: u32, error: &str| {
        format!(
            r#"{{"streams": {{"totals": {{"markers": {markers}, "batches": 2}}, "seldom": {{"markers": 5, "batches": 1}}}}{error}}}"#
        )
    };
    let begun = said(&text(4, ""));
    assert_eq!(
        begun,
        ["the stream totals is at 4 of 5 canaries, after 2 batches"]
    );
    assert_eq!(said(&text(5, "")), <[String; 0]>::default());
    // One that looks seldom has proven nothing by its first look: it is waited for longer.
    let first = text(5, "").replace(
        "\"markers\": 5, \"batches\": 1",
        "\"markers\": 0, \"batches\": 1",
    );
    let one = ["the stream seldom is at 0 of 5 canaries, after 1 batches"];
    assert_eq!(said(&first), one);
    let behind = Spark.behind(&topology, &first, 4).expect("it reads them");
    let waits = behind.values().map(|behind| behind.every.as_secs());
    assert_eq!(waits.collect::<Vec<_>>(), [3600]);
    // One that is at a long batch, and one that has ended, are told apart.
    let does = |said: &str| {
        let behind = Spark.behind(&topology, said, 4).expect("it reads them");
        behind.values().map(|part| part.does).collect::<Vec<_>>()
    };
    let working = first.replace("\"markers\": 0,", "\"markers\": 0, \"working\": true,");
    assert_eq!(does(&working), [Does::Work]);
    assert_eq!(does(&first), [Does::Nothing]);
    assert_eq!(does(&text(5, r#", "error": "no""#)), [Does::End; 2]);
    let ended = said(&text(5, r#", "error": "no""#));
    let all = [
        "the stream seldom has ended: no",
        "the stream totals has ended: no",
    ];
    assert_eq!(ended, all);
}

#[test]
fn how_far_a_stream_is_goes_by_what_it_has_committed() {
    let topology = read(GOOD).expect("good");
    let report = |ends: &Value, said: &Value| {
        let partitions = (0..4).map(|id| json!({"id": id, "leader": 1}));
        let partitions: Vec<Value> = partitions.collect();
        let topic =
            json!({"name": "orders", "partitions": partitions, "messages": 30, "ends": ends});
        let log = serde_json::from_value(json!({ "topics": [topic] })).expect("a log");
        let mut facts = Facts::default();
        let file = FileFact {
            text: Some(json!({"streams": {"totals": said}}).to_string()),
            ..FileFact::default()
        };
        facts.files.insert(spark::state(&topology), file);
        let now = "2026-11-21T10:00:07Z".parse().expect("a moment");
        let reports = Spark.streams(&topology.nodes["vm2"], &topology, &facts, &log, now);
        json!(reports["totals"])
    };
    let ends = json!({"0": 10, "1": 20, "2": 5, "3": 0});
    let read = json!({"0": 10, "1": 12, "2": 5});
    let last = json!({"at": "2026-11-21T10:00:03.5Z", "records": 17, "took_ms": 250});
    let said = json!({"markers": 7, "batches": 3, "read": read, "last": last});
    let wanted = json!({"from": "orders", "to": "totals", "lag": 8, "batches": 3, "last_age_seconds": 3,
        "last_records": 17, "last_took_ms": 250});
    assert_eq!(report(&ends, &said), wanted);
    // Before its first batch all that the topic holds is before it.
    let begun = report(&ends, &json!({"markers": 0, "batches": 0}));
    assert_eq!(
        (&begun["lag"], &begun["last_age_seconds"]),
        (&json!(30), &Value::Null)
    );
    // A partition whose leader does not answer hides how much there is.
    assert_eq!(report(&json!({"0": 10}), &said)["lag"], Value::Null);
}

#[test]
fn the_lines_of_streams_that_spark_refuses_are_known() {
    let said = "vm2: write streams.json: ended with exit code 65
    stream `a-b`: [PARSE_SYNTAX_ERROR] Syntax error at or near 'n'
    stream `c`: `parse`: the pattern has 2 groups, and there are 1 columns";
    assert_eq!(Spark.meant(said), ["streams.a-b.sql", "streams.c.parse"]);
    assert_eq!(Spark.meant("java: not found"), <[String; 0]>::default());
}

#[test]
fn spark_is_what_the_pinned_list_names() {
    let jars = spark::jars::jars();
    let names: Vec<&str> = jars
        .maven_list
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(_, name)| name)
        .collect();
    for part in ["spark-sql", "spark-sql-kafka-0-10"] {
        let name = format!("{part}_2.13-{}.jar", jars.version);
        assert!(names.contains(&name.as_str()), "{name}");
    }
    assert!(names.is_sorted() && names.len() > 100);
    assert!(!names.iter().any(|name| name.starts_with("rocksdb")));
}

#[test]
fn several_nodes_have_one_driver_and_members_reach_their_ports() {
    let shared = GOOD.replace(
        "  vm2: { roles: [spark] }\n",
        "  vm2: { roles: [spark], memory_mib: 2048 }\n  vm3: { roles: [spark], memory_mib: 2100 }\n",
    );
    let wanted = "nodes.vm2: needs 2048 MiB of memory (system 256, Spark 1024 + 768) and has 2047";
    let refused = read(&shared.replace("memory_mib: 2048", "memory_mib: 2047"));
    let refused = refused.expect_err("too little");
    assert!(refused.contains(wanted), "{refused}");
    let topology = read(&shared).expect("good");
    let ports = |node: &str| -> Vec<(u16, Reach)> {
        let ports = Spark.ports(&topology.nodes[node], &topology);
        ports.iter().map(|port| (port.number, port.reach)).collect()
    };
    let members = |number| (number, Reach::Members);
    let mut first: Vec<(u16, Reach)> = (7077..=7081).map(members).collect();
    first.push((4040, Reach::Node));
    assert_eq!(ports("vm2"), first);
    assert_eq!(ports("vm3"), [members(7078), members(7081)]);
    let state = |node: &str| Spark.state_file(&topology.nodes[node], &topology);
    assert_eq!(state("vm2"), Some(spark::state(&topology)));
    assert_eq!(state("vm3"), None);
    let alone = read(GOOD).expect("good");
    let ports = Spark.ports(&alone.nodes["vm2"], &alone);
    let ports: Vec<(u16, Reach)> = ports.iter().map(|port| (port.number, port.reach)).collect();
    assert_eq!(ports, [(4040, Reach::Node)]);
    // That too few work is said of the one with the driver.
    let problems = |node: &str, workers: usize| {
        let mut facts = Facts::default();
        let unit = UnitFact {
            active: "active".into(),
            ..UnitFact::default()
        };
        facts.units.insert("x-spark.service".into(), unit);
        let said = json!({"streams": {"totals": {}}, "workers": workers}).to_string();
        let file = FileFact {
            text: Some(said),
            ..FileFact::default()
        };
        facts.files.insert(spark::state(&topology), file);
        Spark
            .health(&topology.nodes[node], &topology, &facts)
            .problems
    };
    assert_eq!(problems("vm2", 1), ["1 of 2 nodes work on the streams"]);
    assert_eq!(problems("vm2", 2), <[String; 0]>::default());
    assert_eq!(problems("vm3", 1), <[String; 0]>::default());
}

const PROGRAM: &str = "\
name: x
nodes:
  vm1: { roles: [zookeeper, kafka, producer] }
  vm2: { roles: [spark] }
kafka: { replication: 1 }
topics: { extra: { orders: {}, clients: {} } }
streams:
  joined:
    program: build/joined.jar
    class: org.example.Joined
    arguments: [fast]
    from: [orders, clients]
    to: joined
";

#[test]
fn a_program_has_a_user_of_its_own_and_no_driver_beside_it() {
    let topology = read(PROGRAM).expect("good");
    assert!(topology.topics.contains_key("joined"));
    let node = &topology.nodes["vm2"];
    let rights = Spark.rights(node, &topology);
    let words: Vec<String> = rights
        .iter()
        .flat_map(deployer::rights::Right::words)
        .collect();
    let wanted = [
        "spark-joined: read topic orders",
        "spark-joined: read topic clients",
        "spark-joined: write topic joined",
        "spark-joined: read group spark-joined-, prefix: true",
    ];
    assert_eq!(words, wanted);
    let flow = |from, to| Flow { from, to };
    let topic = |name: &str| Stop::Topic(name.to_owned());
    let joined = Stop::Stream("joined".to_owned());
    let flows = [
        flow(topic("orders"), joined.clone()),
        flow(topic("clients"), joined.clone()),
        flow(joined, topic("joined")),
    ];
    assert_eq!(Spark.flows(&topology), flows);
    let units = |text: &str| {
        let topology = read(text).expect("good");
        Spark.units(&topology.nodes["vm2"], &topology, &Choices::default())
    };
    assert_eq!(units(PROGRAM), ["x-joined-spark.service"]);
    let query = "  all: { from: orders, sql: SELECT 1 AS key, 2 AS value FROM orders, to: all }\n";
    let both = PROGRAM.replace(
        "streams:\n",
        &format!(
            "streams:\n{}",
            query.replace(
                "sql: SELECT 1 AS key, 2 AS value FROM orders",
                "sql: \"SELECT 1 AS key, 2 AS value FROM orders\""
            )
        ),
    );
    assert_eq!(units(&both), ["x-spark.service", "x-joined-spark.service"]);
    let memory = |text: &str| {
        let topology = read(text).expect("good");
        Spark.memory(&topology.nodes["vm2"], &topology).heap
    };
    assert_eq!((memory(PROGRAM), memory(&both)), (Some(512), Some(1024)));
}

#[test]
fn what_could_never_run_in_the_drivers_place_is_refused_with_its_line() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "build/joined.jar",
            "joined.py",
            "t.yaml:9:14: streams.joined.program: is a program in Python, which nodes with Spark do not run",
        ),
        (
            "build/joined.jar",
            "joined.scala",
            "streams.joined.program: is neither a jar nor a source file of Java",
        ),
        (
            "build/joined.jar",
            "build/joined%n.jar",
            "streams.joined.program: `joined%n.jar` has more in its name than letters",
        ),
        (
            "streams:",
            "programs: { joined-spark: { on: vm1, run: ./run } }\nstreams:",
            "streams.joined: its unit would be that of `joined-spark`, one of `programs`",
        ),
        (
            "    class: org.example.Joined\n",
            "",
            "t.yaml:8:3: streams.joined: says no `class`",
        ),
        (
            "org.example.Joined",
            "org.example.",
            "streams.joined.class: `org.example.` is not the name of a class",
        ),
        (
            "arguments: [fast]",
            "sql: SELECT 1",
            "t.yaml:11:10: streams.joined.sql: is of queries: a program does that itself",
        ),
        (
            "arguments: [fast]",
            "every: 5s",
            "streams.joined.every: is of queries",
        ),
        (
            "program: build/joined.jar",
            "sql: SELECT 1 AS key, 2 AS value FROM orders, clients",
            "streams.joined.from: names several topics, and a query has one",
        ),
        (
            "program: build/joined.jar",
            "sql: SELECT 1 AS key, 2 AS value FROM orders, clients",
            "streams.joined.class: is of a program, and there is none",
        ),
        (
            "    program: build/joined.jar\n",
            "",
            "streams.joined: says neither `sql` nor `program`",
        ),
        (
            "to: joined",
            "to: [joined, clients]",
            "reads what comes of its own rows: `clients` → `clients`",
        ),
        (
            "[orders, clients]",
            "[orders, client]",
            "streams.joined.from: `client` is no topic of the inventory",
        ),
        (
            "[orders, clients]",
            "[]",
            "streams.joined.from: names no topic",
        ),
    ];
    for (good, bad, told) in cases {
        assert!(PROGRAM.contains(good), "{good}");
        let said = read(&PROGRAM.replace(good, bad)).expect_err(bad);
        assert!(said.contains(told), "{bad}:\n{said}\nhas not\n{told}");
    }
}

/// The begin of a class file for a version of Java, which names what it refers to.
fn class(java: u8, refers: &str) -> Vec<u8> {
    let mut class = vec![0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, java + 44];
    class.extend(refers.as_bytes());
    class
}

fn jar(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut jar = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        let options = zip::write::SimpleFileOptions::default();
        jar.start_file(*name, options).expect("a file");
        jar.write_all(content).expect("written");
    }
    jar.finish().expect("a jar").into_inner()
}

#[test]
fn a_jar_is_looked_into_before_anything_is_made() {
    let main = (
        "a/Main.class",
        class(17, "java/lang/Object scala/Function1"),
    );
    let look = |jar: &[u8], class: &str| match spark::look("x.jar", jar, class) {
        Ok(()) => "good".to_owned(),
        Err((message, hint)) => format!("{message}; {hint}"),
    };
    let good = jar(std::slice::from_ref(&main));
    assert_eq!(look(&good, "a.Main"), "good");
    assert!(look(b"PK, or so", "a.Main").starts_with("x.jar is no jar: "));
    assert_eq!(
        look(&good, "Main"),
        "x.jar has no class `Main`; it has `a.Main`: write `class: a.Main`"
    );
    let newer = jar(&[("Main.class", class(21, ""))]);
    assert_eq!(
        look(&newer, "Main"),
        "x.jar was built for Java 21, and nodes have Java 17; build it with `--release 17`"
    );
    let properties = |text: &str| text.as_bytes().to_vec();
    let older = [
        ("2.11", ("b/B.class", class(8, "scala/Function1$class"))),
        ("2.12", ("b/B.class", class(8, "scala/Serializable"))),
        (
            "2.11",
            (
                "META-INF/maven/g/x_2.11/pom.properties",
                properties("groupId=g\nartifactId=x_2.11\nversion=1\n"),
            ),
        ),
        (
            "2.12",
            ("library.properties", properties("version.number=2.12.18\n")),
        ),
    ];
    for (scala, file) in older {
        let path = file.0;
        let said = look(&jar(&[main.clone(), file]), "a.Main");
        let wanted = format!(
            "x.jar was built for Scala {scala}, as its {path} shows; Spark 4.2.0 needs 2.13; "
        );
        assert!(said.starts_with(&wanted), "{said}");
    }
    let library = ("library.properties", properties("version.number=2.13.16\n"));
    assert_eq!(look(&jar(&[main, library]), "a.Main"), "good");
    let source = |text: &str, class: &str| match spark::look("Main.java", text.as_bytes(), class) {
        Ok(()) => "good".to_owned(),
        Err((message, _)) => message,
    };
    let text = "package a;\npublic final class Main {}\n";
    assert_eq!(source(text, "a.Main"), "good");
    assert_eq!(source(text, "Main"), "the class of Main.java is `a.Main`");
    assert_eq!(source(text, "a.Other"), "Main.java has no class `Other`");
}

#[test]
fn what_is_seen_of_a_program_is_said_and_proves_nothing() {
    let topology = read(PROGRAM).expect("good");
    let said = |text: &str| {
        let behind = Spark.behind(&topology, text, 4).expect("it is looked at");
        assert!(behind.values().all(|part| !part.proves));
        let words = behind.into_iter();
        words
            .map(|(part, behind)| format!("{part} {}", behind.how))
            .collect::<Vec<_>>()
    };
    let begun = "the stream joined is not seen at work: its program has begun no query yet";
    assert_eq!(said(""), [begun]);
    let state = |queries: u32, error: &str| {
        format!(
            r#"{{"streams": {{"joined": {{"queries": {queries}, "topics": {{"orders": {{"0": 5}}, "clients": {{"0": 2}}}}, "batches": 3}}}}{error}}}"#
        )
    };
    assert_eq!(said(&state(1, "")), <[String; 0]>::default());
    let none = "the stream joined is not seen at work: no query of its program is active";
    assert_eq!(said(&state(0, "")), [none]);
    let ended = "the stream joined is not seen at work: a query of its program has ended: no";
    assert_eq!(said(&state(0, r#", "error": "no""#)), [ended]);
    let topic = |name: &str, end: u32| json!({"name": name, "partitions": [{"id": 0, "leader": 1}], "messages": end, "ends": {"0": end}});
    let log = json!({ "topics": [topic("orders", 9), topic("clients", 2)] });
    let log = serde_json::from_value(log).expect("a log");
    let mut facts = Facts::default();
    let file = FileFact {
        text: Some(state(1, "")),
        ..FileFact::default()
    };
    facts
        .files
        .insert("/var/lib/deployer/x/joined-spark/state.json".into(), file);
    let now = "2026-11-21T10:00:07Z".parse().expect("a moment");
    let node = &topology.nodes["vm2"];
    let report = &Spark.streams(node, &topology, &facts, &log, now)["joined"];
    assert_eq!(
        (report.lag, report.batches, report.from.as_str()),
        (Some(4), Some(3), "orders, clients")
    );
}
