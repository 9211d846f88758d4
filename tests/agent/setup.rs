//! The deployer's calls: preparing `CouchDB`, looking at everything, waiting for canaries and copies.

use std::time::{Duration, Instant};

use agent::admin::couchdb_setup::{Credentials, prepare};
use agent::admin::readers::Reader;
use agent::sink::couchdb::Server;
use serde_json::{Value, json};

use crate::double::{Database, Double};
use crate::lab::{Agent, Lab, binary, json, run, wait_until};

fn credentials(admin_password: &str, user_password: &str) -> Credentials {
    serde_json::from_value(json!({
        "admin": "admin", "admin_password": admin_password, "user": "consumer", "user_password": user_password,
    }))
    .unwrap()
}

fn in_seconds(seconds: u64) -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(seconds)
}

#[tokio::test]
async fn couchdb_is_made_ready_and_a_second_time_nothing_changes() {
    let double = Double::start();
    let names = ["t1".to_owned(), "t1-dead-letters".to_owned()];
    let created = |prepared: Vec<agent::admin::couchdb_setup::Prepared>| -> Vec<Value> {
        prepared
            .iter()
            .map(|database| serde_json::to_value(database).unwrap()["created"].clone())
            .collect()
    };
    let first = prepare(
        &Server::at(&double.url),
        &credentials("adminpw", "sesame"),
        &names,
        Some(&[]),
        in_seconds(10),
    )
    .await
    .unwrap();
    assert_eq!(created(first), [true, true]);
    {
        let state = double.state();
        assert_eq!(state.users["consumer"], "sesame");
        assert!(state.databases.contains_key("_replicator"));
        for name in &names {
            let security = state.databases[name].security.as_ref().unwrap();
            assert_eq!(
                security["members"],
                json!({"names": ["consumer"], "roles": []})
            );
            assert_eq!(
                security["admins"],
                json!({"names": [], "roles": ["_admin"]})
            );
        }
    }
    double.state().log.clear();
    let second = prepare(
        &Server::at(&double.url),
        &credentials("adminpw", "sesame"),
        &names,
        Some(&[]),
        in_seconds(10),
    )
    .await
    .unwrap();
    assert_eq!(created(second), [false, false]);
    let changed: Vec<_> = double
        .state()
        .log
        .iter()
        .filter(|(method, _, status)| method == "PUT" && *status != 412)
        .cloned()
        .collect();
    assert!(changed.is_empty(), "{changed:?}");
    // Another password is given to the user who is there.
    prepare(
        &Server::at(&double.url),
        &credentials("adminpw", "changed"),
        &names,
        Some(&[]),
        in_seconds(10),
    )
    .await
    .unwrap();
    assert_eq!(double.state().users["consumer"], "changed");
}

#[tokio::test]
async fn readers_come_and_go_and_their_databases_are_guarded_as_long() {
    let double = Double::start();
    let names = ["t1", "t1-dead-letters", "t2"].map(str::to_owned);
    let (server, credentials) = (Server::at(&double.url), credentials("adminpw", "sesame"));
    let prepare = async |readers: Option<Value>| {
        let readers: Option<Vec<Reader>> =
            readers.map(|readers| serde_json::from_value(readers).unwrap());
        let readers = readers.as_deref();
        let done = prepare(&server, &credentials, &names, readers, in_seconds(10));
        done.await.unwrap();
        double.state().log.clear();
    };
    let reader = |name: &str, databases: &[&str]| json!({"name": name, "password": format!("of {name}"), "databases": databases});
    let members = |database: &str| {
        let state = double.state();
        state.databases[database].security.as_ref().unwrap()["members"]["names"].clone()
    };
    let guarded = |database: &str| {
        let documents = double.documents(database);
        documents.contains_key("_design/deployer-readers")
    };
    let user = |name: &str| {
        let document = format!("org.couchdb.user:{name}");
        double.documents("_users").get(&document).cloned()
    };
    prepare(Some(json!([
        reader("b", &["t1"]),
        reader("a", &["t1", "t2"])
    ])))
    .await;
    assert_eq!(members("t1"), json!(["consumer", "a", "b"]));
    assert_eq!(members("t2"), json!(["consumer", "a"]));
    assert_eq!(members("t1-dead-letters"), json!(["consumer"]));
    assert!(guarded("t1") && guarded("t2") && !guarded("t1-dead-letters"));
    assert_eq!(user("a").unwrap()["roles"], json!(["deployer-reader"]));
    assert_eq!(double.state().users["b"], "of b");
    // Whoever has nothing to say of readers leaves them alone, and so does whoever wants the same.
    let sequences = || -> Vec<u64> {
        let state = double.state();
        state
            .databases
            .values()
            .map(Database::last_sequence)
            .collect()
    };
    let before = sequences();
    prepare(None).await;
    prepare(Some(json!([
        reader("b", &["t1"]),
        reader("a", &["t1", "t2"])
    ])))
    .await;
    assert_eq!(sequences(), before);
    // Users of other people stay.
    let theirs = json!({"name": "theirs", "roles": ["boss"]});
    {
        let mut state = double.state();
        let users = state.databases.get_mut("_users").unwrap();
        users.overwrite("org.couchdb.user:theirs", theirs);
    }
    prepare(Some(json!([reader("b", &["t2"])]))).await;
    assert_eq!(
        (members("t1"), members("t2")),
        (json!(["consumer"]), json!(["consumer", "b"]))
    );
    assert!(!guarded("t1") && guarded("t2"));
    assert!(user("a").is_none() && user("b").is_some() && user("theirs").is_some());
    assert!(user("consumer").is_some());
}

#[tokio::test]
async fn a_wrong_administrator_is_refused_at_once_and_no_password_is_shown() {
    let double = Double::start();
    let start = Instant::now();
    let error = prepare(
        &Server::at(&double.url),
        &credentials("geheim", "sesame"),
        &[],
        None,
        in_seconds(60),
    )
    .await
    .unwrap_err();
    let text = agent::error::chain(&error);
    assert!(text.contains("401") && !text.contains("geheim"), "{text}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_server_that_never_comes_is_waited_for_until_the_deadline() {
    let start = Instant::now();
    let error = prepare(
        &Server::at("http://127.0.0.1:1"),
        &credentials("adminpw", "sesame"),
        &[],
        None,
        in_seconds(1),
    )
    .await
    .unwrap_err();
    assert!(agent::error::chain(&error).contains("GET /_up"), "{error}");
    assert!(
        (1..5).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn inspect_and_newest_show_both_sides() {
    let lab = Lab::new(&["t1", "deployer-canaries"]);
    let config = lab.consumer_config("g", "");
    let event = |sequence: u64| {
        format!(
            r#"{{"schema":1,"client":"c","run":"r","sequence":{sequence},"timestamp":"2026-11-21T08:34:{sequence:02}.000Z"}}"#
        )
    };
    let values: Vec<String> = (1..=30).map(event).collect();
    lab.send(
        "t1",
        &values.iter().map(String::as_bytes).collect::<Vec<_>>(),
    );
    lab.send("t1", &[b"broken"]);
    let before = &json("consumer", &config, &["inspect"], "")[0];
    assert_eq!(
        (
            &before["kafka"]["reachable"],
            &before["couchdb"]["reachable"]
        ),
        (&json!(true), &json!(true))
    );
    assert_eq!(before["kafka"]["brokers"].as_array().unwrap().len(), 2);
    let topic = &before["kafka"]["topics"][0];
    assert_eq!(
        (&topic["name"], &topic["messages"], &topic["lag"]),
        (&json!("t1"), &json!(31), &json!(31))
    );
    assert_eq!(topic["partitions"][0]["isr"].as_array().unwrap().len(), 2);
    let mut consumer = Agent::consumer(&config);
    wait_until("all is written", || {
        lab.double.count("t1") == 30 && lab.double.count("t1-dead-letters") == 1
    });
    assert!(consumer.terminate().success());
    let after = &json("consumer", &config, &["inspect"], "")[0];
    assert_eq!(
        (
            &after["kafka"]["topics"][0]["lag"],
            &after["kafka"]["topics"][1]["lag"]
        ),
        (&json!(0), &json!(0))
    );
    assert_eq!(after["couchdb"]["vendor"], "CouchDB 3.5.0");
    assert_eq!(
        after["couchdb"]["databases"][0],
        // Nobody has made this one's access rules.
        json!({"name": "t1", "topic": "t1", "documents": 30, "newest": "2026-11-21T08:34:30.000Z", "dead_letters": 1, "lost_events": 0,
            "put_away": 0, "access_kept": false, "readers": [], "guarded": null, "error": null})
    );
    let newest = json("consumer", &config, &["newest", "-n", "3"], "");
    let sequences: Vec<&Value> = newest
        .iter()
        .map(|document| &document["sequence"])
        .collect();
    assert_eq!(sequences, [30, 29, 28]);
    assert!(
        json(
            "consumer",
            &config,
            &["newest", "--topic", "deployer-canaries"],
            ""
        )
        .is_empty()
    );
    assert!(
        !run("consumer", &config, &["newest", "--topic", "other"], "")
            .status
            .success()
    );
}

#[test]
fn inspect_costs_its_timeout_when_everything_is_away() {
    let lab = Lab::new(&["t1"]);
    let config = lab.consumer_config("g", "");
    lab.set_kafka(false);
    let Lab {
        double,
        kafka: _kafka,
        directory: _directory,
        ..
    } = lab;
    drop(double);
    let start = Instant::now();
    let seen = &json("consumer", &config, &["inspect", "--timeout", "1"], "")[0];
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
    for part in ["kafka", "couchdb"] {
        assert_eq!(seen[part]["reachable"], false);
        assert!(seen[part]["error"].is_string());
    }
}

#[test]
fn canaries_are_awaited_whether_they_were_sent_before_or_after() {
    let lab = Lab::new(&["t1", "deployer-canaries"]);
    let config = lab.consumer_config("g", "");
    let _consumer = Agent::consumer(&config);
    let awaiting = |run: &str| {
        let arguments = [
            "await-canaries",
            "--run",
            run,
            "--clients",
            "c1,c2",
            "--count",
            "10",
            "--timeout",
            "40",
        ];
        json("consumer", &config, &arguments, "")[0].clone()
    };
    let send = |client: &str, run: &str| {
        let producer = lab.producer_config(client, "t1", "");
        json(
            "producer",
            &producer,
            &[
                "canaries",
                "--run",
                run,
                "--count",
                "10",
                "--topic",
                "deployer-canaries",
            ],
            "",
        )[0]
        .clone()
    };
    let report = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| awaiting("a"));
        std::thread::sleep(Duration::from_millis(300));
        for (client, newest) in [("c1", 9), ("c2", 19)] {
            assert_eq!(
                send(client, "a"),
                json!({"client": client, "run": "a", "sent": 10, "acked": 10, "newest": newest})
            );
        }
        waiting.join().unwrap()
    });
    assert_eq!(
        (&report["found"], &report["missing"], &report["duplicates"]),
        (&json!(20), &json!([]), &json!(0))
    );
    assert!(report["p50_ms"].as_f64().unwrap() <= report["p99_ms"].as_f64().unwrap());
    let late = awaiting("a");
    assert_eq!(
        (&late["found"], &late["p50_ms"]),
        (&json!(20), &Value::Null)
    );
    let none = run(
        "consumer",
        &config,
        &[
            "await-canaries",
            "--run",
            "b",
            "--clients",
            "c1",
            "--count",
            "2",
            "--timeout",
            "1",
        ],
        "",
    );
    assert_eq!(none.status.code(), Some(1));
    let none: Value = serde_json::from_slice(&none.stdout).unwrap();
    assert_eq!(
        none["missing"],
        json!(["c1-b-000000000001", "c1-b-000000000002"])
    );
}

/// The stand-in may overlook what comes while it begins to listen, and a busy one answers late.
#[test]
fn canaries_are_found_though_the_feed_is_silent() {
    let lab = Lab::new(&["t1", "deployer-canaries"]);
    let config = lab.consumer_config("g", "");
    let _consumer = Agent::consumer(&config);
    lab.double.state().deaf = true;
    let waiting = "await-canaries --run a --clients c1 --count 3 --timeout 30";
    let waiting: Vec<&str> = waiting.split(' ').collect();
    let report = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| json("consumer", &config, &waiting, "")[0].clone());
        std::thread::sleep(Duration::from_millis(500));
        let producer = lab.producer_config("c1", "t1", "");
        let canaries = "canaries --run a --count 3 --topic deployer-canaries";
        let canaries: Vec<&str> = canaries.split(' ').collect();
        json("producer", &producer, &canaries, "");
        waiting.join().unwrap()
    });
    assert_eq!(
        (&report["found"], &report["missing"]),
        (&json!(3), &json!([]))
    );
}

#[test]
fn canaries_that_kafka_does_not_confirm_are_a_failure() {
    let lab = Lab::new(&["deployer-canaries"]);
    lab.set_kafka(false);
    let config = lab.producer_config("c1", "t1", "");
    let arguments = [
        "canaries",
        "--run",
        "a",
        "--count",
        "2",
        "--topic",
        "deployer-canaries",
        "--timeout",
        "1",
    ];
    let output = run("producer", &config, &arguments, "");
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["acked"], 0);
}

#[test]
fn being_in_sync_is_all_brokers_and_all_copies() {
    let lab = Lab::new(&["t1"]);
    let config = lab.consumer_config("g", "");
    let whole = &json("consumer", &config, &["wait-in-sync", "--brokers", "2"], "")[0];
    assert_eq!(*whole, json!({"brokers": [1, 2], "missing": []}));
    let short = run(
        "consumer",
        &config,
        &["wait-in-sync", "--brokers", "3", "--timeout", "1"],
        "",
    );
    assert_eq!(short.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&short.stdout).contains("2 of 3 brokers"));
}

#[test]
fn the_password_never_goes_to_a_proxy() {
    let lab = Lab::new(&["t1"]);
    let config = lab.consumer_config("g", "");
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let output = std::process::Command::new(binary("consumer"))
        .arg("--config")
        .arg(&config)
        .arg("inspect")
        .envs([("http_proxy", &address), ("ALL_PROXY", &address)])
        .output()
        .unwrap();
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["couchdb"]["reachable"], true, "{seen}");
    assert!(proxy.accept().is_err(), "the proxy was asked");
}
