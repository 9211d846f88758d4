//! Events nobody expects: each ends as a document or as a dead letter with its reason, and none is in the way.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::lab::{Agent, Lab, Sent, json, record, wait_until};

/// What becomes of a value.
enum End {
    /// A document under the record's place, with the value as it is.
    Wrapped,
    /// A document of its own, with this id.
    Own(&'static str),
    /// A dead letter whose reason holds this word.
    Dead(&'static str),
}

use End::{Dead, Own, Wrapped};

#[test]
fn every_bad_event_ends_as_a_document_or_a_dead_letter() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let own = |sequence: u64, more: &str| {
        format!(r#"{{"schema":1,"client":"c","run":"r","sequence":{sequence}{more}}}"#).into_bytes()
    };
    let cases: Vec<(Vec<u8>, End)> = vec![
        (b"\xff\xfe{}".to_vec(), Dead("UTF-8")),
        (b"{\"cut\":".to_vec(), Dead("JSON")),
        (b"{} {}".to_vec(), Dead("JSON")),
        (b"\xef\xbb\xbf{}".to_vec(), Dead("JSON")),
        (b"NaN".to_vec(), Dead("JSON")),
        (b"".to_vec(), Dead("JSON")),
        (b"[1,[2]]".to_vec(), Wrapped),
        (b"42".to_vec(), Wrapped),
        (b"null".to_vec(), Wrapped),
        (deep.into_bytes(), Dead("recursion")),
        (b"{\"big\":9007199254740993}".to_vec(), Wrapped),
        (b"{\"far\":1e400}".to_vec(), Dead("JSON")),
        (b"\"\\ud800\"".to_vec(), Dead("JSON")),
        (
            b"{\"_id\":\"mine\",\"_rev\":\"1-x\",\"_deleted\":true}".to_vec(),
            Wrapped,
        ),
        (b"{\"\":0,\"\\u0000\":\"\\u0000\"}".to_vec(), Wrapped),
        (
            b"{\"schema\":3,\"client\":\"c\",\"run\":\"r\",\"sequence\":1}".to_vec(),
            Wrapped,
        ),
        (
            b"{\"schema\":\"1\",\"client\":\"c\",\"run\":\"r\",\"sequence\":1}".to_vec(),
            Wrapped,
        ),
        (
            own(1, r#","timestamp":"0000-01-01T00:00:00Z""#),
            Own("c-r-000000000001"),
        ),
        (
            own(2, r#","timestamp":"9999-12-31T23:59:59Z""#),
            Own("c-r-000000000002"),
        ),
        (own(3, r#","timestamp":-1"#), Own("c-r-000000000003")),
        (own(4, r#","_attachments":{}"#), Wrapped),
        (
            own(18_446_744_073_709_551_615, ""),
            Own("c-r-18446744073709551615"),
        ),
    ];
    let lab = Lab::new(&["t1"]);
    let plain = |value| record("t1", value);
    let mut sent: Vec<Sent<'_>> = cases.iter().map(|(value, _)| plain(value)).collect();
    // A tombstone, then records of the year 0, of 9999 and without a key.
    sent.push(Sent::to("t1").partition(0).key("k"));
    sent.push(plain(b"\"year 0\"").timestamp(-62_167_219_200_000));
    sent.push(plain(b"\"year 9999\"").timestamp(253_402_300_799_000));
    sent.push(Sent::to("t1").partition(0).payload(b"\"no key\""));
    let total = sent.len();
    lab.send_records(sent);
    let _consumer = Agent::consumer(&lab.consumer_config("g", ""));
    wait_until("every record is settled", || {
        lab.double.count("t1") + lab.double.count("t1-dead-letters") == total
    });
    let (documents, letters) = (
        lab.double.documents("t1"),
        lab.double.documents("t1-dead-letters"),
    );
    for (offset, (value, end)) in cases.iter().enumerate() {
        let place = format!("e0-0000-{offset:012x}");
        match end {
            Own(id) => assert_eq!(
                documents[*id],
                serde_json::from_slice::<Value>(value).unwrap()
            ),
            Wrapped => {
                let event: Value = serde_json::from_slice(value).unwrap();
                assert_eq!(documents[&place]["event"], event);
                assert_eq!(documents[&place]["kafka"]["offset"], offset);
            }
            Dead(word) => {
                let letter = &letters[&place];
                assert!(
                    letter["reason"].as_str().unwrap().contains(word),
                    "{letter}"
                );
                assert_eq!(
                    (&letter["topic"], &letter["partition"], &letter["offset"]),
                    (&json!("t1"), &json!(0), &json!(offset))
                );
                let kept = STANDARD
                    .decode(letter["value_base64"].as_str().unwrap())
                    .unwrap();
                assert_eq!(kept, *value);
                assert_eq!(letter["value_bytes"], value.len());
            }
        }
    }
    let last = |back: usize| format!("e0-0000-{:012x}", total - back);
    let tombstone = &letters[&last(4)];
    assert!(tombstone["reason"].as_str().unwrap().contains("no value"));
    assert_eq!(tombstone["value_base64"], Value::Null);
    let event = |back| &documents[&last(back)]["event"];
    assert_eq!(
        [event(3), event(2), event(1)],
        [&json!("year 0"), &json!("year 9999"), &json!("no key")]
    );
    assert_eq!(
        documents[&last(2)]["kafka"]["timestamp"],
        253_402_300_799_000_i64
    );
    assert_eq!(documents[&last(1)]["kafka"]["key"], Value::Null);
}

#[test]
fn dead_letters_are_shown_and_become_documents_when_their_cause_is_gone() {
    let lab = Lab::new(&["t1", "t2"]);
    let values: Vec<String> = (0..25)
        .map(|number| match number {
            7 => "no JSON".to_owned(),
            _ => format!(
                r#"{{"schema":1,"client":"c","run":"r","sequence":{number},"forbidden":true}}"#
            ),
        })
        .collect();
    lab.send(
        "t1",
        &values.iter().map(String::as_bytes).collect::<Vec<_>>(),
    );
    let config = lab.consumer_config("g", "");
    let mut consumer = Agent::consumer(&config);
    wait_until("all are dead letters", || {
        lab.double.count("t1-dead-letters") == 25
    });
    assert!(consumer.terminate().success());
    let shown = json("consumer", &config, &["dead-letters"], "");
    assert_eq!(shown.len(), 25);
    assert_eq!(
        (
            &shown[7]["offset"],
            &shown[7]["topic"],
            &shown[7]["value_bytes"]
        ),
        (&json!(7), &json!("t1"), &json!(7))
    );
    assert!(shown[7]["reason"].as_str().unwrap().contains("JSON"));
    let of_another = ["dead-letters", "--retry", "--topic", "t2"];
    assert!(json("consumer", &config, &of_another, "").is_empty());
    let retry = || {
        let tried = json("consumer", &config, &["dead-letters", "--retry"], "");
        let dead = tried.iter().filter(|letter| letter["outcome"] == "dead");
        (dead.count(), tried.len())
    };
    assert_eq!(retry(), (25, 25));
    assert_eq!(lab.double.count("t1-dead-letters"), 25);
    let mut state = lab.double.state();
    state.databases.get_mut("t1").unwrap().lenient = true;
    drop(state);
    assert_eq!(retry(), (1, 25));
    assert_eq!(retry(), (1, 1));
    assert_eq!(lab.double.count("t1"), 24);
    // T22: the last one is put away; it stays where it is.
    let counted = || {
        let seen = json("consumer", &config, &["inspect"], "");
        let databases = seen[0]["couchdb"]["databases"].as_array().unwrap().clone();
        let database = databases
            .iter()
            .find(|database| database["name"] == "t1")
            .unwrap();
        (
            database["dead_letters"].clone(),
            database["put_away"].clone(),
        )
    };
    assert_eq!(counted(), (json!(1), json!(0)));
    let away = json("consumer", &config, &["dead-letters", "--put-away"], "");
    assert_eq!((away.len(), &away[0]["outcome"]), (1, &json!("put_away")));
    assert_eq!(counted(), (json!(0), json!(1)));
    let shown = json("consumer", &config, &["dead-letters"], "");
    assert_eq!((shown.len(), &shown[0]["offset"]), (1, &json!(7)));
    assert!(
        shown[0]["put_away"].as_str().unwrap().ends_with('Z'),
        "{shown:?}"
    );
    assert!(json("consumer", &config, &["dead-letters", "--put-away"], "").is_empty());
    assert_eq!(retry(), (1, 1), "it may still be tried again");
    assert_eq!(
        lab.double.documents("t1")["c-r-000000000024"]["sequence"],
        24
    );
}
