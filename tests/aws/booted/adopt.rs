//! A deployment of AWS that another laptop takes over: with its own credentials, its own SSH key and the passphrase alone.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use ssh_key::{Algorithm, LineEnding, PrivateKey, rand_core::OsRng};

use super::account;
use crate::account::telling;
use crate::census::{census, client};
use crate::desk::{Desk, says};
use crate::proxy::Proxy;
use crate::watcher::THIS_BOX;

const REGION: &str = "eu-north-1";

/// Runs a command of root's on the node; it must succeed.
fn on_node(desk: &Desk, command: &str) {
    let state = desk.path("state");
    let begin = ["ssh", "one", "--state-dir", &state, "--"];
    let words = [&begin[..], &["sudo", "sh", "-c", command]].concat();
    let output = desk.anywhere(&words).output().expect("ssh");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_laptop_takes_it_over_and_away() {
    let Some((moto, _watcher)) = account(REGION) else {
        return;
    };
    let url = moto.url();
    let (mut ann, mut bob, ec2) = (Desk::new(), Desk::new(), client(&url, REGION));
    let seen_as = Arc::new(Mutex::new(THIS_BOX));
    let service = telling(&seen_as).await;
    let proxy = Proxy::start(moto.port).await;
    let there = census(&ec2).await;
    let key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).expect("a key");
    let home = bob.path("home");
    std::fs::create_dir_all(format!("{home}/.ssh")).expect("a home");
    let path = format!("{home}/.ssh/own");
    key.write_openssh_file(path.as_ref(), LineEnding::LF)
        .expect("a key's file");
    std::fs::write(
        format!("{home}/.ssh/config"),
        format!("IdentityFile {path}\n"),
    )
    .expect("a configuration");
    bob.set("HOME", &home);
    let passphrase = ann.write("passphrase", "correct horse battery staple\n");
    std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600)).expect("set");
    let text = |keys: &str| {
        format!(
            "\
name: shared
cloud: aws
security: on
state_copy: {{ passphrase_file: {passphrase} }}
nodes: {{ one: {{ roles: [] }} }}
clouds:
  aws: {{ region: {REGION}, endpoint_url: '{}', address_url: '{service}', ttl: 2h, ssh_keys: [{keys}] }}
",
            proxy.url
        )
    };
    let file = ann.write("inventory.yaml", &text(""));
    says(
        &ann.run(2, &["plan", "--inventory", &file]),
        &[
            "no other laptop can come to the copy",
            "`clouds.aws.ssh_keys`",
        ],
    );
    let public = key.public_key().to_openssh().expect("a public key");
    let file = ann.write("inventory.yaml", &text(&format!("'{public}'")));
    ann.run(0, &["up", "--yes", "--inventory", &file]);
    says(
        &ann.run(0, &["up", "--inventory", &file]),
        &["nothing to do"],
    );
    let id = ann.id();
    let words = ["adopt", "--yes", "--inventory", &file, "--id", &id];
    let words = [&words[..], &["--passphrase-file", &passphrase]].concat();
    says(&bob.run(0, &words), &["is taken over"]);
    let (plan, up) = (
        ["plan", "--inventory", &file],
        ["up", "--yes", "--inventory", &file],
    );
    // Whoever goes on proves that all arrives.
    let goes_on = |desk: &Desk| {
        says(&desk.run(2, &plan), &["nothing to do but to prove"]);
        says(&desk.run(0, &up), &["nothing to do"]);
        says(&desk.run(0, &plan), &["nothing to do"]);
    };
    goes_on(&bob);
    says(&bob.run(0, &["status"]), &["all is well"]);
    // What a verb changes that brings nothing is in the copies, too, and its turn ends with it: the other laptop is behind, and may go
    // on at once.
    *seen_as.lock().expect("text") = "198.51.100.9";
    bob.run(0, &["allow"]);
    says(&bob.run(0, &plan), &["nothing to do"]);
    // And it ends where they cannot be written.
    let copy = "/etc/deployer/shared/state.age";
    on_node(&bob, &format!("rm {copy} && mkdir {copy}"));
    *seen_as.lock().expect("text") = "198.51.100.10";
    says(&bob.fails(&["allow"]), &[copy]);
    on_node(&bob, "! ls /run/deployer-shared.turn && ls /run");
    on_node(&bob, &format!("rmdir {copy}"));
    says(&bob.run(0, &up), &["write the encrypted copy of the state"]);
    let refused = ann.fails(&up);
    says(&refused, &["was changed from another laptop since"]);
    ann.set("HOME", &home);
    says(&ann.run(0, &words), &["is taken over"]);
    goes_on(&ann);
    says(&bob.run(0, &["teardown", "--yes"]), &["nothing is left"]);
    assert_eq!(census(&ec2).await, there);
}
