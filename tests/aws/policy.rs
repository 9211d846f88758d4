//! The least policy: it is enough, and with one action less the error names that action.
//!
//! moto knows no conditions on tags of resources, so they are left out of its policy: what they forbid is not tested but for what
//! `honest.rs` adds.

use deployer::cloud::Cloud as _;
use deployer::cloud::aws::permissions;
use serde_json::Value;

use super::bench::Bench;
use super::iam::Iam;
use super::moto::Moto;
use super::proxy::Proxy;

/// Needed only for what moto never lets happen: a disk or an interface that outlives its machine, a route that was bent
/// by hand.
const RARE: [&str; 4] = [
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteVolume",
    "ec2:DetachNetworkInterface",
    "ec2:ReplaceRoute",
];

/// A whole life: made, stopped and started by hand, a rule changed, taken away.
async fn life(
    url: &str,
    direct: &str,
    id: &str,
    (key, secret): &(String, String),
    root: &(String, String),
) -> Result<(), String> {
    let mut bench = Bench::new(url, "us-east-1", id, &["vm1"]);
    let aws = bench.aws_as(key, secret);
    let text = |error: deployer::cloud::CloudError| error.to_string();
    let machines = bench.up_with(&aws).await.map_err(text)?;
    let config = super::bench::config("us-east-1", &root.0, &root.1);
    let by_hand = aws_sdk_ec2::Client::from_conf(
        aws_sdk_ec2::config::Builder::from(&config)
            .endpoint_url(direct)
            .build(),
    );
    by_hand
        .stop_instances()
        .instance_ids(&machines["vm1"].id)
        .send()
        .await
        .expect("stop");
    ways_out_by_hand(&by_hand, id).await;
    bench.settings.ssh_from = vec!["198.51.100.1".into()];
    bench.settings.ttl = "48h".to_owned().try_into().expect("ttl");
    let aws = bench.aws_as(key, secret);
    bench.up_with(&aws).await.map_err(text)?;
    let plan = aws.plan(&bench.want(true)).await.map_err(text)?;
    bench.run(&aws, &plan.steps, true).await.map_err(text)?;
    assert_eq!(aws.leftovers(id).await.map_err(text)?, Vec::<String>::new());
    Ok(())
}

/// Exchanges the way out for another.
async fn ways_out_by_hand(ec2: &aws_sdk_ec2::Client, id: &str) {
    let ours = deployer::cloud::aws::tags::filter("tag:deployer:id", id);
    let groups = ec2.describe_security_groups().filters(ours).send().await;
    let groups = groups.expect("groups");
    let group = groups.security_groups()[0].group_id().expect("id");
    let revoked = ec2.revoke_security_group_egress().group_id(group);
    let everything = deployer::cloud::aws::rules::Rule::everywhere().permission(group);
    revoked
        .ip_permissions(everything)
        .send()
        .await
        .expect("revoke");
    let web =
        deployer::cloud::aws::rules::Rule::tcp(443, "198.51.100.0/24".parse().expect("range"));
    let added = ec2.authorize_security_group_egress().group_id(group);
    added
        .ip_permissions(web.permission(group))
        .send()
        .await
        .expect("authorize");
}

#[tokio::test]
async fn the_least_policy_is_enough_and_not_too_much() {
    let Some(moto) = Moto::start(None, &[]) else {
        return;
    };
    let iam = Iam::new(moto.port);
    let all: Vec<&str> = permissions::actions().collect();
    let enough = iam.user("enough", &all).await;
    let root = iam.user("root", &["*"]).await;
    let mut lacking = Vec::new();
    for action in &all {
        let rest: Vec<&str> = all
            .iter()
            .copied()
            .filter(|other| other != action)
            .collect();
        lacking.push((*action, iam.user(&action.replace(':', "-"), &rest).await));
    }
    let direct = moto.url();
    let proxy = Proxy::start(moto.port).await;
    proxy.no_guests();
    let url = proxy.url.clone();
    iam.enforce().await;

    life(&url, &direct, "200000000000", &enough, &root)
        .await
        .expect("the policy is enough");
    // `check` finds what is missing of it without making anything.
    let bench = Bench::new(&url, "us-east-1", "200000000000", &["vm1"]);
    let bad = async |key: &(String, String)| {
        let findings = bench
            .aws_as(&key.0, &key.1)
            .check(&bench.wanted)
            .await
            .expect("check");
        assert_eq!(findings[0].what, "account 123456789012, region us-east-1");
        findings
            .into_iter()
            .filter(|finding| finding.problem.is_some())
            .map(|finding| finding.what)
            .collect::<Vec<_>>()
    };
    assert_eq!(bad(&enough).await, Vec::<String>::new());
    for (action, key) in lacking
        .iter()
        .filter(|(action, _)| action.starts_with("ec2:Run") || *action == "ec2:CreateVpc")
    {
        assert_eq!(bad(key).await, [format!("permission {action}")]);
    }
    let made = bench
        .aws_as(&enough.0, &enough.1)
        .deployments()
        .await
        .expect("deployments");
    assert_eq!(made, []);
    for (n, (action, key)) in lacking.iter().enumerate() {
        let result = life(&url, &direct, &format!("2000000001{n:02}"), key, &root).await;
        match result {
            Err(error) => {
                assert!(!RARE.contains(action), "{action} is not rare: {error}");
                assert!(
                    error.contains(&format!("must allow `{action}`")),
                    "without {action}: {error}"
                );
            }
            Ok(()) => assert!(RARE.contains(action), "{action} is not needed"),
        }
    }
}

#[test]
fn the_guide_has_the_policy() {
    let policy = permissions::policy();
    let sids: Vec<&Value> = policy["Statement"]
        .as_array()
        .expect("statements")
        .iter()
        .map(|one| &one["Sid"])
        .collect();
    assert_eq!(
        sids,
        [
            "LookAndMake",
            "TagWhatIsMade",
            "ChangeOnlyOurs",
            "AskForQuotaAndPrices"
        ]
    );
    let change = &policy["Statement"][2];
    assert_eq!(
        change["Condition"]["Null"]["aws:ResourceTag/deployer:id"],
        "false"
    );
    insta::assert_snapshot!(serde_json::to_string_pretty(&policy).expect("json"));
    let page = deployer::guide::page("aws").expect("the page").text();
    let (_, rest) = page.split_once("```json\n").expect("the page has JSON");
    let (text, _) = rest.split_once("```").expect("its end");
    let shown: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(shown, policy, "the page has another policy");
}
