//! Whatever is wrong with an inventory is said in our words, with its place, and all at once.

use std::fmt::Write as _;

use deployer::component::kafka::KafkaSection;
use deployer::component::producer::ProducerChange;
use deployer::inventory::{self, Inventory, Problems};
use deployer::layout;
use deployer::topology::{Ids, Options, Topology};
use serde_json::Value;

/// Pieces of what parsers and validators say. None is for users.
const FOREIGN: [&str; 21] = [
    "invalid type",
    "invalid value",
    "invalid length",
    "did not find",
    "did not match",
    "while scanning",
    "while parsing",
    "simple key",
    "scalar",
    "flow ",
    "block mapping",
    "not allowed in this context",
    "unexpected",
    "u128",
    "u64",
    "missing field",
    "unknown field",
    "unknown variant",
    "is not of type",
    "is not valid under",
    "expected ",
];

/// What is wrong with a text: the way of every command.
fn problems(text: &str) -> Option<Problems> {
    match Topology::read(text.as_bytes(), "t.yaml", &Options::default()) {
        Ok(inventory) => Topology::new(&inventory, &Options::default(), &Ids::default()).err(),
        Err(problems) => Some(problems),
    }
}

fn told(text: &str) -> String {
    problems(text).map_or_else(
        || "nothing is wrong".into(),
        |problems| problems.to_string(),
    )
}

/// Each problem has a place in the text and says nothing that is for the authors of parsers.
fn in_our_words(text: &str) -> Option<String> {
    let problems = problems(text)?;
    for problem in &problems {
        let said = problem.to_string();
        for foreign in FOREIGN {
            assert!(!said.contains(foreign), "{said:?} has {foreign:?}\n{text}");
        }
        assert!(!said.contains("please report"), "{said}\n{text}");
        let place = problem.position.expect("a place");
        assert!(
            place.line <= text.lines().count().max(1) + 1,
            "{said}\n{text}"
        );
    }
    Some(problems.to_string())
}

/// Values that are wrong nearly everywhere, as they may be written.
const VALUES: [&str; 31] = [
    "",
    "~",
    "true",
    "'true'",
    "no",
    "0",
    "1",
    "-1",
    "1.5",
    "1e9",
    "1e99",
    "-1e400",
    "99999999999",
    "18446744073709551616",
    "999999999999999999999999999999999999999999",
    ".nan",
    ".inf",
    "0x1F",
    "007",
    "2026-11-28",
    "12:30:00",
    "text",
    "'a text with: colon, and # more'",
    "\"\\u0007\"",
    "\"\"",
    "[]",
    "[1, [2], {a: b}]",
    "{}",
    "{a: {b: {c: [d]}}}",
    "!!python/object:os.system x",
    "!!binary aGVsbG8=",
];

/// Every place of the schema, as the way of keys to it. `*` is a key of the user's own, `-` an item.
fn places(schema: &Value, way: &[String], into: &mut Vec<Vec<String>>) {
    let mut go = |name: &str, below: &Value| {
        let way = [way, &[name.to_owned()]].concat();
        into.push(way.clone());
        places(below, &way, into);
    };
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        go(name, below);
    }
    if schema["additionalProperties"].is_object() {
        go("x1", &schema["additionalProperties"]);
    }
    if schema["items"].is_object() {
        go("-", &schema["items"]);
    }
}

/// A good inventory but for what stands at one place.
fn with(way: &[String], value: &str) -> String {
    let mut text = String::new();
    if way[0] != "name" {
        text += "name: good\n";
    }
    if way[0] != "nodes" {
        text += "nodes:\n  vm1: {}\n";
    }
    for (depth, name) in way.iter().enumerate() {
        let indentation = "  ".repeat(depth);
        let end = if depth + 1 == way.len() { value } else { "" };
        let _ = match name.as_str() {
            "-" => writeln!(text, "{indentation}- {end}"),
            name => writeln!(text, "{indentation}{name}: {end}"),
        };
    }
    text
}

#[test]
fn any_value_at_any_key_is_refused_in_our_words_or_taken() {
    let mut all = Vec::new();
    places(&layout::schema(), &[], &mut all);
    assert!(all.len() > 80, "{} places", all.len());
    let mut refused = 0;
    for way in &all {
        for value in VALUES {
            let text = with(way, value);
            refused += usize::from(in_our_words(&text).is_some());
        }
        // A key that is unknown there, or a mapping where none can be.
        let below = [way.clone(), vec!["no_such_key".to_owned()]].concat();
        in_our_words(&with(&below, "1"));
    }
    assert!(refused > all.len() * VALUES.len() / 2, "{refused} refused");
}

#[test]
fn whatever_is_no_yaml_is_said_in_our_words() {
    let hint = |text: &str| in_our_words(text).unwrap_or_else(|| panic!("taken: {text}"));
    for (text, expected) in [
        ("name: \"a\nnodes: {}\n", "a text in quotes"),
        ("name: 'a\n", "a text in quotes is not closed"),
        ("name: a: b\n", "a `: ` where no key can stand"),
        ("name: a\n  b: c\n", "a `: ` where no key can stand"),
        ("nodes:\n  vm1: { roles: [producer }\n", "line 2, column 17"),
        ("nodes: {vm1: {}\nname: a\n", "the `{` of line 1, column 8"),
        ("nodes: [a, b\n", "the `[` of line 1, column 8"),
        (
            "name: test\nnodes:\n  vm1: {}\n vm2: {}\n",
            "begin in the same column",
        ),
        (
            "name: test\nnodes:\n\tvm1: {}\n",
            "a tab in the indentation",
        ),
        ("name: test\nnodes\n", "t.yaml:2:1: a key without its value"),
        ("name: @home\n", "a text cannot begin with this character"),
        ("name: `a`\n", "a text cannot begin with this character"),
        ("name: *a\n", "no value above is marked with this name"),
        ("name: &\n", "a mark without a good name"),
        ("name: \"C:\\dir\"\n", "a backslash in double quotes"),
        ("name: \"a\" b\n", "behind the end of a text in quotes"),
        ("name: !<a b\n", "a tag"),
        ("nodes: - a\n", "a list begins where none can stand"),
        (
            "nodes:\n- a\nb: c\n- d\n",
            "neither a key nor part of the value",
        ),
        ("%YAML 3.0 x\n---\nname: a\n", "a directive"),
        ("name: |9x\n  a\n", "a block of text"),
        ("? [a, b]\n: c\n", "a key must be one word or text"),
        ("{a: b}: c\n", "t.yaml:1:"),
        ("]\n", "a bracket that closes nothing"),
        ("name: x\n}\n", "t.yaml:2:"),
    ] {
        let said = hint(text);
        assert!(said.contains(expected), "{text:?}: {said}");
    }
}

#[test]
fn changed_good_inventories_are_refused_in_our_words_or_taken() {
    // A generator of its own, so that every run tries the same.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let pieces =
        "{ } [ ] , : ' \" & * ! | > % @ ` # - ? \n \t <<: ~ = 1 a é \\ \u{feff}".split(' ');
    let pieces: Vec<&str> = pieces.collect();
    for _ in 0..3000 {
        let mut text: Vec<char> = inventory::DEFAULT.chars().collect();
        for _ in 0..=random(3) {
            let start = random(text.len());
            let end = (start + random(3)).min(text.len());
            text.splice(start..end, pieces[random(pieces.len())].chars());
        }
        in_our_words(&text.into_iter().collect::<String>());
    }
}

#[test]
fn all_problems_of_a_text_are_told_in_one_round() {
    let said = told(
        "name: test
nodes:
  vm1: { roles: [producer], count: two }
  vm2: { roles: [zookeeper, kafka, consumer] }
  vm3: { roles: [kafka, couchdb] }
  vm3: { roles: [kafka] }
zookeeper: { port: 9092 }
zookeeper: { port: 9093 }
kafka: { heap: 100, settings: { broker.id: 7 } }
consumer: { batch_age: 2h }
topics: { retention: 7 days }
",
    );
    let expected = [
        "t.yaml:3:36: nodes.vm1.count: must be a whole number, is the text `two`",
        "t.yaml:6:3: the key `vm3` is there twice; the first is in line 5",
        "t.yaml:7:20: zookeeper.port: 9092 is `kafka.port` too, and `vm2` has both roles; take another port",
        "t.yaml:8:1: the key `zookeeper` is there twice; the first is in line 7",
        "t.yaml:9:10: kafka.heap: unknown key; did you mean `heap_mib`?",
        "t.yaml:9:44: kafka.settings.broker.id: is set by the deployer itself; leave it out",
        "t.yaml:10:24: consumer.batch_age: must be between 0ms and 1m, is 2h",
        "t.yaml:11:22: topics.retention: `7 days` is not a span of time: a whole number and a unit, such as `500ms`, `1s`, `5m`, `12h`, `7d`",
    ];
    assert_eq!(said, expected.join("\n"));
}

#[test]
fn what_may_come_of_a_part_left_out_is_not_said() {
    for (text, expected) in [
        // The misspelt role may be the one that is needed.
        (
            "name: a\nnodes:\n  vm1: { roles: [zookeper, kafka] }\nkafka: { replication: 1 }\n",
            "t.yaml:3:18: nodes.vm1.roles[0]: unknown role `zookeper`; did you mean `zookeeper`? (known: `zookeeper`, `kafka`, \
             `couchdb`, `mariadb`, `consumer`, `spark`, `producer`)",
        ),
        // The default stands for a port that is not known.
        (
            "name: a\nnodes:\n  vm1: { roles: [zookeeper, couchdb] }\nzookeeper: { port: x }\ncouchdb: { port: 2181 }\n",
            "t.yaml:4:20: zookeeper.port: must be a whole number, is the text `x`",
        ),
        (
            "name: a\nnodes:\n  vm1: { roles: [zookeeper, kafka] }\nkafka: { replication: many, min_insync_replicas: 3 }\n",
            "t.yaml:4:23: kafka.replication: must be a whole number, is the text `many`",
        ),
    ] {
        assert_eq!(told(text), expected);
    }
}

#[test]
fn merge_keys_mean_what_they_always_mean() {
    let good = "name: a
nodes:
  vm1: &client { roles: [producer], producer: { count: 5 } }
  vm2: { <<: *client, memory_mib: 700 }
  vm3: { <<: [*client, { memory_mib: 600 }], roles: [zookeeper, kafka] }
kafka: { replication: 1 }
producer: { topic: 'u{number}' }
";
    assert!(told(good).contains("vm3.producer"), "{}", told(good));
    let good = good.replace(
        "roles: [zookeeper, kafka]",
        "roles: [zookeeper, kafka, producer]",
    );
    let inventory = layout::parse(good.as_bytes(), "t.yaml").expect("good");
    let own: &ProducerChange = inventory.nodes["vm2"].sections.get();
    assert_eq!(own.count, Some(5));
    assert_eq!(inventory.nodes["vm2"].memory_mib, Some(700));
    assert_eq!(inventory.nodes["vm3"].roles.len(), 3);
    assert_eq!(inventory.nodes["vm3"].memory_mib, Some(600));
    assert_eq!(
        told("name: a\nnodes: { vm1: { <<: kafka } }\n"),
        "t.yaml:2:17: `<<` merges a mapping, or a list of mappings; `<<: *NAME` takes the mapping that is marked `&NAME`"
    );
}

fn kafka(inventory: &Inventory) -> &KafkaSection {
    inventory.sections.get()
}

#[test]
fn numbers_are_numbers_however_they_are_written() {
    let of = |value: &str| {
        let text =
            format!("name: a\nnodes: {{ 1: {{}}, 2: {{}} }}\nkafka: {{ replication: {value} }}\n");
        layout::parse(text.as_bytes(), "t.yaml")
            .map(|inventory| (kafka(&inventory).replication, inventory.nodes.len()))
            .map_err(|problems| problems.to_string())
    };
    for value in ["2", "2.0", "'2'", "\"2\"", "2e0", "0x2"] {
        assert_eq!(of(value), Ok((2, 2)), "{value}");
    }
    assert!(of("99999999999999999999999").is_err());
    let settings = "name: a\nnodes: { vm1: {} }\nkafka: { settings: { a: 1e9, b: 1.10, c: 123456789012345678901234567890 } }\n";
    let inventory = layout::parse(settings.as_bytes(), "t.yaml").expect("good");
    let settings: Vec<&str> = kafka(&inventory)
        .settings
        .values()
        .map(|value| value.0.as_str())
        .collect();
    assert_eq!(
        settings,
        ["1000000000", "1.10", "123456789012345678901234567890"]
    );
}

#[test]
fn tags_are_refused_but_for_those_of_plain_values() {
    assert_eq!(
        told("name: !!python/object:os.system x\nnodes: { vm1: {} }\n"),
        "t.yaml:1:7: the tag `!!python/object:os.system` has no meaning here; leave it out, or put a text that begins with `!` in \
         quotes"
    );
    assert!(told("name: !x y\nnodes: { vm1: {} }\n").contains("the tag `!x` has no meaning"));
    assert_eq!(
        told("name: !!str a\nnodes: !!map { vm1: {} }\n"),
        "nothing is wrong"
    );
}
