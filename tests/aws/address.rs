//! The user's own address, by the binary: it is let in at the first `up`, its change is named where SSH gets no answer, and `allow`
//! lets the new one in.

use std::sync::{Arc, Mutex};

use deployer::cloud::aws::tags;

use super::account::telling;
use super::census::{census, client};
use super::desk::says;
use super::proxy::Proxy;
use super::stage;

#[tokio::test(flavor = "multi_thread")]
async fn another_address_is_named_and_let_in() {
    let Some(moto) = stage::moto() else { return };
    let (region, url) = ("ap-southeast-4", moto.url());
    let proxy = Proxy::start(moto.port).await;
    let ec2 = client(&url, region);
    let there = census(&ec2).await;
    let address = Arc::new(Mutex::new("192.0.2.7"));
    let service = telling(&address).await;
    let desk = stage::desk();
    let text = stage::inventory(&proxy.url, region, &format!(", address_url: '{service}'"))
        .replace("ssh_from: [192.0.2.1], ", "");
    let file = desk.write("inventory.yaml", &text);
    let let_in = async || {
        let ours = tags::filter("tag:deployer:id", &desk.id());
        let groups = ec2.describe_security_groups().filters(ours).send().await;
        let groups = groups.expect("groups");
        let rules = groups.security_groups()[0].ip_permissions().iter();
        let ranges = rules.flat_map(aws_sdk_ec2::types::IpPermission::ip_ranges);
        let mut ranges: Vec<String> = ranges
            .filter_map(|range| range.cidr_ip())
            .map(String::from)
            .collect();
        ranges.sort();
        ranges
    };
    let said = desk.run(0, &["up", "--yes", "--inventory", &file]);
    says(&said, &["tcp 22 from 192.0.2.7/32"]);

    // Another day: kept connections are gone, and new ones get no answer.
    *address.lock().expect("text") = "198.51.100.9";
    stage::silence(&desk);
    says(
        &desk.fails(&["up", "--yes", "--inventory", &file]),
        &[
            "this box is now seen as 198.51.100.9, and the security group does not let that in: `deployer allow` adds it",
        ],
    );
    assert_eq!(let_in().await, ["192.0.2.7/32"]);
    says(&desk.run(0, &["allow"]), &["198.51.100.9 may use SSH"]);
    assert_eq!(let_in().await, ["192.0.2.7/32", "198.51.100.9/32"]);
    stage::speak(&desk);
    let said = desk.run(0, &["up", "--yes", "--inventory", &file]);
    assert!(!said.contains("SecurityGroup"), "{said}");
    assert_eq!(let_in().await, ["192.0.2.7/32", "198.51.100.9/32"]);
    says(&desk.run(0, &["teardown", "--yes"]), &["nothing is left"]);
    assert_eq!(census(&ec2).await, there);
}
