//! What `verify --report` writes for somebody who was not there.

use reqwest::Method;
use serde_json::{Value, json};

use crate::deployer_command::Deployer;
use crate::watch::Documents;

/// Of a deployment of two clients with a hundred events each, two brokers on vm2 and vm3, and CouchDB on vm3.
pub(crate) fn a_grader_gets_what_was_seen(deployer: &Deployer) {
    let place = deployer.directory.path();
    let file = |name: &str| place.join(name).display().to_string();
    deployer
        .run(&["verify", "--report", &file("report.txt")])
        .code(64)
        .says(&["a report is a `.json` or a `.html`"]);

    let report = file("report.json");
    deployer
        .run(&["verify", "--kill-broker", "--report", &report])
        .code(0)
        .says(&["the broker on vm3 was killed", "nothing speaks against it"]);
    let said = std::fs::read_to_string(&report).expect("a report");
    let grade: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(
        (&grade["passed"], &grade["problems"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(grade["id"], deployer.id());
    for canaries in [&grade["canaries"], &grade["after_the_kill"]["canaries"]] {
        let found = &canaries["documents"];
        assert_eq!(
            (&canaries["acked"], &found["found"], &found["duplicates"]),
            (&json!(40), &json!(40), &json!(0)),
            "{canaries}"
        );
    }
    let topics = grade["topics"].as_array().expect("topics");
    let names: Vec<&Value> = topics.iter().map(|topic| &topic["topic"]).collect();
    assert_eq!(names, ["utilizations1", "utilizations2"]);
    for topic in topics {
        let none = json!({"count": 0, "first": []});
        assert_eq!(
            (&topic["events"], &topic["documents"]),
            (&json!(100), &json!(100))
        );
        assert_eq!((&topic["missing"], &topic["foreign"]), (&none, &none));
        let copies = |of: &str| topic["partitions"][0][of].as_array().map(Vec::len);
        assert_eq!((copies("replicas"), copies("isr")), (Some(2), Some(2)));
    }
    let machines = grade["machines"].as_object().expect("machines");
    assert!(machines.keys().eq(["vm1-1", "vm1-2", "vm2", "vm3"]));
    assert!(grade["sample"]["_id"].is_string() && grade["status"]["couchdb"].is_string());
    let software = grade["software"].to_string();
    assert!(
        software.contains("kafka") && software.contains("sha256"),
        "{software}"
    );
    for secret in deployer.secrets()["couchdb"]
        .as_object()
        .expect("secrets")
        .values()
    {
        let secret = secret.as_str().unwrap_or("none");
        assert!(!said.contains(secret), "a secret in the report");
    }

    let documents = Documents::new(deployer, "vm3");
    let foreign = "utilizations1/theirs%3Cb%3E";
    let put = documents.change(Method::PUT, foreign, &json!({"theirs": true}));
    assert!([201, 202].contains(&put), "{put}");
    let page = file("report.html");
    deployer
        .run(&["verify", "--report", &page])
        .code(1)
        .says(&["utilizations1: 1 documents are of no event of utilizations1: theirs<b>"]);
    let said = std::fs::read_to_string(&page).expect("a page");
    assert!(
        said.contains("not passed") && said.contains("theirs&lt;b&gt;"),
        "{said}"
    );
    let (_, found) = documents.get(foreign, Some("admin"));
    let revision = found["_rev"].as_str().expect("a revision");
    let gone = format!("{foreign}?rev={revision}");
    let deleted = documents.change(Method::DELETE, &gone, &Value::Null);
    assert!([200, 202].contains(&deleted), "{deleted}");
}
