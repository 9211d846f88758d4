//! Streams of an inventory: what is refused before anything is made, and the topics and rights that they have.

use deployer::component::Component as _;
use deployer::component::spark::{self, Spark};
use deployer::topology::{Ids, Options, Topology};

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

fn read(text: &str) -> Result<Topology, String> {
    let options = Options::default();
    let read = Topology::read(text.as_bytes(), "t.yaml", &options);
    read.and_then(|inventory| Topology::new(&inventory, &options, &Ids::default()))
        .map(|(topology, _)| topology)
        .map_err(|problems| problems.to_string())
}

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
            "nodes.vm2: needs 1152 MiB of memory (system 256, Spark 512 + 384) and has 1024",
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
