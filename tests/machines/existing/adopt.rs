//! Hosts that one laptop has made a deployment of, and another takes over, by a key of age.

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;

use super::hosts::Hosts;
use super::product::Product;
use super::section;
use crate::support::may_run;

#[tokio::test(flavor = "multi_thread")]
async fn another_laptop_takes_hosts_over_and_away() {
    if !may_run("existing: another_laptop_takes_hosts_over_and_away") {
        return;
    }
    let hosts = Hosts::boot(&["one", "two"]).await;
    let (key, other) = (Identity::generate(), Identity::generate());
    let inventory = |recipients: &str| {
        format!(
            "name: shared\ncloud: existing\nsecurity: on\nstate_copy: {{ recipients: [{recipients}] }}\n\
             nodes: {{ one: {{}}, two: {{}} }}\n{}",
            section(&hosts, &[("one", "one"), ("two", "two")])
        )
    };
    let own = inventory(&key.to_public().to_string());
    let ann = Product::new(&inventory("age1nobody"));
    ann.expect(64, &["up", "--yes"]).says(&[
        "inventory.yaml:4:",
        "`age1nobody` is not a public key of age",
    ]);
    ann.set_inventory(&own);
    ann.expect(0, &["up", "--yes"]);
    ann.expect(0, &["up", "--yes"]).says(&["nothing to do"]);
    let receipt = std::fs::read_to_string(ann.state().join("shared-existing/receipt.json"));
    let receipt: serde_json::Value =
        serde_json::from_str(&receipt.expect("a receipt")).expect("JSON");
    let id = receipt["id"].as_str().expect("an id");

    let bob = Product::new(&own);
    let adopt = |identity: &Identity, more: &[&str]| {
        let file = bob.home().join("key");
        std::fs::write(&file, identity.to_string().expose_secret()).expect("a key");
        let file = file.display().to_string();
        let words = ["adopt", "--yes", "--id", id, "--identity", &file];
        bob.run(&[&words[..], more].concat())
    };
    let said = adopt(&other, &[]);
    assert_eq!(said.code, 1, "{}", said.err);
    said.says(&["the key is none of those that it was encrypted for"]);
    assert!(!bob.state().join("shared-existing").exists());
    // By a host alone, whose key nobody knows but the copy.
    let address = format!("student@{}", hosts.address("one"));
    let config = format!("IdentityFile {}\n", hosts.key().display());
    std::fs::write(bob.home().join(".ssh/config"), config).expect("a configuration");
    let said = adopt(&key, &["--host", &address]);
    assert_eq!(said.code, 0, "{}", said.err);
    std::fs::remove_dir_all(bob.state()).expect("taken over");
    let said = adopt(&key, &[]);
    assert_eq!(said.code, 0, "{}", said.err);
    // Whoever goes on proves that all arrives.
    let plan = bob.expect(2, &["plan"]).out;
    assert!(plan.contains("nothing to do but to prove"), "{plan}");
    bob.expect(0, &["status"]);

    // Who died in the middle has his turn for two minutes more: there it is bob's own.
    bob.set_inventory(&format!("{own}# changed\n"));
    bob.kill_at("state on one, two", &["up", "--yes"]);
    ann.set_inventory(&format!("{own}# here, too\n"));
    let said = ann.run(&["up", "--yes"]);
    assert_eq!(said.code, 1, "{}", said.err);
    bob.expect(0, &["up", "--yes"]);
    bob.expect(0, &["plan"]);
    ann.expect(1, &["up", "--yes"])
        .says(&["was changed from another laptop"]);
    ann.expect(1, &["teardown", "--yes"])
        .says(&["was changed from another laptop"]);
    bob.expect(0, &["teardown", "--yes"]);
    for host in ["one", "two"] {
        assert_eq!(hosts.traces(host, "shared"), "");
        assert_eq!(hosts.root(host, "ls /run | grep shared; true"), "");
    }
}
