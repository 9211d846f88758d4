//! An account from empty to full and back, against moto through the honest proxy.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use deployer::cloud::{Cloud as _, caller};
use deployer::machine::Access;

use super::bench::{Bench, words};
use super::census::{self, client, open_vpc};
use super::moto::Moto;
use super::proxy::Proxy;

const NODES: [&str; 4] = ["vm1", "vm2", "vm3", "client1"];

#[tokio::test]
async fn from_nothing_to_machines_and_back() {
    let Some(moto) = Moto::shared() else { return };
    let proxy = Proxy::start(moto.port).await;
    let bench = Bench::new(&proxy.url, "eu-central-1", "0123456789ab", &NODES);

    let machines = bench.up().await.expect("up");
    assert_eq!(
        machines.keys().map(String::as_str).collect::<Vec<_>>(),
        ["client1", "vm1", "vm2", "vm3"]
    );
    let machine = &machines["vm1"];
    let public = machine.public.expect("public address").to_string();
    let Access::Ssh(ssh) = &machine.access else {
        panic!("{machine:?}")
    };
    assert_eq!(ssh.address, public);
    assert_eq!(
        (ssh.user.as_deref(), ssh.host_key.as_deref()),
        (Some("ubuntu"), Some("ssh-ed25519 AAAAhost"))
    );
    let private = machine
        .address_seen_from(&machines["vm2"])
        .expect("private address")
        .to_string();
    assert!(private.starts_with("10.77.0."), "{private}");

    // What was asked for: tags in the creating calls, encrypted gp3, IMDSv2, a token.
    let calls = proxy.take_calls();
    let launches: Vec<&BTreeMap<String, String>> = calls
        .iter()
        .filter(|call| call.action == "RunInstances")
        .map(|call| &call.parameters)
        .collect();
    assert_eq!(launches.len(), 4);
    for launch in &launches {
        let has = |key: &str, value: &str| {
            assert_eq!(
                launch.get(key).map(String::as_str),
                Some(value),
                "{key} in {launch:#?}"
            );
        };
        has("BlockDeviceMapping.1.Ebs.Encrypted", "true");
        has("BlockDeviceMapping.1.Ebs.VolumeType", "gp3");
        has("MetadataOptions.HttpTokens", "required");
        has("MetadataOptions.HttpPutResponseHopLimit", "1");
        has("ImageId", "ami-0noble0amd640002");
        has("InstanceType", "t3.small");
        has("InstanceInitiatedShutdownBehavior", "stop");
        assert_eq!(launch.get("ClientToken").map(String::len), Some(64));
        for tag in [
            "deployer:id",
            "deployer:node",
            "deployer:expires",
            "deployer:owner",
            "Name",
        ] {
            assert!(
                launch.values().any(|value| value == tag),
                "{tag} in {launch:#?}"
            );
        }
    }
    for call in &calls {
        let makes = call.action.starts_with("Create") && call.action != "CreateRoute"
            || call.action == "ImportKeyPair";
        assert!(
            !makes
                || call
                    .parameters
                    .values()
                    .any(|value| value == "0123456789ab"),
            "{call:?} has no tag"
        );
    }

    // Nothing to do: four calls.
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    assert!(plan.steps.is_empty(), "{}", words(&plan));
    assert_eq!(plan.machines.len(), 4);
    assert!(plan.expires.is_some());
    let counts = proxy.take_counts();
    assert_eq!(counts.values().sum::<usize>(), 4, "{counts:?}");

    // Found without a receipt, and taken away with two calls for each thing.
    let found = bench.aws().deployments().await.expect("deployments");
    let ours = found
        .iter()
        .find(|found| found.id == "0123456789ab")
        .expect("found by its tags");
    assert_eq!(
        (
            ours.deployment.as_str(),
            ours.owner.as_deref(),
            ours.nodes.len()
        ),
        ("demo", Some("me@box"), 4)
    );
    assert!(ours.created.is_some());
    bench.notes.0.lock().expect("notes").clear();
    proxy.take_calls();
    bench.takes_all_away().await;
    let counts = proxy.take_counts();
    let acting: usize = counts
        .iter()
        .filter(|(action, _)| !action.starts_with("Describe"))
        .map(|(_, n)| n)
        .sum();
    assert!(acting <= 2 * 10, "{counts:?}");
    assert!(
        bench
            .aws()
            .deployments()
            .await
            .expect("deployments")
            .is_empty()
    );
}

#[tokio::test]
async fn two_of_the_same_name_do_not_see_each_other() {
    let Some(moto) = Moto::shared() else { return };
    let proxy = Proxy::start(moto.port).await;
    let one = Bench::new(&proxy.url, "eu-west-1", "aaaaaaaaaaaa", &["vm1"]);
    let two = Bench::new(&proxy.url, "eu-west-1", "bbbbbbbbbbbb", &["vm1"]);
    let machines = (one.up().await.expect("one"), two.up().await.expect("two"));
    assert_ne!(machines.0["vm1"].id, machines.1["vm1"].id);
    one.takes_all_away().await;
    let plan = two.plan(&two.aws()).await.expect("plan");
    assert_eq!(
        words(&plan)
            .lines()
            .filter(|line| !line.starts_with("expires"))
            .collect::<Vec<_>>()
            .join("\n"),
        format!("runs: vm1 {}", machines.1["vm1"].id)
    );
    two.takes_all_away().await;
}

#[tokio::test]
async fn drift_is_seen_and_mended() {
    let Some(moto) = Moto::shared() else { return };
    let proxy = Proxy::start(moto.port).await;
    let mut bench = Bench::new(&proxy.url, "eu-west-2", "cccccccccccc", &["vm1", "vm2"]);
    let machines = bench.up().await.expect("up");
    let ec2 = client(&moto.url(), "eu-west-2");

    // A stopped machine is started, and has another public address then.
    ec2.stop_instances()
        .instance_ids(&machines["vm1"].id)
        .send()
        .await
        .expect("stop");
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    assert!(
        words(&plan).contains(&format!(
            "vm1: start {}, which is stopped (StartInstances)",
            machines["vm1"].id
        )),
        "{}",
        words(&plan)
    );
    let again = bench.up().await.expect("up");
    assert_eq!(again["vm1"].id, machines["vm1"].id);
    assert_ne!(again["vm1"].public, machines["vm1"].public);

    // Rules changed by hand.
    let group = ec2
        .describe_security_groups()
        .filters(deployer::cloud::aws::tags::filter(
            "tag:deployer:id",
            "cccccccccccc",
        ))
        .send()
        .await
        .expect("groups");
    let group = group.security_groups()[0]
        .group_id()
        .expect("id")
        .to_owned();
    let anybody = aws_sdk_ec2::types::IpPermission::builder()
        .ip_protocol("tcp")
        .from_port(5984)
        .to_port(5984)
        .ip_ranges(
            aws_sdk_ec2::types::IpRange::builder()
                .cidr_ip("0.0.0.0/0")
                .build(),
        )
        .build();
    ec2.authorize_security_group_ingress()
        .group_id(&group)
        .ip_permissions(anybody)
        .send()
        .await
        .expect("authorize");
    bench.settings.ssh_from = vec!["198.51.100.0/24".into()];
    bench.wanted.outside = [(
        "client9".to_owned(),
        "203.0.113.9".parse().expect("address"),
    )]
    .into();
    bench.wanted.outside_ports = [9092].into();
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    let text = words(&plan);
    assert!(
        text.contains("let in tcp 22 from 198.51.100.0/24, tcp 9092 from 203.0.113.9/32"),
        "{text}"
    );
    assert!(
        text.contains("let in no more tcp 22 from 192.0.2.1/32, tcp 5984 from 0.0.0.0/0"),
        "{text}"
    );
    bench.up().await.expect("up");
    bench.is_settled().await;

    // A machine deleted by hand is data that is gone.
    ec2.terminate_instances()
        .instance_ids(&machines["vm2"].id)
        .send()
        .await
        .expect("terminate");
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    assert_eq!(plan.lost, ["vm2".to_owned()].into());
    assert!(
        words(&plan).contains("LOSES vm2: its machine is gone, and all data it had"),
        "{}",
        words(&plan)
    );
    let again = bench.up().await.expect("up");
    assert_ne!(again["vm2"].id, machines["vm2"].id);

    // A node that nobody wants any more stays until it is asked to go.
    bench.wanted.machines.remove("vm2");
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    assert_eq!(
        (plan.steps.len(), plan.orphans),
        (0, ["vm2".to_owned()].into())
    );
    bench.wanted.prune = true;
    bench.up().await.expect("up");
    assert!(
        bench
            .plan(&bench.aws())
            .await
            .expect("plan")
            .orphans
            .is_empty()
    );
    bench.takes_all_away().await;
}

#[tokio::test]
async fn a_vpc_of_the_users_is_used_and_left_alone() {
    let Some(moto) = Moto::shared() else { return };
    let proxy = Proxy::start(moto.port).await;
    let mut bench = Bench::new(&proxy.url, "eu-west-3", "dddddddddddd", &["vm1"]);
    let ec2 = client(&moto.url(), "eu-west-3");
    open_vpc(&ec2).await;
    let subnets = ec2.describe_subnets().send().await.expect("subnets");
    // That of the first zone is private.
    let all = census::subnets(&ec2).await;
    let public =
        |one: &&aws_sdk_ec2::types::Subnet| one.subnet_id() == all.last().map(String::as_str);
    let subnet = subnets.subnets().iter().find(public).expect("a subnet");
    bench.settings.subnet = subnet.subnet_id().map(Into::into);
    let machines = bench.up().await.expect("up");
    let counts = proxy.take_counts();
    assert!(
        !counts.contains_key("CreateVpc") && !counts.contains_key("CreateSubnet"),
        "{counts:?}"
    );
    assert!(
        machines["vm1"]
            .networks
            .keys()
            .all(|name| name.ends_with(subnet.vpc_id().expect("vpc")))
    );
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    assert!(plan.steps.is_empty(), "{}", words(&plan));
    bench.takes_all_away().await;
    assert_eq!(
        ec2.describe_subnets()
            .send()
            .await
            .expect("subnets")
            .subnets()
            .len(),
        subnets.subnets().len()
    );
    bench.settings.subnet = Some("subnet-0000".into());
    let error = bench.up().await.expect_err("no such subnet").to_string();
    assert_eq!(
        error,
        "`subnet`: there is no subnet for subnet-0000 in this account and region"
    );
}

/// Our rules are not why this box, seen as `address`, reaches no machine: others may be.
async fn is_let_in(bench: &Bench, address: &str) {
    let why = bench.aws().why_no_ssh("eeeeeeeeeeee").await.expect("rules");
    let why = why.expect("a reason");
    let words = format!("the security group lets this box in as {address}: ");
    assert!(
        why.starts_with(&words) && why.contains("Block public access"),
        "{why}"
    );
}

#[tokio::test]
async fn the_address_of_this_box_is_let_in_and_can_change() {
    let Some(moto) = Moto::shared() else { return };
    let proxy = Proxy::start(moto.port).await;
    let mut bench = Bench::new(&proxy.url, "eu-north-1", "eeeeeeeeeeee", &["vm1"]);
    bench.settings.ssh_from.clear();
    bench.settings.address_url = says("192.0.2.7\n").await;
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    assert!(
        words(&plan).contains("tcp 22 from 192.0.2.7/32"),
        "{}",
        words(&plan)
    );
    bench.up().await.expect("up");
    is_let_in(&bench, "192.0.2.7").await;

    // Another day, another address: `up` does not ask, `allow` does.
    bench.settings.address_url = says("198.51.100.9").await;
    bench.is_settled().await;
    let why = bench
        .aws()
        .why_no_ssh("eeeeeeeeeeee")
        .await
        .expect("rules")
        .expect("a reason");
    assert!(
        why.starts_with(
            "this box is now seen as 198.51.100.9, and the security group does not let that in"
        ),
        "{why}"
    );
    let address = bench.aws().own_address().await.expect("an address");
    caller::allow(&bench.notes, address.expect("one")).expect("a note");
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    assert!(
        words(&plan).contains("let in tcp 22 from 198.51.100.9/32 ("),
        "{}",
        words(&plan)
    );
    bench.up().await.expect("up");
    is_let_in(&bench, "198.51.100.9").await;

    // Renewed, and seen by the next plan.
    let until = "2099-01-01T00:00:00Z".parse().expect("time");
    let step = bench
        .aws()
        .extend("eeeeeeeeeeee", Some(until))
        .await
        .expect("extend");
    bench
        .run(&bench.aws(), &[step], false)
        .await
        .expect("renewed");
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    assert_eq!((plan.steps.len(), plan.expires), (0, Some(until)));
    bench.takes_all_away().await;

    let bench = Bench {
        settings: deployer::cloud::aws::Settings {
            address_url: says("<html>").await,
            ..Default::default()
        },
        ..bench
    };
    bench.notes.0.lock().expect("notes").clear();
    let error = bench
        .plan(&bench.aws())
        .await
        .expect_err("no address")
        .to_string();
    assert!(
        error.ends_with("(the answer is no IPv4 address): set `ssh_from`"),
        "{error}"
    );
}

/// A service that answers every call with this text.
async fn says(text: &'static str) -> String {
    telling(&Arc::new(Mutex::new(text))).await
}

/// A service that answers every call with the text as it is then.
pub(crate) async fn telling(text: &Arc<Mutex<&'static str>>) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("address"));
    let text = text.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut question = [0; 1024];
            let _ = stream.read(&mut question).await;
            let text = *text.lock().expect("text");
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
                text.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}
