//! A deployment of AWS that another laptop takes over: with its own credentials, its own SSH key and the passphrase alone.

use std::os::unix::fs::PermissionsExt as _;

use ssh_key::{Algorithm, LineEnding, PrivateKey, rand_core::OsRng};

use super::account;
use crate::census::{census, client};
use crate::desk::{Desk, says};
use crate::proxy::Proxy;
use crate::watcher::THIS_BOX;

const REGION: &str = "eu-north-1";

#[tokio::test(flavor = "multi_thread")]
async fn another_laptop_takes_it_over_and_away() {
    let Some((moto, _watcher)) = account(REGION) else {
        return;
    };
    let url = moto.url();
    let (ann, mut bob, ec2) = (Desk::new(), Desk::new(), client(&url, REGION));
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
  aws: {{ region: {REGION}, endpoint_url: '{}', ssh_from: [{THIS_BOX}], ssh_keys: [{keys}] }}
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
    says(
        &bob.run(0, &["plan", "--inventory", &file]),
        &["nothing to do"],
    );
    says(&bob.run(0, &["status"]), &["all is well"]);
    says(&bob.run(0, &["teardown", "--yes"]), &["nothing is left"]);
    assert_eq!(census(&ec2).await, there);
}
