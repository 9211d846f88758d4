//! What the deployer asks and tells real brokers about topics: their settings, and the copies on brokers that are gone.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::lab::{json, run};

fn config(directory: &Path, name: &str, bootstrap: &str) -> PathBuf {
    let path = directory.join(name);
    let text = format!(
        "group = \"g\"\n[kafka]\nbootstrap = \"{bootstrap}\"\n[couchdb]\nurl = \"http://127.0.0.1:1\"\n\
         user = \"u\"\npassword_file = \"{name}\"\n\
         [[topics]]\nname = \"t1\"\ndatabase = \"t1\"\nepoch = \"e\"\n\
         [[topics]]\nname = \"t2\"\ndatabase = \"t2\"\nepoch = \"e\"\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// Sets the settings of a topic as somebody would by hand.
fn by_hand(bootstrap: &str, topic: &str, settings: &[(&str, &str)]) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let mut alter = AlterConfig::new(ResourceSpecifier::Topic(topic));
    for (key, value) in settings {
        alter = alter.set(key, value);
    }
    let done = tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(admin.alter_configs([&alter], &AdminOptions::new()))
        .unwrap();
    done[0].as_ref().unwrap();
}

#[test]
fn topics_have_exactly_their_settings_and_nobody_waits_for_a_broker_that_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path(), "other", 1);
    let bootstrap = cluster.bootstrap();
    let config_file = config(directory.path(), "c.toml", &bootstrap);
    let prepare = |topics: Value| {
        let request =
            json!({"couchdb": null, "brokers": 2, "topics": topics, "timeout_seconds": 30});
        run("consumer", &config_file, &["prepare"], &request.to_string())
    };
    let kafka = || {
        json("consumer", &config_file, &["inspect", "--timeout", "5"], "").remove(0)["kafka"]
            .clone()
    };
    let topic = |name: &str, settings: Value| json!({"name": name, "partitions": 2, "replication": 2, "config": settings});
    let settings = |kafka: &Value, index: usize| kafka["topics"][index]["config"].clone();

    let weekly = json!({"retention.ms": "604800000", "max.message.bytes": "65536"});
    let done = prepare(json!([topic("t1", weekly.clone()), topic("t2", json!({}))]));
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let seen = kafka();
    assert_eq!(
        (settings(&seen, 0), settings(&seen, 1)),
        (weekly, json!({}))
    );
    let copies = seen["topics"][0]["partitions"][1]["replicas"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(copies, 2);
    let others: Vec<&str> = seen["other_topics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|topic| topic["name"].as_str().unwrap())
        .filter(|name| !name.starts_with("__"))
        .collect();
    assert_eq!(others, ["other"]);

    // Others' hands: what they set is shown; the next call takes away what nobody wants, and sets the rest.
    by_hand(
        &bootstrap,
        "t1",
        &[("retention.ms", "1000"), ("cleanup.policy", "compact")],
    );
    let altered = json!({"retention.ms": "1000", "cleanup.policy": "compact"});
    assert_eq!(settings(&kafka(), 0), altered);
    let hourly = json!({"retention.ms": "3600000", "min.insync.replicas": "1"});
    assert!(
        prepare(json!([topic("t1", hourly.clone())]))
            .status
            .success()
    );
    assert_eq!(settings(&kafka(), 0), hourly);
    // What Kafka's tools set while they move partitions stays, and is nobody's difference.
    let throttle = ("leader.replication.throttled.replicas", "0:1");
    by_hand(&bootstrap, "t1", &[throttle, ("retention.ms", "5")]);
    assert!(
        prepare(json!([topic("t1", hourly.clone())]))
            .status
            .success()
    );
    assert_eq!(settings(&kafka(), 0), hourly);
    // A request that says nothing of settings leaves them alone.
    let silent = json!([{"name": "t1", "partitions": 2, "replication": 2}]);
    assert!(prepare(silent).status.success());
    assert_eq!(settings(&kafka(), 0), hourly);

    // A setting that Kafka refuses is named, of a new topic and of one that is there, and the new one is not made.
    for name in ["t1", "t9"] {
        let bad =
            json!({"retention.ms": "5000", "cleanup.policy": "what", "nonsense.setting": "1"});
        let done = prepare(json!([topic(name, bad)]));
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success());
        let words =
            format!("topic {name}: no good setting: `cleanup.policy: what`, `nonsense.setting: 1`");
        assert!(said.contains(&words), "{said}");
    }
    assert!(!kafka().to_string().contains("t9"));

    // A broker that is only away is waited for; one that the configuration does not name any more is not.
    let wait = |config: &Path, brokers: &str| {
        let arguments = ["wait-in-sync", "--brokers", brokers, "--timeout", "3"];
        run("consumer", config, &arguments, "").status.success()
    };
    assert!(wait(&config_file, "2"));
    let alone = config(
        directory.path(),
        "alone.toml",
        &cluster.gates[0].address.to_string(),
    );
    cluster.brokers[1].terminate();
    assert!(!wait(&config_file, "2"), "a broker is missing");
    let started = Instant::now();
    assert!(wait(&alone, "1"));
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}
