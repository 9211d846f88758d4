//! The host key that came by user data makes way for one that the machine made itself, wherever a run died; and whoever shows the
//! first one later, for he read it there, is refused.

use base64_simd::STANDARD;
use serde_json::{Value, json};

use super::{deployer, with_agents};
use crate::deployer_command::{Deployer, subtest};
use crate::support::may_run;

const NODE: &str = "vm1";
const KEY: &str = "/etc/ssh/ssh_host_ed25519_key";

/// The public key that the machine's sshd has, without its comment.
fn shown(deployer: &Deployer) -> String {
    let key = deployer.on(NODE, &["ssh-keygen", "-y", "-f", KEY]);
    let words: Vec<&str> = key.split_whitespace().collect();
    // Words of login may come first.
    let first = words.iter().position(|word| *word == "ssh-ed25519");
    words[first.expect("a key")..][..2].join(" ")
}

/// What the receipt says of it.
fn recorded(deployer: &Deployer) -> Value {
    deployer.receipt()["host_keys"][NODE].clone()
}

fn record(deployer: &Deployer, own: Value) {
    let mut receipt = deployer.receipt();
    receipt["host_keys"] = own;
    let text = serde_json::to_vec(&receipt).expect("JSON");
    std::fs::write(deployer.receipt_path(), text).expect("a receipt");
}

/// Puts the key that the machine was given back to where sshd reads it; the one it has goes to `aside`.
fn give_back(deployer: &Deployer, aside: &str) {
    let given = deployer
        .receipt_path()
        .with_file_name("keys")
        .join("host-vm1");
    let given = STANDARD.encode_to_string(std::fs::read(given).expect("a key"));
    let script = format!(
        "umask 077 && cp {KEY} {aside} && echo {given} | base64 -d >{KEY} && systemctl reset-failed ssh && systemctl try-restart ssh"
    );
    deployer.on(NODE, &["sh", "-c", &script]);
    deployer.hang_up();
}

#[test]
fn a_machine_shows_a_host_key_that_nobody_else_had() {
    if !may_run("a_machine_shows_a_host_key_that_nobody_else_had") {
        return;
    }
    let deployer = deployer("{ vm1: { roles: [] } }");
    let up = with_agents(&["up", "--yes"]);
    let settled = || {
        deployer.run(&up).code(0).says(&["nothing to do"]);
        let (shown, recorded) = (shown(&deployer), recorded(&deployer));
        assert!(
            recorded["key"]
                .as_str()
                .is_some_and(|key| key.starts_with(&shown))
        );
        assert_eq!(recorded["alone"], true, "{recorded}");
        let left = deployer.on(NODE, &["sh", "-c", "ls /etc/ssh"]);
        assert!(!left.contains(".own") && !left.contains(".part"), "{left}");
        let known = deployer.receipt_path().with_file_name("known_hosts");
        let known = std::fs::read_to_string(known).expect("known hosts");
        assert_eq!(known, format!("{NODE} {shown}\n"));
        shown
    };
    let first = subtest("after the first contact", || {
        deployer.run(&up).code(0);
        let given = deployer
            .receipt_path()
            .with_file_name("keys")
            .join("host-vm1");
        let given = std::fs::read_to_string(given).expect("a key");
        let given = ssh_key::PrivateKey::from_openssh(given).expect("a key");
        let given = given.public_key().to_openssh().expect("a key");
        let own = settled();
        assert!(!given.starts_with(&own));
        deployer.hang_up();
        settled()
    });
    subtest("a machine of an older version", || {
        give_back(&deployer, "/root/first");
        record(&deployer, json!({}));
        assert_ne!(settled(), first);
    });
    subtest("death before it was recorded", || {
        give_back(&deployer, &format!("{KEY}.own"));
        record(&deployer, json!({}));
        settled();
    });
    subtest("death before it was shown", || {
        let mut own = recorded(&deployer);
        own["alone"] = json!(false);
        record(&deployer, json!({ NODE: own }));
        give_back(&deployer, &format!("{KEY}.own"));
        settled();
    });
    subtest("death before that was recorded", || {
        let mut own = recorded(&deployer);
        own["alone"] = json!(false);
        record(&deployer, json!({ NODE: own }));
        deployer.hang_up();
        settled();
    });
    let on = |script: &str| deployer.on(NODE, &["sh", "-c", script]);
    on("systemctl disable --now ssh.service; systemctl enable --now ssh.socket");
    deployer.hang_up();
    subtest("a socket starts sshd, as on Ubuntu", || {
        give_back(&deployer, "/root/socket");
        record(&deployer, json!({}));
        settled();
        let failed = on("systemctl show --property=Result,NRestarts ssh.service");
        let failed: Vec<&str> = failed.lines().filter(|line| line.contains('=')).collect();
        assert_eq!(failed, ["Result=success", "NRestarts=0"]);
    });
    subtest("a socket will start it", || {
        give_back(&deployer, "/root/none");
        record(&deployer, json!({}));
        // The session that this asks through lives on.
        on("systemctl stop ssh.service");
        settled();
    });
    subtest("the given key is of no use any more", || {
        give_back(&deployer, "/root/last");
        let refused = "is not the expected one";
        deployer.run(&up).code(1).says(&[refused]);
        deployer.run(&["status"]).code(1).says(&[refused]);
    });
    deployer.teardown();
}
