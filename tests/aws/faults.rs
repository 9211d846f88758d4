//! What the real AWS does now and then and moto never: each must end well, or in words.

use std::sync::Arc;

use aws_sdk_ec2::types::ResourceType;
use deployer::cloud::aws::tags;
use deployer::cloud::{Cloud as _, Notes as _};

use super::bench::{Bench, words};
use super::guests;
use super::moto::Moto;
use super::proxy::{Call, Fault, Proxy};

/// A proxy and a deployment of one machine in a region of its own.
pub(crate) async fn bench(region: &str, id: &str, nodes: &[&str]) -> Option<(Proxy, Bench)> {
    let proxy = Proxy::start(Moto::shared()?.port).await;
    let bench = Bench::new(&proxy.url, region, id, nodes);
    Some((proxy, bench))
}

/// An answer that lists no machine.
fn hide(_: &Call, answer: String) -> String {
    match (
        answer.find("<reservationSet>"),
        answer.find("</reservationSet>"),
    ) {
        (Some(start), Some(end)) => {
            format!(
                "{}{}",
                &answer[..start + "<reservationSet>".len()],
                &answer[end..]
            )
        }
        _ => answer,
    }
}

async fn machines(bench: &Bench) -> usize {
    let found = bench.aws().deployments().await.expect("deployments");
    let ours = found.into_iter().find(|found| found.id == bench.wanted.id);
    ours.map_or(0, |found| {
        found
            .things
            .iter()
            .filter(|thing| thing.starts_with("machine"))
            .count()
    })
}

#[tokio::test]
async fn an_answer_that_gets_lost_makes_no_second_machine() {
    let Some((proxy, bench)) = bench("us-east-2", "100000000001", &["vm1"]).await else {
        return;
    };
    proxy.fault("RunInstances", 1, Fault::LoseAnswer);
    bench
        .up()
        .await
        .expect("the SDK repeats it with the same token");
    assert_eq!(machines(&bench).await, 1);
    bench.takes_all_away().await;

    // For as long as this run lasts: the next one asks with the token that was noted.
    proxy.fault("RunInstances", 6, Fault::LoseAnswer);
    let bench = Bench::new(&proxy.url, "us-east-2", "100000000002", &["vm1"]);
    let error = bench.up().await.expect_err("no answer").to_string();
    assert!(error.starts_with("RunInstances: "), "{error}");
    assert_eq!(machines(&bench).await, 1);
    let up = bench.up().await.expect("up");
    assert_eq!((machines(&bench).await, up.len()), (1, 1));
    bench.takes_all_away().await;
}

#[tokio::test]
async fn a_repeated_token_with_other_settings_is_the_machine_as_it_was() {
    let Some((proxy, mut bench)) = bench("us-east-2", "100000000003", &["vm1"]).await else {
        return;
    };
    proxy.fault("RunInstances", 6, Fault::LoseAnswer);
    bench.up().await.expect_err("no answer");
    bench.settings.disk_gib = 32;
    // It is not listed yet, so it is asked for again; that call is refused, and a moment later it is listed.
    proxy.fault("DescribeInstances", 2, Fault::Edit(Arc::new(hide)));
    proxy.take_calls();
    bench.up().await.expect("up");
    assert_eq!(machines(&bench).await, 1);
    bench.takes_all_away().await;
}

#[tokio::test]
async fn a_token_that_was_used_for_nothing_is_not_used_again() {
    let Some((proxy, bench)) = bench("us-east-2", "10000000000e", &["vm1"]).await else {
        return;
    };
    proxy.refuse("RunInstances", 1, 400, "IdempotentParameterMismatch");
    bench.up().await.expect("up");
    let launches = proxy.take_calls().into_iter();
    let launches = launches.filter(|call| call.action == "RunInstances");
    let tokens: Vec<String> = launches
        .map(|call| call.parameters["ClientToken"].clone())
        .collect();
    assert!(tokens.len() == 2 && tokens[0] != tokens[1], "{tokens:?}");
    assert_eq!(machines(&bench).await, 1);
    bench.is_settled().await;
    bench.takes_all_away().await;
}

#[tokio::test]
async fn lost_answers_make_no_second_network() {
    let Some((proxy, bench)) = bench("us-east-2", "100000000004", &["vm1"]).await else {
        return;
    };
    let calls = [
        "CreateVpc",
        "CreateSubnet",
        "CreateInternetGateway",
        "AttachInternetGateway",
        "CreateRouteTable",
        "CreateRoute",
        "AssociateRouteTable",
        "CreateSecurityGroup",
        "AuthorizeSecurityGroupIngress",
        "ImportKeyPair",
    ];
    for call in calls {
        proxy.fault(call, 1, Fault::LoseAnswer);
    }
    bench.up().await.expect("up");
    let found = bench.aws().deployments().await.expect("deployments");
    let ours = found
        .into_iter()
        .find(|found| found.id == bench.wanted.id)
        .expect("found");
    let count = |kind: &str| {
        ours.things
            .iter()
            .filter(|thing| thing.starts_with(kind))
            .count()
    };
    for kind in [
        "VPC",
        "subnet",
        "internet gateway",
        "route table",
        "security group",
        "key pair",
        "machine",
    ] {
        assert_eq!(count(kind), 1, "{kind} in {:?}", ours.things);
    }
    bench.is_settled().await;
    bench.takes_all_away().await;
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let Some((proxy, bench)) = bench("us-west-1", "100000000005", &["vm1"]).await else {
        return;
    };
    for call in [
        "DescribeInstances",
        "DescribeVpcs",
        "CreateVpc",
        "CreateSubnet",
        "RunInstances",
        "TerminateInstances",
        "DeleteVpc",
    ] {
        proxy.refuse(call, 3, 503, "RequestLimitExceeded");
    }
    bench.up().await.expect("up");
    assert_eq!(machines(&bench).await, 1);
    bench.takes_all_away().await;
}

#[tokio::test]
async fn what_was_just_made_may_not_be_known_everywhere() {
    let Some((proxy, bench)) = bench("sa-east-1", "100000000009", &["vm1"]).await else {
        return;
    };
    for (call, code) in [
        ("CreateSubnet", "InvalidVpcID.NotFound"),
        ("AttachInternetGateway", "InvalidInternetGatewayID.NotFound"),
        ("CreateRoute", "InvalidRouteTableID.NotFound"),
        ("AssociateRouteTable", "InvalidSubnetID.NotFound"),
        ("AuthorizeSecurityGroupIngress", "InvalidGroup.NotFound"),
        ("RunInstances", "InvalidGroup.NotFound"),
    ] {
        proxy.refuse(call, 2, 400, code);
    }
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    // The machine is not listed in the first three looks.
    proxy.fault("DescribeInstances", 3, Fault::Edit(Arc::new(hide)));
    bench
        .run(&bench.aws(), &plan.steps, false)
        .await
        .expect("up");
    let said = bench.lines.0.lock().expect("lines").join("\n");
    assert!(said.contains(" is running"), "{said}");

    // The same at the next run: nothing is made a second time, nothing is taken for lost.
    proxy.fault("DescribeInstances", 4, Fault::Edit(Arc::new(hide)));
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    assert!(
        plan.lost.is_empty() && plan.steps.is_empty(),
        "{}",
        words(&plan)
    );
    bench.takes_all_away().await;
}

#[tokio::test]
async fn what_holds_on_is_waited_for_and_named() {
    let Some((proxy, bench)) = bench("ap-south-1", "10000000000a", &["vm1"]).await else {
        return;
    };
    let calls = [
        "DetachInternetGateway",
        "DeleteSecurityGroup",
        "DeleteSubnet",
        "DeleteRouteTable",
        "DeleteVpc",
        "DeleteInternetGateway",
    ];
    for call in calls {
        bench.up().await.expect("up");
        proxy.refuse(call, 3, 400, "DependencyViolation");
        assert_eq!(
            bench
                .teardown()
                .await
                .unwrap_or_else(|error| panic!("{call}: {error}")),
            Vec::<String>::new(),
            "{call}"
        );
    }
    bench.up().await.expect("up");
    proxy.refuse("DeleteSubnet", 1000, 400, "DependencyViolation");
    let error = bench.teardown().await.expect_err("held").to_string();
    assert!(
        error.starts_with("deleting the subnet subnet-")
            && error.contains("was not done within 5 s"),
        "{error}"
    );
    let left = bench
        .aws()
        .leftovers(&bench.wanted.id)
        .await
        .expect("leftovers")
        .join(", ");
    assert!(
        left.contains("VPC vpc-") && left.contains("subnet subnet-"),
        "{left}"
    );
}

#[tokio::test]
async fn refusals_name_the_permission() {
    let Some((proxy, bench)) = bench("ap-northeast-1", "10000000000b", &["vm1"]).await else {
        return;
    };
    proxy.refuse("CreateVpc", 1, 403, "UnauthorizedOperation");
    let error = bench.up().await.expect_err("refused").to_string();
    assert!(
        error.starts_with("CreateVpc: You are not authorized")
            && error.ends_with(
                "; the policy of these credentials must allow `ec2:CreateVpc` (UnauthorizedOperation)"
            ),
        "{error}"
    );
    for (code, advice) in [
        ("VcpuLimitExceeded", "ask for a higher quota"),
        ("ExpiredToken", "log in again"),
        ("AuthFailure", "not valid in this region"),
        (
            "InvalidParameterCombination",
            "the account is on AWS's Free plan",
        ),
        ("PendingVerification", "still looking at the new account"),
        ("Blocked", "AWS has blocked the account"),
        ("InvalidKMSKey.InvalidState", "kms:CreateGrant"),
        ("VolumeLimitExceeded", "a smaller `disk_gib`"),
        (
            "AddressLimitExceeded",
            "`public_ip: false` with a `bastion`",
        ),
        ("OptInRequired", "not yet signed up"),
    ] {
        proxy.refuse("RunInstances", 1, 400, code);
        let error = bench.up().await.expect_err("refused").to_string();
        assert!(error.contains(advice), "{error}");
    }
    bench.takes_all_away().await;
}

#[tokio::test]
async fn credentials_of_another_account_are_noticed() {
    let Some((_proxy, bench)) = bench("ap-northeast-2", "10000000000c", &["vm1"]).await else {
        return;
    };
    bench.up().await.expect("up");
    assert_eq!(bench.notes.get("account").as_deref(), Some("123456789012"));
    bench.takes_all_away().await;
    // Nothing is there now, as it would be with the wrong account.
    bench.notes.record("account", "999999999999").expect("note");
    let error = bench
        .plan(&bench.aws())
        .await
        .expect_err("another account")
        .to_string();
    assert_eq!(
        error,
        "the deployment is in the AWS account 999999999999, the credentials are of 123456789012: log in there, or set AWS_PROFILE"
    );
}

#[tokio::test]
async fn interfaces_of_ours_are_deleted_and_others_named() {
    let Some((proxy, bench)) = bench("ap-northeast-3", "10000000000d", &["vm1"]).await else {
        return;
    };
    bench.up().await.expect("up");
    let config = super::bench::config("ap-northeast-3", "key", "secret");
    let config = aws_sdk_ec2::config::Builder::from(&config)
        .endpoint_url(&proxy.url)
        .build();
    let ec2 = aws_sdk_ec2::Client::from_conf(config);
    let subnet = bench
        .notes
        .0
        .lock()
        .expect("notes")
        .iter()
        .find(|(key, _)| key.starts_with("subnet"))
        .expect("noted")
        .1
        .clone();
    let ours = tags::Tags::from([(tags::ID.to_owned(), bench.wanted.id.clone())]);
    let left = tags::specification(ResourceType::NetworkInterface, &ours);
    ec2.create_network_interface()
        .subnet_id(&subnet)
        .tag_specifications(left)
        .send()
        .await
        .expect("left behind");
    let foreign = ec2
        .create_network_interface()
        .subnet_id(&subnet)
        .send()
        .await
        .expect("foreign");
    let foreign = foreign
        .network_interface()
        .and_then(|one| one.network_interface_id())
        .expect("id")
        .to_owned();

    proxy.refuse("DeleteSubnet", 1000, 400, "DependencyViolation");
    let error = bench.teardown().await.expect_err("held").to_string();
    assert!(
        error.contains(&foreign) && error.contains("which is not part of this deployment"),
        "{error}"
    );
    assert!(proxy.take_counts().contains_key("DeleteNetworkInterface"));
    ec2.describe_network_interfaces()
        .network_interface_ids(&foreign)
        .send()
        .await
        .expect("it was left alone");
}

#[tokio::test]
async fn what_services_of_aws_put_into_our_vpc_is_named() {
    let Some((proxy, bench)) = bench("eu-north-1", "100000000012", &["vm1"]).await else {
        return;
    };
    bench.up().await.expect("up");
    proxy.guests_stay();
    let name = guests::group(&bench.notes.get("vpc").expect("a VPC"));
    for call in ["DeleteSubnet", "DeleteVpc"] {
        proxy.refuse(call, 1000, 400, "DependencyViolation");
        let error = bench.teardown().await.expect_err("held").to_string();
        assert!(
            error.contains(&format!("({})", guests::ENDPOINT)),
            "{error}"
        );
        let named = error.contains(&format!("({name})"));
        assert_eq!(named, call == "DeleteVpc", "{error}");
        assert!(error.contains("delete that in the VPC console"), "{error}");
        proxy.spare_all();
    }
}

/// Half-open connections, a proxy that swallows: nobody waits for ever. It takes the client's whole patience, so it is for `.ci/run full`.
#[tokio::test]
async fn a_service_that_never_answers_is_given_up() {
    if !std::env::vars().any(|(key, _)| key == "DEPLOYER_TEST_FULL") {
        return;
    }
    // Whoever connects is in its queue for ever.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let bench = Bench::new(&url, "us-east-2", "100000000099", &["vm1"]);
    let start = std::time::Instant::now();
    let error = bench
        .deployment
        .plan(&bench.aws())
        .await
        .expect_err("no answer")
        .to_string();
    let took = start.elapsed().as_secs();
    assert!(
        error.contains("timed out") && (100..300).contains(&took),
        "{took} s: {error}"
    );
}
