//! Older formats of the files → the newest. Pure. What format 1 knew of each component by a name of its own is by component since.

use serde_json::{Map, Value, json};

/// A receipt of an older format as one of the newest.
pub(super) fn receipt(version: u64, receipt: Value) -> Value {
    match version {
        1 => receipt_of_1(receipt),
        _ => receipt,
    }
}

/// Secrets of an older format as those of the newest.
pub(super) fn secrets(version: u64, secrets: Value) -> Value {
    match version {
        1 => secrets_of_1(secrets),
        _ => secrets,
    }
}

/// What is missing becomes `null`, which no reader takes: a damaged receipt stays one.
fn receipt_of_1(mut receipt: Value) -> Value {
    let Some(fields) = receipt.as_object_mut() else {
        return receipt;
    };
    let numbers = json!({
        "kafka": fields.remove("broker_ids"),
        "producer": fields.remove("client_numbers"),
    });
    let epochs = json!({ "kafka": fields.remove("epochs") });
    if let Some(pruned) = fields.remove("pruned_topics") {
        fields.insert("pruned".to_owned(), json!({ "kafka": pruned }));
    }
    if let Some(choices) = fields.get_mut("choices").and_then(Value::as_object_mut) {
        choices.retain(|_, chosen| !chosen.is_null());
        let agents = choices.remove("agents");
        let mut by_component = Map::new();
        for (was, component, choice) in [
            ("kafka_source", "kafka", "source"),
            ("couchdb_distribution", "couchdb", "distribution"),
            ("couchdb_js_engine", "couchdb", "js_engine"),
        ] {
            if let Some(chosen) = choices.remove(was) {
                let own = by_component.entry(component);
                own.or_insert_with(|| json!({}))[choice] = chosen;
            }
        }
        choices.extend(by_component);
        if let Some(agents) = agents {
            fields.insert("agents".to_owned(), agents);
        }
    }
    fields.insert("numbers".to_owned(), numbers);
    fields.insert("epochs".to_owned(), epochs);
    fields.insert("version".to_owned(), json!(2));
    receipt
}

/// All of them were CouchDB's.
fn secrets_of_1(mut secrets: Value) -> Value {
    let Some(fields) = secrets.as_object_mut() else {
        return secrets;
    };
    let mut couchdb = Map::new();
    for key in [
        "admin_password",
        "admin_hash",
        "user_password",
        "cookie",
        "uuid",
    ] {
        let secret = fields.remove(&format!("couchdb_{key}"));
        couchdb.insert(key.to_owned(), json!(secret));
    }
    fields.insert("couchdb".to_owned(), Value::Object(couchdb));
    fields.insert("version".to_owned(), json!(2));
    secrets
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{receipt, secrets};
    use crate::receipt::Receipt;

    /// As version 0.1 wrote it, with all it may hold.
    const OF_1: &str = r#"{
  "version": 1,
  "id": "1a2b3c4d5e6f",
  "name": "utilization",
  "cloud": "local",
  "created": "2026-11-21T08:34:00Z",
  "inventory": "name: utilization\n",
  "machines": {},
  "broker_ids": { "vm2": 1, "vm3": 2 },
  "client_numbers": { "vm1-1": 1 },
  "epochs": { "gone": "00000000", "utilizations1": "1a2b3c4d" },
  "pruned_topics": [ "gone" ],
  "choices": {
    "kafka_source": "apache",
    "couchdb_distribution": null,
    "couchdb_js_engine": "quickjs",
    "agents": "/home/me/agents"
  },
  "cloud_notes": { "network": "1" },
  "unproven": true
}"#;

    fn value(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    fn read(value: Value) -> Result<Receipt, serde_json::Error> {
        serde_json::from_value(receipt(1, value))
    }

    #[test]
    fn a_receipt_of_format_1_keeps_all_it_says() {
        let read = read(value(OF_1)).expect("a receipt");
        assert_eq!(read.version, Receipt::VERSION);
        assert_eq!(read.numbers_of("kafka")["vm3"], 2);
        assert_eq!(read.numbers_of("producer")["vm1-1"], 1);
        assert_eq!(read.epochs_of("kafka")["utilizations1"], "1a2b3c4d");
        assert_eq!(
            read.read_topics("kafka"),
            ["utilizations1".to_owned()].into()
        );
        assert_eq!(read.choices.get("kafka", "source"), Some("apache"));
        assert_eq!(read.choices.get("couchdb", "distribution"), None);
        assert_eq!(read.choices.get("couchdb", "js_engine"), Some("quickjs"));
        assert_eq!(read.agents.as_deref(), Some("/home/me/agents"));
        assert_eq!(read.cloud_notes["network"], "1");
        assert!(read.unproven);
        let written = serde_json::to_value(&read).expect("JSON");
        assert_eq!(written, receipt(1, value(OF_1)));
        assert_eq!(receipt(2, written.clone()), written);
    }

    #[test]
    fn a_damaged_receipt_of_format_1_stays_one() {
        for (key, wrong) in [
            ("broker_ids", None),
            ("client_numbers", Some(json!("1"))),
            ("epochs", None),
            ("choices", None),
            ("choices", Some(json!({ "zookeeper": "here" }))),
            ("more", Some(json!(1))),
        ] {
            let mut damaged = value(OF_1);
            let fields = damaged.as_object_mut().expect("an object");
            match wrong {
                Some(wrong) => fields.insert(key.to_owned(), wrong),
                None => fields.remove(key),
            };
            assert!(read(damaged).is_err(), "{key}");
        }
        assert!(read(json!([])).is_err());
    }

    #[test]
    fn secrets_of_format_1_do_not_change() {
        let of_1 = json!({
            "version": 1,
            "couchdb_admin_password": "a",
            "couchdb_admin_hash": "b",
            "couchdb_user_password": "c",
            "couchdb_cookie": "d",
            "couchdb_uuid": "e",
        });
        let of_2 = json!({
            "version": 2,
            "couchdb": {
                "admin_password": "a",
                "admin_hash": "b",
                "user_password": "c",
                "cookie": "d",
                "uuid": "e",
            },
        });
        assert_eq!(secrets(1, of_1), of_2);
        assert_eq!(secrets(2, of_2.clone()), of_2);
    }
}
