//! Several deployments and other people's things in one account, by the binary: what is not ours is never touched, and what is
//! ours is found without its receipt.

use super::census::{census, client};
use super::desk::says;
use super::proxy::Proxy;
use super::stage;

#[tokio::test(flavor = "multi_thread")]
async fn two_of_the_same_name_and_things_of_others() {
    let Some(moto) = stage::moto() else { return };
    let (region, url) = ("ap-southeast-3", moto.url());
    let proxy = Proxy::start(moto.port).await;
    let ec2 = client(&url, region);
    // Somebody else's VPC of the same range, with a machine, and with tags that only look like ours.
    let vpc = ec2.create_vpc().cidr_block("10.77.0.0/16").send().await;
    let vpc = vpc
        .expect("VPC")
        .vpc
        .and_then(|vpc| vpc.vpc_id)
        .expect("id");
    let subnet = ec2.create_subnet().vpc_id(&vpc).cidr_block("10.77.0.0/20");
    let subnet = subnet.send().await.expect("subnet").subnet;
    let subnet = subnet.and_then(|subnet| subnet.subnet_id).expect("id");
    let name = aws_sdk_ec2::types::Tag::builder()
        .key("deployer:deployment")
        .value("staged")
        .build();
    let machine = ec2
        .run_instances()
        .image_id("ami-0noble0amd640002")
        .min_count(1)
        .max_count(1)
        .subnet_id(&subnet)
        .send()
        .await
        .expect("a machine");
    let machine = machine.instances()[0].instance_id().expect("id");
    ec2.create_tags()
        .resources(machine)
        .resources(&vpc)
        .tags(name)
        .send()
        .await
        .expect("tags");
    let others = census(&ec2).await;

    let (one, two) = (stage::desk(), stage::desk());
    let text = stage::inventory(&proxy.url, region, "");
    let file = one.write("inventory.yaml", &text);
    let other = two.write("inventory.yaml", &text);
    one.run(0, &["up", "--yes", "--inventory", &file]);
    let with_one = census(&ec2).await;
    two.run(0, &["up", "--yes", "--inventory", &other]);
    let with_both = census(&ec2).await;
    let (first, second) = (one.id(), two.id());
    assert_ne!(first, second);
    let list = ["list", "--cloud", "aws", "--inventory", &file];
    let said = one.run(0, &list);
    says(&said, &[&first, &second]);
    assert_eq!(said.matches("vm1, vm2").count(), 2, "{said}");

    // An id that nobody has takes nothing away.
    let wrong = [
        "teardown",
        "--yes",
        "--id",
        "000000000000",
        "--cloud",
        "aws",
    ];
    let wrong: Vec<&str> = wrong.into_iter().chain(["--inventory", &file]).collect();
    says(&one.run(64, &wrong), &["has the id 000000000000"]);
    assert_eq!(census(&ec2).await, with_both);

    // One goes: what is left is the other one, and what was there before.
    one.run(0, &["teardown", "--yes"]);
    let left = census(&ec2).await;
    let of_two: Vec<&String> = with_both.difference(&with_one).collect();
    assert_eq!(
        left.iter().collect::<Vec<_>>(),
        others
            .iter()
            .chain(of_two)
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
    let said = two.run(0, &["up", "--yes", "--inventory", &other]);
    says(&said, &["vm1", "vm2"]);
    assert_eq!(census(&ec2).await, left, "the other one was whole");

    // The receipt of the other one is lost: the list tells its id.
    std::fs::rename(two.path("state"), two.path("lost")).expect("a lost receipt");
    let list = ["list", "--cloud", "aws", "--inventory", &other];
    says(&two.run(0, &list), &["staged", &second, "vm1, vm2"]);
    let away = ["teardown", "--yes", "--id", &second, "--cloud", "aws"];
    let away: Vec<&str> = away.into_iter().chain(["--inventory", &other]).collect();
    says(&two.run(0, &away), &["nothing is left"]);
    assert_eq!(census(&ec2).await, others);
    assert!(!two.run(0, &list).contains("staged"));
}
