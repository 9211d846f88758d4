//! Documents out of one server and into another.

use std::collections::BTreeMap;

use agent::admin::read_request;
use serde_json::{Value, json};

use crate::double::{Double, Fault};
use crate::lab::{Lab, json as answers, run};

fn credentials() -> Value {
    json!({"admin": "admin", "admin_password": "adminpw", "user": "consumer", "user_password": "sesame"})
}

/// Exports a database to its end, as lines.
fn export(lab: &Lab, database: &str) -> (Vec<String>, usize) {
    let config = lab.consumer_config("g", "");
    let (mut lines, mut parts, mut after) = (Vec::new(), 0, Value::Null);
    loop {
        let part = json!({"couchdb": credentials(), "database": database, "after": after});
        let output = run("consumer", &config, &["export"], &part.to_string());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let Some(last) = text.lines().last() else {
            return (lines, parts);
        };
        after = serde_json::from_str::<Value>(last).unwrap()["id"].clone();
        lines.extend(text.lines().map(str::to_owned));
        parts += 1;
    }
}

/// Imports lines; the answer.
fn import(lab: &Lab, databases: &[&str], lines: &[String]) -> Value {
    let request = json!({"couchdb": credentials(), "databases": databases});
    let input = format!("{request}\n{}\n", lines.join("\n"));
    let config = lab.consumer_config("g", "");
    answers("consumer", &config, &["import"], input.trim_end())[0].clone()
}

fn put(double: &Double, database: &str, count: usize, filling: usize) {
    let mut state = double.state();
    let database = state.databases.get_mut(database).unwrap();
    for number in 0..count {
        let body = json!({"number": number, "text": "x".repeat(filling), "ratio": 1.0});
        database.overwrite(&format!("id-{number:05}"), body);
    }
}

fn lines(documents: &BTreeMap<String, Value>, database: &str) -> Vec<String> {
    let line = |(id, body): (&String, &Value)| {
        json!({"database": database, "id": id, "body": body}).to_string()
    };
    documents.iter().map(line).collect()
}

#[test]
fn a_database_comes_out_part_by_part_and_goes_in_elsewhere() {
    let (lab, other) = (Lab::new(&["t1"]), Lab::new(&["t2"]));
    put(&lab.double, "t1", 3000, 5000);
    // Longer than what is read at once.
    put(&lab.double, "t1-dead-letters", 3, 7_000_000);
    let config = lab.consumer_config("g", "");
    let found = answers(
        "consumer",
        &config,
        &["databases"],
        &credentials().to_string(),
    );
    assert_eq!(
        found,
        [
            json!({"name": "t1", "documents": 3000}),
            json!({"name": "t1-dead-letters", "documents": 3})
        ]
    );
    let (documents, parts) = export(&lab, "t1");
    assert_eq!(documents.len(), 3000);
    assert!((3..=8).contains(&parts), "{parts}");
    let (letters, _) = export(&lab, "t1-dead-letters");
    assert_eq!(letters.len(), 3);

    let all: Vec<String> = documents.into_iter().chain(letters).collect();
    let names = ["t1", "t1-dead-letters", "empty"];
    let done = import(&other, &names, &all);
    assert_eq!(
        done,
        json!({"written": 3003, "present": 0, "different": 0, "refused": 0, "named": []})
    );
    for name in ["t1", "t1-dead-letters"] {
        assert_eq!(other.double.documents(name), lab.double.documents(name));
    }
    let security = other.double.state().databases["empty"].security.clone();
    assert_eq!(security.unwrap()["members"]["names"], json!(["consumer"]));
    // Again: nothing changes.
    assert_eq!(import(&other, &names, &all)["present"], 3003);
}

#[test]
fn what_is_there_is_never_overwritten_and_what_is_refused_is_named() {
    let lab = Lab::new(&["t1"]);
    put(&lab.double, "t1", 3, 1);
    let mut wanted = lab.double.documents("t1");
    wanted.get_mut("id-00001").unwrap()["number"] = json!(100);
    wanted.insert("new".into(), json!({}));
    wanted.insert("bad".into(), json!({"forbidden": true}));
    wanted.insert("large".into(), json!({"text": "x".repeat(9_000_000)}));
    let done = import(&lab, &[], &lines(&wanted, "t1"));
    assert_eq!(
        [
            &done["written"],
            &done["present"],
            &done["different"],
            &done["refused"]
        ],
        [1, 2, 1, 2]
    );
    let named: Vec<&str> = done["named"]
        .as_array()
        .unwrap()
        .iter()
        .map(|words| words.as_str().unwrap())
        .collect();
    assert_eq!(named.len(), 3, "{named:?}");
    for words in [
        "t1/id-00001: is there with another body",
        "t1/bad: is refused: forbidden",
        "t1/large: is refused",
    ] {
        assert!(
            named.iter().any(|named| named.starts_with(words)),
            "{words}: {named:?}"
        );
    }
    assert_eq!(lab.double.documents("t1")["id-00001"]["number"], 1);
}

#[test]
fn a_server_that_fails_for_a_while_gets_every_document_once() {
    let (lab, other) = (Lab::new(&["t1"]), Lab::new(&["t1"]));
    put(&lab.double, "t1", 700, 10);
    let faults = [
        Fault::Status(500),
        Fault::HalfThen500,
        Fault::ResetAfter,
        Fault::HalfRowsFail,
        Fault::RowMissing,
        Fault::BelowQuorum,
    ];
    other.double.fail_next(&faults);
    let done = import(&other, &[], &lines(&lab.double.documents("t1"), "t1"));
    let count = |key: &str| done[key].as_u64().unwrap();
    assert_eq!(count("written") + count("present"), 700, "{done}");
    assert_eq!(other.double.documents("t1"), lab.double.documents("t1"));
}

#[test]
fn databases_of_couchdb_itself_are_not_written_to() {
    let lab = Lab::new(&["t1"]);
    let config = lab.consumer_config("g", "");
    let request = json!({"couchdb": credentials(), "databases": ["_users"]});
    let refused = run("consumer", &config, &["import"], &request.to_string());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said.contains("_users") && !said.contains("adminpw"),
        "{said}"
    );
    // Nor is a password shown that stands in what is no request.
    let garbled = read_request::<Value>(&b"{\"admin_password\": \"geheim\""[..]).unwrap_err();
    assert!(!agent::error::chain(&garbled).contains("geheim"));
}

#[test]
fn a_database_that_takes_nothing_is_given_up_and_the_others_get_theirs() {
    let (lab, from) = (Lab::new(&["t1"]), Lab::new(&["t1"]));
    put(&from.double, "t1", 3, 1);
    let documents = from.double.documents("t1");
    let all = [lines(&documents, "gone"), lines(&documents, "t1")].concat();
    let done = import(&lab, &[], &all);
    assert_eq!(
        [&done["written"], &done["failed"]["gone"][1]],
        [3, 3],
        "{done}"
    );
    let why = done["failed"]["gone"][0].as_str().unwrap_or_default();
    assert!(why.contains("HTTP 404"), "{done}");
    assert_eq!(lab.double.documents("t1"), documents);
}
