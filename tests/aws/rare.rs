//! Permissions that are needed seldom: what moto never lets happen by itself is brought about by hand, and each that is missing is
//! named. The others are in `policy.rs`.

use std::sync::Arc;

use aws_sdk_ec2::types::ResourceType;
use deployer::cloud::Notes as _;
use deployer::cloud::aws::tags;

use super::bench::Bench;
use super::census::{by_hand, client};
use super::faults::bench;
use super::kept::made_disk;
use super::moto::Moto;
use super::proxy::{Call, Fault};

const DENIED: &str = "UnauthorizedOperation";

/// The id that an answer gives something.
fn id(answer: &str, element: &str) -> String {
    let rest = answer.split(&format!("<{element}>")).nth(1);
    let id = rest.and_then(|rest| rest.split('<').next());
    id.unwrap_or_else(|| panic!("no {element}: {answer}"))
        .to_owned()
}

/// An interface with our tag, as a machine may leave it behind.
async fn interface(bench: &Bench, url: &str) -> String {
    let ec2 = client(url, &bench.region);
    let notes = bench.notes.0.lock().expect("notes").clone();
    let subnet = notes.iter().find(|(key, _)| key.starts_with("subnet"));
    let ours = tags::Tags::from([(tags::ID.to_owned(), bench.wanted.id.clone())]);
    let call = ec2.create_network_interface();
    let call = call.subnet_id(subnet.expect("a subnet").1);
    let call = call.tag_specifications(tags::specification(ResourceType::NetworkInterface, &ours));
    let made = call.send().await.expect("an interface").network_interface;
    let made = made.and_then(|one| one.network_interface_id);
    made.expect("its id")
}

#[tokio::test]
async fn a_disk_and_an_interface_that_may_not_be_deleted() {
    let Some((proxy, bench)) = bench("ap-southeast-5", "600000000000", &["vm1"]).await else {
        return;
    };
    let port = Moto::shared().expect("moto").port;
    for call in ["DeleteVolume", "DeleteNetworkInterface"] {
        bench.up().await.expect("up");
        interface(&bench, &format!("http://127.0.0.1:{port}")).await;
        made_disk(port, &bench.region, &bench.wanted.id).await;
        proxy.refuse(call, 1000, 403, DENIED);
        let error = bench.teardown().await.expect_err("refused").to_string();
        assert!(
            error.contains(&format!("must allow `ec2:{call}`")),
            "{error}"
        );
        proxy.spare_all();
    }
    bench.takes_all_away().await;
}

#[tokio::test]
async fn an_interface_is_taken_off_no_machine_that_lives() {
    let Some((proxy, bench)) = bench("ap-east-1", "600000000001", &["vm1"]).await else {
        return;
    };
    let port = Moto::shared().expect("moto").port;
    bench.up().await.expect("up");
    let url = format!("http://127.0.0.1:{port}");
    let interface = interface(&bench, &url).await;
    // Somebody has put it into a machine of his own.
    let run = "Action=RunInstances&ImageId=ami-0noble0amd640002&MinCount=1&MaxCount=1";
    let machine = id(&by_hand(port, &bench.region, run).await, "instanceId");
    let attach = format!(
        "Action=AttachNetworkInterface&DeviceIndex=1&InstanceId={machine}&NetworkInterfaceId={interface}"
    );
    id(&by_hand(port, &bench.region, &attach).await, "attachmentId");
    // moto deletes what is in use.
    let in_use = "InvalidParameterValue";
    proxy.refuse("DeleteNetworkInterface", 1, 400, in_use);
    let error = bench.teardown().await.expect_err("in use").to_string();
    let words = format!(
        "the network interface {interface} is attached to {machine}, which is not part of this deployment: detach it first"
    );
    assert_eq!(error, words);
    let counts = proxy.take_counts();
    assert!(!counts.contains_key("DetachNetworkInterface"), "{counts:?}");

    // What hangs on no machine is taken off; that it may not be is said.
    let nobody = |_: &Call, answer: String| {
        let parts = answer.split("<instanceId>").enumerate();
        let rest = |part: &str| {
            part.split_once("</instanceId>")
                .map(|(_, rest)| rest.to_owned())
        };
        parts
            .map(|(n, part)| {
                if n == 0 {
                    part.to_owned()
                } else {
                    rest(part).unwrap_or_default()
                }
            })
            .collect()
    };
    proxy.fault(
        "DescribeNetworkInterfaces",
        1000,
        Fault::Edit(Arc::new(nobody)),
    );
    proxy.refuse("DeleteNetworkInterface", 1000, 400, in_use);
    proxy.refuse("DetachNetworkInterface", 1000, 403, DENIED);
    let error = bench.teardown().await.expect_err("refused").to_string();
    assert!(
        error.contains("must allow `ec2:DetachNetworkInterface`"),
        "{error}"
    );
    proxy.spare_all();
    let end = format!("Action=TerminateInstances&InstanceId.1={machine}");
    id(&by_hand(port, &bench.region, &end).await, "instanceId");
    bench.takes_all_away().await;
}

#[tokio::test]
async fn a_way_out_that_may_not_be_mended() {
    let Some((proxy, bench)) = bench("ap-northeast-3", "600000000002", &["vm1"]).await else {
        return;
    };
    let port = Moto::shared().expect("moto").port;
    let made = bench.up().await.expect("up");
    let table = bench.notes.get("route table").expect("a table");
    let machine = &made["vm1"].id;
    let bend = format!(
        "Action=ReplaceRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0%2F0&InstanceId={machine}"
    );
    by_hand(port, &bench.region, &bend).await;
    proxy.refuse("ReplaceRoute", 1000, 403, DENIED);
    let error = bench.up().await.expect_err("refused").to_string();
    assert!(error.contains("must allow `ec2:ReplaceRoute`"), "{error}");
    proxy.spare_all();
    bench.up().await.expect("mended");
    bench.takes_all_away().await;
}

/// A call that tags what it makes needs a second permission, and AWS says which one is missing.
#[tokio::test]
async fn that_nothing_may_be_tagged_is_named() {
    let Some((proxy, bench)) = bench("ap-east-1", "600000000003", &["vm1"]).await else {
        return;
    };
    for call in ["CreateVpc", "RunInstances"] {
        proxy.fault(call, 1, Fault::Lacks("ec2:CreateTags"));
        let error = bench.up().await.expect_err("refused").to_string();
        let named = format!("must allow `ec2:CreateTags` for what `ec2:{call}` makes");
        assert!(error.contains(&named), "{error}");
    }
    bench.takes_all_away().await;
}
