//! What a user does with documents: takes them along, brings them back, and tries dead ones again.

use reqwest::Method;
use serde_json::{Value, json};

use crate::deployer_command::Deployer;
use crate::watch::{Documents, well, whole_run};

/// Of a deployment whose producers have made 100 documents each.
pub(crate) fn leave_and_return(deployer: &Deployer) {
    let file = deployer.directory.path().join("documents.gz");
    let file = file.to_str().expect("a plain path");
    deployer
        .run(&["export", file])
        .code(0)
        .says(&["100 of 100", "240 documents of 6 databases"]);
    let there = "is there already, and nothing is overwritten";
    deployer.run(&["export", file]).code(64).says(&[there]);
    let documents = Documents::new(deployer, "vm3");
    let gone = documents.change(Method::DELETE, "utilizations1", &Value::Null);
    assert_eq!(gone, 200);
    deployer
        .run(&["import", file])
        .code(0)
        .says(&["100 documents written, 140 were there already"]);
    whole_run(&documents, "utilizations1", "vm1-1", 100, 1);
    let (status, answer) = documents.get("utilizations1", None);
    assert!([401, 403].contains(&status), "{status} {answer}");
    // An export that fails takes nothing away.
    deployer
        .run(&["teardown", "--yes", "--export", file])
        .code(64)
        .says(&[there, "nothing was taken away"]);
    deployer
        .run(&["teardown"])
        .code(64)
        .says(&["--export FILE"]);
    well(deployer);
}

pub(crate) fn dead_letter_becomes_one(deployer: &Deployer) {
    let none = deployer.run(&["dead-letters"]).code(0);
    assert_eq!(none.out, "");
    let event = r#"{"schema":1,"client":"vm9","run":"r","sequence":1}"#;
    let letter = json!({
        "_id": "e-0000-000000000001", "reason": "a test wants it so", "topic": "deployer-canaries",
        "partition": 0, "offset": 1, "timestamp": null, "key_base64": null,
        "value_base64": base64_simd::STANDARD.encode_to_string(event), "value_bytes": event.len(),
    });
    let documents = Documents::new(deployer, "vm3");
    let path = "deployer-canaries-dead-letters/e-0000-000000000001";
    assert_eq!(documents.change(Method::PUT, path, &letter), 201);
    let shown = deployer.run(&["dead-letters"]).code(0);
    assert!(shown.out.contains("a test wants it so"), "{}", shown.out);
    deployer
        .run(&["status"])
        .code(1)
        .says(&["1 dead letters", "consumer: lag 0"]);
    deployer
        .run(&["dead-letters", "--retry", "--topic", "deployer-canaries"])
        .code(0)
        .says(&["1 of 1 are documents now"]);
    let path = "deployer-canaries/vm9-r-000000000001";
    assert_eq!(documents.get(path, Some("admin")).0, 200);
    assert_eq!(deployer.run(&["dead-letters", "--json"]).code(0).out, "");
    well(deployer);
}
