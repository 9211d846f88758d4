//! Input that cannot work, by the binary as a user calls it: each is refused in words before anything that costs money is made.

use std::fmt::Write as _;

use super::bench::USER_KEY;
use super::census::{census, client, open_vpc};
use super::desk::{Desk, says};
use super::moto::Moto;
use super::proxy::Proxy;

const REGION: &str = "us-east-1";

/// A deployment of machines without roles.
fn inventory(url: &str, count: u32, more: &str) -> String {
    format!(
        "\
name: bad
cloud: aws
nodes: {{ vm: {{ count: {count}, roles: [] }} }}
clouds:
  aws: {{ endpoint_url: '{url}', ssh_from: [192.0.2.1]{more} }}
"
    )
}

/// Many keys of colleagues with long names.
fn keys() -> String {
    let mut keys = String::new();
    for number in 0..60 {
        let _ = write!(keys, "'{USER_KEY}-{number}{}', ", "x".repeat(200));
    }
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_are_refused_before_anything_is_made() {
    let Some(moto) = Moto::start(None, &[]) else {
        return;
    };
    let proxy = Proxy::start(moto.port).await;
    let ec2 = client(&moto.url(), REGION);
    let subnet = ec2
        .create_subnet()
        .vpc_id(open_vpc(&ec2).await)
        .cidr_block("172.31.255.240/28")
        .availability_zone(format!("{REGION}a"))
        .send()
        .await
        .expect("a small subnet");
    let subnet = subnet.subnet().and_then(|one| one.subnet_id());
    let subnet = subnet.expect("its id");
    let there = census(&ec2).await;
    let cases: [(&str, u32, String, &[&str]); 12] = [
        (
            "a region that is none",
            1,
            ", region: Frankfurt".into(),
            &["`Frankfurt` is not a region such as `eu-central-1`"],
        ),
        (
            "a zone of another region",
            1,
            format!(", region: {REGION}, zones: [eu-central-1a]"),
            &["`eu-central-1a` is not in the region `us-east-1`"],
        ),
        (
            "an image that is not there",
            1,
            format!(", region: {REGION}, image: {{ id: ami-0123456789abcdef0 }}"),
            &["`image`: there is no image ami-0123456789abcdef0 in this region"],
        ),
        (
            "a name that no image has",
            1,
            format!(", region: {REGION}, image: {{ pattern: 'plan9-{{arch}}-*' }}"),
            &["`image`: the account 099720109477 has no image `plan9-amd64-*`"],
        ),
        (
            "a type that nobody offers",
            1,
            format!(", region: {REGION}, instance_type: t3.enormous"),
            &["t3.enormous is not offered in any usable zone, in no zone of this region"],
        ),
        (
            "a type that this zone has not",
            1,
            format!(", region: {REGION}, zones: [us-east-1e]"),
            &["t3.small is not offered in us-east-1e, but in us-east-1a"],
        ),
        (
            "more nodes than addresses of our own",
            12,
            format!(", region: {REGION}, cidr: 10.77.0.0/24"),
            &["12 nodes do not fit into 10.77.0.0/28, which has room for 11"],
        ),
        (
            "more nodes than addresses of theirs",
            12,
            format!(", region: {REGION}, subnet: {subnet}"),
            &[
                "`subnet`: 12 machines are to be made",
                "has 11 free addresses",
            ],
        ),
        (
            "a range that hides a host outside",
            1,
            format!(
                ", region: {REGION} }}\n  existing: {{ hosts: {{ laptop: {{ address: 10.77.3.9, public_address: 10.77.3.9 }} }}"
            ),
            &[
                "`cidr`: laptop has the address 10.77.3.9 outside AWS",
                "choose another `cidr`",
            ],
        ),
        (
            "user data that is too long",
            1,
            format!(", region: {REGION}, ssh_keys: [{}]", keys()),
            &[
                "its user data has",
                "the cloud takes 16384: name fewer `ssh_keys`",
            ],
        ),
        (
            "characters that tags do not take",
            1,
            format!(", region: {REGION}, tags: {{ owner: 'a;b' }}"),
            &["`owner`: the character `;` is not allowed"],
        ),
        (
            "a key that is not theirs",
            1,
            format!(", region: {REGION}, tags: {{ 'deployer:id': mine }}"),
            &["`deployer:id` is not yours to set"],
        ),
    ];
    for (what, count, more, words) in &cases {
        let desk = Desk::new();
        let mut text = inventory(&proxy.url, *count, more);
        if more.contains("laptop") {
            text = text.replace(
                "nodes: { ",
                "nodes: { laptop: { cloud: existing, roles: [] }, ",
            );
        }
        let file = desk.write("inventory.yaml", &text);
        let said = desk.fails(&["up", "--yes", "--inventory", &file]);
        says(&said, words);
        assert_eq!(census(&ec2).await, there, "{what}: {said}");
        let counts = proxy.take_counts();
        assert!(
            counts.keys().all(|call| call.starts_with("Describe")),
            "{what}: {counts:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_will_not_do_are_named() {
    let Some(moto) = Moto::start(None, &[]) else {
        return;
    };
    let proxy = Proxy::start(moto.port).await;
    let region = "ap-south-2";
    let ec2 = client(&moto.url(), region);
    let there = census(&ec2).await;
    let mut desk = Desk::new();
    let more = format!(", region: {region}");
    let file = desk.write("inventory.yaml", &inventory(&proxy.url, 1, &more));
    let up = ["up", "--yes", "--inventory", &file];
    for (code, words) in [
        ("ExpiredToken", "the credentials have expired: log in again"),
        ("RequestExpired", "this box's clock is right"),
        (
            "AuthFailure",
            "the credentials are not valid in this region",
        ),
        ("OptInRequired", "not yet signed up for EC2 in this region"),
    ] {
        proxy.refuse("DescribeInstances", 1, 400, code);
        says(&desk.fails(&up), &[words]);
    }
    let counts = proxy.take_counts();
    assert!(
        counts.keys().all(|call| call.starts_with("Describe")),
        "{counts:?}"
    );
    // A region that is not there has no service; here nobody listens.
    let text = inventory("http://127.0.0.1:1", 1, ", region: eu-nowhere-1");
    let lost = desk.write("lost.yaml", &text);
    says(
        &desk.fails(&["plan", "--inventory", &lost]),
        &[
            "the service does not answer: ",
            "Connection refused",
            "is the region's name right",
        ],
    );
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        desk.set(name, "");
    }
    says(
        &desk.fails(&up),
        &[
            "there are no AWS credentials",
            "log in with `aws login`, `aws sso login` or `aws configure`",
        ],
    );
    // A profile that `aws login` wrote is read: what is missing is the session, not a way to use it.
    let profile = "[default]\nlogin_session = arn:aws:iam::123456789012:user/me\n";
    let profile = desk.write("profile", profile);
    desk.set("AWS_CONFIG_FILE", &profile);
    let said = desk.fails(&up);
    says(&said, &["there are no AWS credentials", "`aws login`"]);
    assert!(!said.contains("feature"), "{said}");
    desk.set("AWS_CONFIG_FILE", &desk.path("none"));
    // Without a section there is no region either.
    let text = "name: bad\ncloud: aws\nnodes: { vm1: { roles: [] } }\n";
    let file = desk.write("inventory.yaml", text);
    says(
        &desk.fails(&["up", "--yes", "--inventory", &file]),
        &["there is no AWS region: set `region` in the inventory's section for AWS, or AWS_REGION"],
    );
    assert_eq!(census(&ec2).await, there);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_aws_leave_no_machine() {
    let Some(moto) = Moto::start(None, &[]) else {
        return;
    };
    let proxy = Proxy::start(moto.port).await;
    let region = "ca-west-1";
    let ec2 = client(&moto.url(), region);
    let there = census(&ec2).await;
    for (call, code, words) in [
        (
            "CreateVpc",
            "VpcLimitExceeded",
            "delete a VPC, or name one of yours with `vpc`",
        ),
        (
            "CreateSubnet",
            "InvalidSubnet.Conflict",
            "choose another `cidr`",
        ),
        (
            "RunInstances",
            "VcpuLimitExceeded",
            "ask for a higher quota",
        ),
    ] {
        let desk = Desk::new();
        let more = format!(", region: {region}");
        let file = desk.write("inventory.yaml", &inventory(&proxy.url, 2, &more));
        proxy.refuse(call, 2, 400, code);
        says(
            &desk.fails(&["up", "--yes", "--inventory", &file]),
            &[call, words],
        );
        assert!(machines(&ec2).await.is_empty(), "{code}");
        proxy.spare_all();
        says(&desk.run(0, &["teardown", "--yes"]), &["nothing is left"]);
        assert_eq!(census(&ec2).await, there, "{code}");
    }

    // Names hold the deployment's id, which its first, refused `up` has noted.
    let desk = Desk::new();
    let more = format!(", region: {region}");
    let file = desk.write("inventory.yaml", &inventory(&proxy.url, 1, &more));
    proxy.refuse("CreateVpc", 1, 400, "VpcLimitExceeded");
    desk.fails(&["up", "--yes", "--inventory", &file]);
    let name = format!("deployer-{}", desk.id());
    ec2.import_key_pair()
        .key_name(&name)
        .public_key_material(aws_sdk_ec2::primitives::Blob::new(USER_KEY))
        .send()
        .await
        .expect("somebody's key");
    says(
        &desk.fails(&["up", "--yes", "--inventory", &file]),
        &[&format!(
            "the key pair `{name}` is somebody else's: it lacks our tag"
        )],
    );
    assert!(machines(&ec2).await.is_empty());
    says(&desk.run(0, &["teardown", "--yes"]), &["nothing is left"]);
    let mut with_theirs = there.clone();
    with_theirs.insert(name);
    assert_eq!(census(&ec2).await, with_theirs);
}

async fn machines(ec2: &aws_sdk_ec2::Client) -> Vec<String> {
    let all = census(ec2).await;
    all.into_iter().filter(|id| id.starts_with("i-")).collect()
}
