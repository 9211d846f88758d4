//! A topic and its database compared, id by id: each kind of difference is seen, and named.

use serde_json::{Value, json};

use crate::lab::{Agent, Lab, json as answer, run, wait_until};

fn event(sequence: u64) -> Vec<u8> {
    format!(r#"{{"schema":1,"client":"c","run":"r","sequence":{sequence}}}"#).into_bytes()
}

#[test]
fn what_is_missing_again_or_foreign_is_told_by_its_id() {
    let lab = Lab::new(&["t1", "deployer-canaries"]);
    let config = lab.consumer_config("g", "");
    let compared = || {
        let mut all = answer("consumer", &config, &["compare"], "");
        assert_eq!(all.len(), 1, "canaries are left out: {all:?}");
        all.remove(0)
    };
    let events: Vec<Vec<u8>> = (1..=30).map(event).collect();
    let slices: Vec<&[u8]> = events.iter().map(Vec::as_slice).collect();
    lab.send("t1", &slices);
    // One that cannot be a document, one of another program, and one of ours that came again.
    lab.send("t1", &[b"broken", b"[1]", &events[4]]);
    let nothing = compared();
    assert_eq!(
        (&nothing["documents"], &nothing["missing"]["count"]),
        (&json!(0), &json!(32))
    );
    let mut consumer = Agent::consumer(&config);
    wait_until("all is written", || {
        lab.double.count("t1") == 31 && lab.double.count("t1-dead-letters") == 1
    });
    assert!(consumer.terminate().success());
    let none = json!({"count": 0, "first": []});
    let all = json!({
        "topic": "t1", "database": "t1",
        "partitions": nothing["partitions"],
        "events": 32, "again": 1, "documents": 31, "dead_letters": 1,
        "missing": none, "foreign": none,
    });
    assert_eq!(compared(), all);

    // One document is taken away, one is somebody else's, and two events come that nobody reads.
    {
        let mut state = lab.double.state();
        let database = state.databases.get_mut("t1").unwrap();
        database.delete("c-r-000000000007");
        database.overwrite("theirs", json!({"theirs": true}));
    }
    lab.send("t1", &[&event(31), &event(32)]);
    let found = compared();
    let count = |of: &str| found[of]["count"].clone();
    assert_eq!(
        (count("missing"), count("foreign")),
        (json!(3), json!(1)),
        "{found}"
    );
    assert_eq!(found["foreign"]["first"], json!(["theirs"]));
    let places = found["missing"]["first"].as_array().unwrap();
    assert!(places.iter().all(Value::is_string), "{places:?}");
    assert_eq!(
        (&found["events"], &found["documents"]),
        (&json!(34), &json!(30))
    );
    assert!(
        !run("consumer", &config, &["compare", "--topic", "other"], "")
            .status
            .success()
    );
}
