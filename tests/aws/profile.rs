//! Instance profiles of the user's: given to the machines that need one, looked at before anything is made.

use deployer::cloud::aws::permissions;
use deployer::machine::Profile;

use super::bench::{Bench, words};
use super::census::{census, client};
use super::desk::{Desk, says};
use super::iam::Iam;
use super::moto::Moto;
use super::proxy::Proxy;

const KEY: &str = "nodes.vm1.producer.bucket.instance_profile";

/// The machine of the first node should have this profile.
fn wants(bench: &mut Bench, profile: Option<&str>) {
    let machine = bench.wanted.machines.get_mut("vm1").expect("vm1");
    machine.profile = profile.map(|name| Profile {
        name: name.into(),
        key: KEY.into(),
    });
}

#[tokio::test]
async fn a_machine_that_needs_it_gets_the_users_profile_and_another_one_later() {
    let Some(moto) = Moto::shared() else {
        return;
    };
    let iam = Iam::new(moto.port);
    for name in ["reader-a", "reader-b"] {
        iam.profile(name).await;
    }
    let proxy = Proxy::start(moto.port).await;
    let mut bench = Bench::new(&proxy.url, "eu-west-3", "510000000000", &["vm1", "vm2"]);
    wants(&mut bench, Some("reader-a"));
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    let said = words(&plan);
    assert!(
        said.contains("and the instance profile reader-a (RunInstances)"),
        "{said}"
    );
    assert_eq!(said.matches("instance profile").count(), 1, "{said}");
    let machines = bench.up().await.expect("up");
    let calls = proxy.take_calls();
    let launches = calls.iter().filter(|call| call.action == "RunInstances");
    let given: Vec<_> = launches
        .filter_map(|call| call.parameters.get("IamInstanceProfile.Name"))
        .collect();
    assert_eq!(given, ["reader-a"]);
    bench.is_settled().await;

    let id = &machines["vm1"].id;
    wants(&mut bench, Some("reader-b"));
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    let said = words(&plan);
    let step = format!(
        "vm1: give {id} the instance profile reader-b in place of reader-a (ReplaceIamInstanceProfileAssociation)"
    );
    assert!(said.contains(&step), "{said}");
    bench.up().await.expect("up");
    bench.is_settled().await;

    // Nobody asks for one any more: whose it is, is not known, so that it stays.
    wants(&mut bench, None);
    bench.is_settled().await;

    // One that had none gets one without a new machine.
    let machine = bench.wanted.machines.get_mut("vm2").expect("vm2");
    machine.profile = Some(Profile {
        name: "reader-a".into(),
        key: KEY.into(),
    });
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    let said = words(&plan);
    assert!(
        said.contains("the instance profile reader-a (AssociateIamInstanceProfile)"),
        "{said}"
    );
    bench.up().await.expect("up");
    bench.is_settled().await;
    bench.takes_all_away().await;
}

#[tokio::test]
async fn one_that_cannot_be_given_is_refused_and_one_that_cannot_be_looked_at_is_said() {
    let Some(moto) = Moto::shared() else {
        return;
    };
    let iam = Iam::new(moto.port);
    iam.profile_without_role("empty").await;
    iam.profile("reader-c").await;
    let proxy = Proxy::start(moto.port).await;
    let mut bench = Bench::new(&proxy.url, "eu-west-3", "510000000001", &["vm1"]);
    for (name, problem) in [
        ("nobody", "the account has no instance profile nobody"),
        ("empty", "the instance profile empty has no role"),
    ] {
        wants(&mut bench, Some(name));
        let error = bench.plan(&bench.aws()).await.expect_err(name).to_string();
        assert!(error.starts_with(&format!("{KEY}: {problem}")), "{error}");
        let findings = bench.aws().check(&bench.wanted).await.expect("check");
        let what = format!("instance profile {name}");
        let found = findings.iter().find(|finding| finding.what == what);
        let found = found.and_then(|finding| finding.problem.as_deref());
        assert!(found.is_some_and(|found| found.starts_with(problem)));
    }
    wants(&mut bench, Some("reader-c"));
    proxy.refuse("GetInstanceProfile", 1, 403, "AccessDenied");
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    let said = plan.remarks.join("\n");
    assert!(
        said.contains("reader-c: these credentials may not look at it (`iam:GetInstanceProfile`)"),
        "{said}"
    );
    let findings = bench.aws().check(&bench.wanted).await.expect("check");
    let good = findings
        .iter()
        .any(|finding| finding.what == "instance profile reader-c" && finding.problem.is_none());
    assert!(good, "{findings:?}");
    let made = proxy
        .take_calls()
        .into_iter()
        .filter(|call| call.action == "RunInstances" && !call.parameters.contains_key("DryRun"));
    assert_eq!(made.count(), 0);
}

#[tokio::test]
async fn what_the_guide_allows_for_profiles_is_enough_and_not_too_much() {
    let Some(moto) = Moto::start(None, &[]) else {
        return;
    };
    let iam = Iam::new(moto.port);
    for name in ["reader-a", "reader-b"] {
        iam.profile(name).await;
    }
    let all: Vec<&str> = permissions::actions()
        .chain(permissions::profile_actions())
        .collect();
    let enough = iam.user("enough", &all).await;
    let mut lacking = Vec::new();
    for action in permissions::profile_actions() {
        let rest: Vec<&str> = all.iter().copied().filter(|one| *one != action).collect();
        lacking.push((action, iam.user(&action.replace(':', "-"), &rest).await));
    }
    iam.enforce().await;
    let proxy = Proxy::start(moto.port).await;
    let users = [("all", enough)].into_iter().chain(lacking);
    for (number, (action, (key, secret))) in users.enumerate() {
        let id = format!("51000000010{number}");
        let mut bench = Bench::new(&proxy.url, "us-east-1", &id, &["vm1"]);
        let aws = bench.aws_as(&key, &secret);
        let mut told = Vec::new();
        // One that had none, and then another.
        for name in [None, Some("reader-a"), Some("reader-b")] {
            wants(&mut bench, name);
            match bench.plan(&aws).await {
                Ok(plan) => {
                    told.extend(plan.remarks.clone());
                    let done = bench.run(&aws, &plan.steps, false).await;
                    told.extend(done.err().map(|error| error.to_string()));
                }
                Err(error) => told.push(error.to_string()),
            }
        }
        let told = told.join("\n");
        let names = told.contains(&format!("`{action}`"));
        // moto does not ask who may pass a role.
        let is_told = !matches!(action, "all" | "iam:PassRole");
        assert_eq!(names, is_told, "{action}: {told}");
        assert_eq!(
            told.contains("must allow"),
            is_told && action != "iam:GetInstanceProfile",
            "{action}: {told}"
        );
    }
}

#[test]
fn the_guide_has_the_policy_for_profiles() {
    let page = deployer::guide::page("bucket").expect("the page").text();
    let shown: Vec<serde_json::Value> = page
        .split("```json\n")
        .skip(1)
        .map(|rest| {
            let (text, _) = rest.split_once("```").expect("its end");
            serde_json::from_str(text).expect("JSON")
        })
        .collect();
    let policy = permissions::profile_policy();
    assert!(
        shown.contains(&policy),
        "the page has another policy: {policy}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_of_a_profile_that_is_not_there_is_told_and_nothing_is_made() {
    let Some(moto) = Moto::shared() else {
        return;
    };
    let region = "eu-south-1";
    let ec2 = client(&moto.url(), region);
    let there = census(&ec2).await;
    let desk = Desk::new();
    let inventory = format!(
        "\
name: role
cloud: aws
nodes:
  vm1:
    roles: [zookeeper, kafka, producer]
    producer:
      source: bucket
      count: 0
      topic: logs
      bucket: {{ name: my-logs, region: {region}, instance_profile: nobody-here }}
kafka: {{ replication: 1 }}
clouds:
  aws: {{ region: {region}, endpoint_url: '{}', ssh_from: [192.0.2.1] }}
",
        moto.url()
    );
    let file = desk.write("role.yaml", &inventory);
    let said = desk.run(64, &["plan", "--inventory", &file]);
    says(
        &said,
        &[
            "role.yaml:10:",
            "bucket.instance_profile: the account has no instance profile nobody-here",
        ],
    );
    assert_eq!(census(&ec2).await, there);

    // What its producer is told: no keys lie beside it.
    let rendered = desk.path("rendered");
    desk.run(0, &["render", &rendered, "--inventory", &file]);
    let place = format!("{rendered}/vm1/etc/deployer/role/producer");
    let told = std::fs::read_to_string(format!("{place}/producer.toml")).expect("it is there");
    assert!(told.contains("\ninstance_profile = true\n"), "{told}");
    assert!(!told.contains("credentials_file"), "{told}");
    assert!(!std::path::Path::new(&format!("{place}/bucket.keys")).exists());

    let elsewhere = desk.write(
        "elsewhere.yaml",
        &inventory.replace("cloud: aws", "cloud: local"),
    );
    let said = desk.run(64, &["plan", "--inventory", &elsewhere]);
    says(
        &said,
        &[
            "elsewhere.yaml:10:",
            "vm1 has a machine of local, where there are no instance profiles; write `credentials_file: PATH`",
        ],
    );
}
