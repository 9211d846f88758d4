//! Machines without public addresses, by the binary on booted machines: SSH goes through the one that has one.

use super::account;
use crate::census::{census, client};
use crate::desk::{Desk, says};
use crate::proxy::Proxy;
use crate::watcher::THIS_BOX;

const REGION: &str = "eu-west-1";

#[tokio::test(flavor = "multi_thread")]
async fn machines_without_public_addresses_are_reached_through_one() {
    let Some((moto, _watcher)) = account(REGION) else {
        return;
    };
    let url = moto.url();
    let (desk, ec2) = (Desk::new(), client(&url, REGION));
    let proxy = Proxy::start(moto.port).await;
    let there = census(&ec2).await;
    let text = format!(
        "\
name: inside
cloud: aws
nodes: {{ door: {{ roles: [] }}, room: {{ count: 2, roles: [] }} }}
clouds:
  aws: {{ region: {REGION}, endpoint_url: '{}', ssh_from: [{THIS_BOX}], public_ip: false, bastion: door }}
",
        proxy.url
    );
    let file = desk.write("inventory.yaml", &text);
    desk.run(0, &["up", "--yes", "--inventory", &file]);
    let machines = &desk.receipt()["machines"];
    for (node, public) in [("door", true), ("room-1", false), ("room-2", false)] {
        let machine = &machines[node]["machine"];
        assert_eq!(machine["public"].is_string(), public, "{machine}");
    }
    says(
        &desk.run(0, &["up", "--inventory", &file]),
        &["nothing to do"],
    );
    let state = desk.path("state");
    let words = ["ssh", "room-2", "--state-dir", &state, "--", "hostname"];
    let output = desk.anywhere(&words).output().expect("ssh");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "room-2\n");
    says(&desk.run(0, &["status"]), &["all is well"]);
    says(&desk.run(0, &["teardown", "--yes"]), &["nothing is left"]);
    assert_eq!(census(&ec2).await, there);
}
