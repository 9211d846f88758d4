//! What is gone is gone, although the least policy hides it: a call on it is refused as one on what is not ours.

use deployer::cloud::aws::operation::{Kind, Operation};
use deployer::cloud::{self, Cloud as _, CloudStep};
use deployer::topology::CloudName;

use super::bench::Bench;
use super::moto::Moto;
use super::proxy::{Fault, Proxy};

const DENIED: &str = "UnauthorizedOperation";

#[tokio::test]
async fn answers_that_get_lost_while_things_go_are_no_refusals() {
    let Some(moto) = Moto::shared() else { return };
    let proxy = Proxy::start(moto.port).await;
    let bench = Bench::new(&proxy.url, "eu-south-1", "500000000000", &["vm1", "vm2"]);
    bench.up().await.expect("up");
    let calls = [
        "TerminateInstances",
        "RevokeSecurityGroupIngress",
        "DeleteSecurityGroup",
        "DeleteKeyPair",
        "DetachInternetGateway",
        "DeleteInternetGateway",
        "DeleteSubnet",
        "DisassociateRouteTable",
        "DeleteRouteTable",
        "DeleteVpc",
    ];
    for call in calls {
        proxy.fault(call, 1, Fault::LoseAnswer);
    }
    bench.takes_all_away().await;
}

#[tokio::test]
async fn a_teardown_that_was_planned_before_another_one_finds_all_done() {
    let Some(moto) = Moto::shared() else { return };
    let proxy = Proxy::start(moto.port).await;
    let bench = Bench::new(&proxy.url, "eu-south-2", "500000000001", &["vm1"]);
    bench.up().await.expect("up");
    let aws = bench.aws();
    let mut steps = aws.plan(&bench.want(true)).await.expect("plan").steps;
    // AWS takes these away by itself, now and then a moment after they were seen.
    for (kind, id) in [
        (Kind::Interface, "eni-0123456789abcdef0"),
        (Kind::Volume, "vol-0123456789abcdef0"),
    ] {
        let operation = Operation::Delete {
            kind,
            id: id.into(),
            vpc: None,
        };
        steps.push(CloudStep::new(
            "leftovers of machines",
            format!("delete {id}"),
            cloud::Operation::of(CloudName::AWS, operation),
        ));
    }
    bench.takes_all_away().await;
    proxy.take_calls();
    bench.run(&aws, &steps, true).await.expect("all is gone");
    let counts = proxy.take_counts();
    assert_eq!(counts.get("DeleteVpc"), Some(&1), "{counts:?}");
}

#[tokio::test]
async fn a_permission_that_is_missing_is_named_after_a_while() {
    let Some(moto) = Moto::shared() else { return };
    let proxy = Proxy::start(moto.port).await;
    let bench = Bench::new(&proxy.url, "eu-central-2", "500000000002", &["vm1"]);
    proxy.refuse("AttachInternetGateway", 1000, 403, DENIED);
    let error = bench.up().await.expect_err("refused").to_string();
    assert!(
        error.contains(
            "must allow `ec2:AttachInternetGateway`, and what is changed must carry the tag `deployer:id`"
        ),
        "{error}"
    );
    proxy.spare_all();
    bench.up().await.expect("up");
    for call in ["TerminateInstances", "DeleteSubnet"] {
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
async fn tags_that_are_not_seen_yet_are_waited_for() {
    let Some(moto) = Moto::shared() else { return };
    let proxy = Proxy::start(moto.port).await;
    let bench = Bench::new(&proxy.url, "il-central-1", "500000000003", &["vm1"]);
    bench.up().await.expect("up");
    let early: std::collections::BTreeSet<String> = proxy
        .take_calls()
        .into_iter()
        .filter(|call| call.early)
        .map(|call| call.action)
        .collect();
    let wanted = [
        "AssociateRouteTable",
        "AttachInternetGateway",
        "AuthorizeSecurityGroupIngress",
        "CreateRoute",
    ];
    for call in &early {
        assert!(wanted.contains(&call.as_str()), "{early:?}");
    }
    assert!(early.len() >= 3, "the proxy refuses nothing: {early:?}");
    // Machines, too, are changed a moment after they were made.
    bench.takes_all_away().await;
    let calls = proxy.take_calls();
    assert!(
        calls
            .iter()
            .any(|call| call.early && call.action == "TerminateInstances")
    );
}
