//! What the user may choose: processors, images, who may log in, how machines end, where they live. Seen in the calls as they
//! reach the service.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::InstanceStateName;
use base64_simd::STANDARD;
use deployer::cloud::aws::Settings;
use deployer::cloud::aws::settings::{Architecture, Image, OnTtl};
use deployer::machine::Access;

use super::bench::{Bench, settings};
use super::census::{client, open_vpc, subnets};
use super::honest::LOCAL;
use super::moto::Moto;
use super::proxy::Proxy;

/// Brings machines up and takes them away; the calls that made them, and how they are reached.
async fn made(
    region: &str,
    id: &str,
    nodes: &[&str],
    chosen: Settings,
    agents: &str,
) -> Option<(Vec<BTreeMap<String, String>>, BTreeMap<String, Access>)> {
    let moto = Moto::shared()?;
    let proxy = Proxy::start(moto.port).await;
    let mut bench = Bench::new(&proxy.url, region, id, nodes);
    bench.settings = chosen;
    bench.wanted.architecture = Some(agents.into());
    let machines = bench.up().await.expect("up");
    let launches = proxy
        .take_calls()
        .into_iter()
        .filter(|call| call.action == "RunInstances")
        .map(|call| call.parameters)
        .collect();
    bench.takes_all_away().await;
    let access = machines
        .into_iter()
        .map(|(node, machine)| (node, machine.access));
    Some((launches, access.collect()))
}

fn address(access: &Access) -> (&str, Option<&str>) {
    let Access::Ssh(ssh) = access else {
        panic!("{access:?}")
    };
    (&ssh.address, ssh.jump.as_deref())
}

#[tokio::test]
async fn arm_machines_get_an_image_and_a_type_of_their_own() {
    let chosen = Settings {
        architecture: Architecture::Arm,
        ..settings()
    };
    let Some((launches, _)) = made(
        "ap-south-1",
        "400000000000",
        &["vm1"],
        chosen.clone(),
        "aarch64",
    )
    .await
    else {
        return;
    };
    assert_eq!(launches[0]["InstanceType"], "t4g.small");
    assert_eq!(launches[0]["ImageId"], "ami-0noble0arm640001");

    // Without an agent for them nothing is made.
    let moto = Moto::shared().expect("moto");
    let proxy = Proxy::start(moto.port).await;
    let mut bench = Bench::new(&proxy.url, "ap-south-1", "400000000001", &["vm1"]);
    bench.settings = chosen;
    bench.wanted.architecture = Some("x86_64".into());
    let error = bench.up().await.expect_err("no agent").to_string();
    assert_eq!(
        error,
        "the agent binaries are for x86_64, `architecture` says arm64: `deployer build-agents --target aarch64` builds them where `up` finds them"
    );
    let counts = proxy.take_counts();
    assert!(
        counts.keys().all(|name| name.starts_with("Describe")),
        "{counts:?}"
    );
}

#[tokio::test]
async fn debian_is_found_by_its_owner_and_has_its_own_login() {
    let chosen = Settings {
        image: Image {
            owner: "136693071363".into(),
            pattern: "debian-12-{arch}-*".into(),
            user: "admin".into(),
            ..Image::default()
        },
        ..settings()
    };
    let Some((launches, access)) =
        made("ap-south-2", "400000000002", &["vm1"], chosen, "x86_64").await
    else {
        return;
    };
    assert_eq!(launches[0]["ImageId"], "ami-0bookworm0000001");
    // Its root device has another name than Ubuntu's: the disk that is sized and encrypted must be that one.
    assert_eq!(launches[0]["BlockDeviceMapping.1.DeviceName"], "/dev/xvda");
    let Access::Ssh(ssh) = &access["vm1"] else {
        panic!("{access:?}")
    };
    assert_eq!(ssh.user.as_deref(), Some("admin"));
}

#[tokio::test]
async fn without_public_addresses_all_but_the_bastion_are_inside() {
    let chosen = Settings {
        public_ip: false,
        bastion: Some("vm1".into()),
        ..settings()
    };
    let Some((launches, access)) = made(
        "ap-southeast-1",
        "400000000003",
        &["vm1", "vm2"],
        chosen.clone(),
        "x86_64",
    )
    .await
    else {
        return;
    };
    for launch in &launches {
        let bastion = launch.values().any(|value| value == "vm1");
        assert_eq!(
            launch["NetworkInterface.1.AssociatePublicIpAddress"],
            bastion.to_string(),
            "{launch:#?}"
        );
    }
    let (outer, none) = address(&access["vm1"]);
    assert!(outer.starts_with("10.126.") && none.is_none(), "{access:?}");
    let (inner, jump) = address(&access["vm2"]);
    assert!(
        inner.starts_with("10.77.") && jump == Some("vm1"),
        "{access:?}"
    );

    // They have no way to packages from a VPC of ours: the user is told before they are made.
    let moto = Moto::shared().expect("moto");
    let proxy = Proxy::start(moto.port).await;
    let mut bench = Bench::new(
        &proxy.url,
        "ap-southeast-1",
        "400000000004",
        &["vm1", "vm2"],
    );
    bench.settings = chosen;
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    let told = |remark: &String| remark.contains("reach no package mirror from a VPC of our own");
    assert!(plan.remarks.iter().any(told), "{:?}", plan.remarks);
}

#[tokio::test]
async fn people_who_may_log_in_and_how_machines_end() {
    let other =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl you";
    let chosen = Settings {
        ssh_keys: vec![other.into()],
        on_ttl: OnTtl::Terminate,
        tags: BTreeMap::from([("team".to_owned(), "streams".to_owned())]),
        ..settings()
    };
    let Some((launches, _)) =
        made("ap-southeast-2", "400000000005", &["vm1"], chosen, "x86_64").await
    else {
        return;
    };
    let launch = &launches[0];
    assert_eq!(launch["InstanceInitiatedShutdownBehavior"], "terminate");
    let text = STANDARD
        .decode_to_vec(launch["UserData"].as_bytes())
        .expect("base64");
    let text = String::from_utf8(text).expect("text");
    assert!(text.contains(&format!("- {other}\n")), "{text}");
    for thing in ["instance", "volume", "network-interface"] {
        let number = launch
            .iter()
            .find(|(key, value)| key.ends_with(".ResourceType") && *value == thing)
            .map(|(key, _)| key.trim_end_matches("ResourceType").to_owned())
            .expect("tagged");
        let has = |wanted: &str| {
            launch
                .iter()
                .any(|(key, value)| key.starts_with(&number) && value == wanted)
        };
        assert!(has("team") && has("streams"), "{thing}: {launch:#?}");
    }
}

#[tokio::test]
async fn a_vpc_of_the_users_gets_machines_and_keeps_everything_else() {
    let Some(moto) = Moto::shared() else { return };
    let proxy = Proxy::start(moto.port).await;
    let mut bench = Bench::new(&proxy.url, "ap-northeast-1", "400000000006", &["vm1"]);
    let by_hand = client(&moto.url(), "ap-northeast-1");
    let vpc = open_vpc(&by_hand).await;
    bench.settings.vpc = Some(vpc.clone());
    let machines = bench.up().await.expect("up");
    let network = format!("aws {vpc}");
    assert!(
        machines["vm1"].networks.contains_key(&network),
        "{machines:?}"
    );
    let made: Vec<String> = proxy
        .take_counts()
        .into_keys()
        .filter(|name| !name.starts_with("Describe"))
        .collect();
    assert_eq!(
        made,
        [
            "AuthorizeSecurityGroupIngress",
            "CreateSecurityGroup",
            "GetProducts",
            "GetServiceQuota",
            "ImportKeyPair",
            "RunInstances"
        ]
    );
    bench.takes_all_away().await;
    let gone: Vec<String> = proxy
        .take_counts()
        .into_keys()
        .filter(|name| !name.starts_with("Describe"))
        .collect();
    assert!(
        gone.iter().all(|name| [
            "DeleteKeyPair",
            "DeleteSecurityGroup",
            "RevokeSecurityGroupIngress",
            "TerminateInstances"
        ]
        .contains(&name.as_str())),
        "{gone:?}"
    );
    let seen = by_hand
        .describe_instances()
        .send()
        .await
        .expect("instances");
    let states = seen
        .reservations()
        .iter()
        .flat_map(aws_sdk_ec2::types::Reservation::instances);
    let mut states = states.filter_map(|instance| instance.state()?.name());
    assert!(states.all(|state| *state == InstanceStateName::Terminated));
}

#[tokio::test]
async fn public_machines_are_made_where_they_are_reached() {
    let Some(moto) = Moto::shared() else { return };
    let region = "ap-northeast-2";
    let proxy = Proxy::start(moto.port).await;
    let mut bench = Bench::new(&proxy.url, region, "400000000007", &["vm1", "vm2"]);
    let by_hand = client(&moto.url(), region);
    let vpc = open_vpc(&by_hand).await;
    let subnets = subnets(&by_hand).await;
    bench.settings.vpc = Some(vpc);
    bench.up().await.expect("up");
    let launches = proxy.take_calls().into_iter();
    let launches = launches.filter(|call| call.action == "RunInstances");
    for launch in launches {
        assert_eq!(launch.parameters["NetworkInterface.1.SubnetId"], subnets[1]);
    }
    bench.takes_all_away().await;

    bench.settings.subnet = Some(subnets[0].clone());
    let error = bench.up().await.expect_err("nobody reaches it").to_string();
    assert_eq!(
        error,
        format!(
            "`subnet`: no usable subnet of {} leads to an internet gateway, so that nobody would reach a machine's public address: \
             name a `subnet` whose route table leads 0.0.0.0/0 to one, or another `vpc`",
            subnets[0]
        )
    );
    // Without public addresses it will do; the bastion needs another one.
    bench.settings.public_ip = false;
    bench.settings.bastion = Some("vm1".into());
    let error = bench.up().await.expect_err("nor the bastion").to_string();
    assert!(error.starts_with("`subnet`: no usable subnet"), "{error}");
    bench.settings.subnet = None;
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    let told =
        |remark: &String| remark.contains("no package mirror from there, for no route table");
    assert!(plan.remarks.iter().any(told), "{:?}", plan.remarks);
    bench.up().await.expect("up");
    let launches = proxy.take_calls().into_iter();
    let launches = launches.filter(|call| call.action == "RunInstances");
    for launch in launches {
        let place = launch.parameters["NetworkInterface.1.SubnetId"].as_str();
        let bastion = launch.parameters["NetworkInterface.1.AssociatePublicIpAddress"] == "true";
        assert_eq!(place == subnets[0], !bastion);
    }
    bench.takes_all_away().await;
}

#[tokio::test]
async fn a_local_zone_is_used_only_by_name() {
    let Some(moto) = Moto::shared() else { return };
    let region = "af-south-1";
    let proxy = Proxy::start(moto.port).await;
    let mut bench = Bench::new(&proxy.url, region, "400000000008", &["vm1"]);
    let zone = async |bench: &Bench| {
        let plan = bench.plan(&bench.aws()).await.expect("plan");
        let steps = plan.steps.iter().map(|step| step.words.clone());
        steps
            .filter(|words| words.contains("subnet of 10.77.0.0/20"))
            .collect::<String>()
    };
    let first = zone(&bench).await;
    assert!(first.contains(" in af-south-1a "), "{first}");
    bench.settings.zones = vec![format!("{region}{LOCAL}")];
    let named = zone(&bench).await;
    assert!(named.contains(&format!(" in {region}{LOCAL} ")), "{named}");
}

/// Canonical has another account in each of AWS's partitions.
#[tokio::test]
async fn images_are_their_publishers_in_every_partition() {
    let Some(moto) = Moto::shared() else { return };
    for (region, owner) in [
        ("cn-north-1", "837727238323"),
        ("us-gov-west-1", "513442679011"),
        ("us-west-1", "099720109477"),
    ] {
        let proxy = Proxy::start(moto.port).await;
        let bench = Bench::new(&proxy.url, region, "400000000009", &["vm1"]);
        let plan = bench.plan(&bench.aws()).await;
        let calls = proxy.take_calls();
        let asked = calls.iter().find(|call| call.action == "DescribeImages");
        let asked = asked.unwrap_or_else(|| panic!("{region}: {plan:?}"));
        assert_eq!(asked.parameters["Owner.1"], owner, "{region}");
    }
}
