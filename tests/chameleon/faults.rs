//! What goes wrong at a site, in words that say what to do; and nothing is left after a teardown.

use std::time::Duration;

use deployer::cloud::chameleon::{Chameleon, Settings};
use deployer::cloud::wait::Pace;
use deployer::cloud::{Cloud as _, CloudError};
use deployer::secret::Secret;

use super::bench::{Deployment, words};
use super::kills::behind;
use super::openstack::{OpenStack, pace, settings};
use super::proxy::{Fault, Proxy};

#[track_caller]
pub(crate) fn says(error: &CloudError, words: &[&str]) {
    let said = error.to_string();
    for words in words {
        assert!(said.contains(words), "`{words}` is missing: {said}");
    }
}

pub(crate) async fn nothing_is_left(demo: &Deployment, cloud: &Chameleon) {
    let left = demo.teardown(cloud).await.expect("teardown");
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn a_site_that_refuses_says_why_and_what_to_do() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let demo = Deployment::new("c00000000001", &["vm1"]);
    for (status, words, advice) in [
        (500, "Not enough hosts available", "try a smaller `flavor`"),
        (500, "Internal Server Error", "`Unrestricted` checked"),
        (403, "Quota exceeded", "the project has no more"),
        (400, "Lease duration is too long", "a shorter `lease`"),
        (
            400,
            "End date must be later than current and start date",
            "this box's clock",
        ),
    ] {
        let proxy = Proxy::start().await;
        proxy.fault("POST", "/leases", 20, Fault::Refuse(status, words));
        let error = demo.up(&behind(openstack, &proxy)).await;
        says(&error.expect_err("no lease"), &[words, advice]);
    }
    nothing_is_left(&demo, &openstack.cloud("alice")).await;

    let proxy = Proxy::start().await;
    let empty = "No more IP addresses available on network";
    proxy.fault("POST", "/floatingips", 20, Fault::Refuse(409, empty));
    let none = "Not enough floating IPs available";
    proxy.fault("POST", "/leases", 20, Fault::Refuse(400, none));
    let error = demo.up(&behind(openstack, &proxy)).await;
    let error = error.expect_err("neither lease nor address");
    assert!(error.to_string().contains(none), "{error}");
    nothing_is_left(&demo, &openstack.cloud("alice")).await;
}

/// How leases are that live, as answers have it.
const ALL: &[&str] = &["\"PENDING\"", "\"STARTING\"", "\"ACTIVE\""];

#[tokio::test]
async fn a_lease_that_does_not_start_is_not_waited_for_for_ever() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let each = async |id: &'static str, stuck: &'static str| {
        let demo = Deployment::new(id, &["vm1"]);
        let proxy = Proxy::start().await;
        let hasty = || {
            let mut login = openstack.login("alice");
            login.auth_url = proxy.before(&login.auth_url);
            let (boot, gone) = (Duration::from_secs(3), Duration::from_secs(3));
            let pace = Pace {
                boot,
                gone,
                ..pace()
            };
            Chameleon::new(login, settings(), pace).expect("a client")
        };
        for path in ["/leases", "/leases/"] {
            proxy.fault("GET", path, u32::MAX, Fault::Replace(ALL, stuck));
        }
        // As it is made, and as `up` finds it there.
        for _ in 0..2 {
            let error = demo.up(&hasty()).await.expect_err("no lease");
            let still = format!("it is still {}", stuck.trim_matches('"'));
            let words = [
                "being active was not done within 3 s",
                &still,
                "goes on waiting",
            ];
            says(
                &error,
                &[&words[..], &["`deployer teardown`", "help desk"]].concat(),
            );
        }
        if stuck.contains("STARTING") {
            let busy = Fault::Refuse(500, "Invalid lease status.");
            proxy.fault("DELETE", "/leases/", u32::MAX, busy);
            let error = demo.teardown(&hasty()).await.expect_err("not deleted");
            says(&error, &["deleting the lease", "tries again", "help desk"]);
        }
        proxy.heal();
        demo.up(&behind(openstack, &proxy)).await.expect("up");
        let found = openstack.cloud("bob").deployments().await.expect("list");
        let ours = found.iter().find(|found| found.id == id);
        let things = &ours.expect("it is listed").things;
        let leases = things.iter().filter(|thing| thing.starts_with("lease"));
        assert_eq!(leases.count(), 2, "{things:?}");
        nothing_is_left(&demo, &openstack.cloud("alice")).await;
    };
    tokio::join!(
        each("c00000000007", "\"PENDING\""),
        each("c00000000008", "\"STARTING\"")
    );
}

#[tokio::test]
async fn lost_answers_and_an_expired_token_change_nothing() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let demo = Deployment::new("c00000000002", &["vm1", "vm2"]);
    let proxy = Proxy::start().await;
    proxy.fault("POST", "/leases", 2, Fault::LoseAnswer);
    proxy.fault("POST", "/security-groups", 1, Fault::LoseAnswer);
    proxy.fault("POST", "/servers", 2, Fault::LoseAnswer);
    proxy.fault("POST", "/security-group-rules", 1, Fault::LoseAnswer);
    proxy.fault("GET", "/floatingips", 1, Fault::Refuse(401, "expired"));
    let machines = demo.up(&behind(openstack, &proxy)).await.expect("up");
    assert_eq!(machines.len(), 2);
    proxy.take_calls();
    // A lease may become active while it is looked at: its floating IPs are looked for later.
    let late = Fault::Late(Duration::from_millis(500));
    proxy.fault("GET", "/leases", 1, late);
    let plan = demo.plan(&behind(openstack, &proxy)).await.expect("plan");
    let calls = proxy.take_calls();
    assert_eq!(calls.len(), 5, "{calls:?}");
    let last = calls.last().expect("calls");
    assert!(last.contains("/floatingips"), "{calls:?}");
    assert!(
        plan.steps.is_empty() && plan.orphans.is_empty(),
        "{}",
        words(&plan)
    );
    // What a lease gives is not to be seen while it is made.
    let making = Fault::Replace(ALL, "\"CREATING\"");
    proxy.fault("GET", "/leases", 1, making);
    let again = demo.plan(&behind(openstack, &proxy)).await.expect("plan");
    assert_eq!(words(&again), words(&plan));
    assert_eq!(proxy.take_calls().len(), 9);
    let found = openstack.cloud("bob").deployments().await.expect("list");
    let ours = found.iter().find(|found| found.id == "c00000000002");
    let things = &ours.expect("it is listed").things;
    let count = |kind: &str| {
        things
            .iter()
            .filter(|thing| thing.starts_with(kind))
            .count()
    };
    assert_eq!(
        (
            count("machine"),
            count("lease"),
            count("security group"),
            count("floating IP")
        ),
        (2, 2, 1, 1),
        "{things:?}"
    );
    nothing_is_left(&demo, &openstack.cloud("alice")).await;
}

#[tokio::test]
async fn a_project_with_hardly_any_quota() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let demo = Deployment::new("c00000000003", &["vm1", "vm2"]);
    let tight = openstack.cloud("tight");
    let findings = tight.check(&demo.want(false)).await.expect("check");
    let bad: Vec<_> = findings
        .iter()
        .filter(|one| one.problem.is_some())
        .collect();
    assert_eq!(bad.len(), 1, "{findings:?}");
    assert_eq!(bad[0].what, "quota of machines: 1 of 1 left");
    // What counts is what the flavors have, not what the roles need.
    let large = Settings {
        flavor: Some("m1.large".into()),
        ..settings()
    };
    let one = Deployment::new("c00000000003", &["vm1"]);
    let large = openstack.cloud_with("tight", large);
    let findings = large.check(&one.want(false)).await.expect("check");
    let bad = findings.iter().filter(|one| one.problem.is_some());
    let bad: Vec<&str> = bad.map(|one| one.what.as_str()).collect();
    assert_eq!(
        bad,
        [
            "quota of vCPUs: 2 of 2 left",
            "quota of MiB of memory: 4096 of 4096 left"
        ],
        "{findings:?}"
    );
    let error = demo.up(&tight).await.expect_err("no quota");
    says(&error, &["uota exceeded", "the project has no more"]);
    nothing_is_left(&demo, &openstack.cloud("tight")).await;

    // A machine that is there is in use already: it is not asked for a second time.
    let demo = Deployment::new("c00000000005", &["vm1"]);
    demo.up(&tight).await.expect("as much as there is");
    let findings = tight.check(&demo.want(false)).await.expect("check");
    let quota = findings
        .iter()
        .find(|one| one.what == "quota of machines: 0 of 1 left");
    assert!(quota.is_some(), "{findings:?}");
    assert!(
        findings.iter().all(|one| one.problem.is_none()),
        "{findings:?}"
    );
    // With another project's credential nothing of it is seen: neither is it made anew, nor is a teardown done.
    for nothing in [false, true] {
        let plan = openstack.cloud("alice").plan(&demo.want(nothing)).await;
        let error = plan.expect_err("another project");
        says(
            &error,
            &[
                "the deployment is in the project",
                "use those of its project",
            ],
        );
    }
    nothing_is_left(&demo, &openstack.cloud("tight")).await;
}

#[tokio::test]
async fn check_names_what_is_wrong() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let demo = Deployment::new("c00000000004", &["vm1"]);
    let wanted = demo.want(false);
    let problems = async |cloud: &Chameleon| -> Vec<String> {
        let findings = cloud.check(&wanted).await.expect("check");
        let bad = findings.into_iter().filter_map(|one| {
            let problem = one.problem?;
            Some(format!("{}: {problem}", one.what))
        });
        bad.collect()
    };
    for user in ["alice", "bob", "password"] {
        let found = problems(&openstack.cloud(user)).await;
        assert_eq!(found, Vec::<String>::new(), "{user}");
    }
    let found = problems(&openstack.cloud("restricted")).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("may make leases: the application credential is restricted"));

    let wrong = Settings {
        image: "CC-Ubuntu2404".into(),
        network: "sharednet".into(),
        flavor: Some("m1.smal".into()),
        ..settings()
    };
    let found = problems(&openstack.cloud_with("alice", wrong.clone())).await;
    for (problem, near) in found
        .iter()
        .zip(["CC-Ubuntu24.04", "m1.small", "sharednet1"])
    {
        assert!(
            problem.contains(&format!("the nearest are {near}")),
            "{problem}"
        );
    }
    assert_eq!(found.len(), 3, "{found:?}");
    let error = demo.up(&openstack.cloud_with("alice", wrong)).await;
    says(
        &error.expect_err("nothing to make it of"),
        &["the nearest are"],
    );
    let small = Settings {
        flavor: Some("m1.tiny".into()),
        ..settings()
    };
    let error = demo.up(&openstack.cloud_with("alice", small)).await;
    says(
        &error.expect_err("too small"),
        &["m1.tiny has 512 MiB", "2048 MiB"],
    );
    let bare = Settings {
        site: Some(deployer::topology::Site::ChiUc),
        ..settings()
    };
    let found = problems(&openstack.cloud_with("alice", bare.clone())).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let error = demo.up(&openstack.cloud_with("alice", bare)).await;
    says(&error.expect_err("no virtual machines"), &[&found[0][6..]]);
    let left = openstack.cloud("alice").leftovers(&demo.wanted.id).await;
    assert_eq!(left.expect("leftovers"), Vec::<String>::new());
}

#[tokio::test]
async fn credentials_that_are_wrong_and_a_site_that_is_down() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let failure = async |change: &dyn Fn(&str) -> String, url: Option<&str>| -> CloudError {
        let mut login = openstack.login("alice");
        login.request = Secret::new(change(login.request.expose()));
        login.auth_url = url.map_or(login.auth_url, Into::into);
        let quick = Pace {
            poll: Duration::from_millis(40),
            ..pace()
        };
        let cloud = Chameleon::new(login, settings(), quick).expect("a client");
        cloud.deployments().await.expect_err("no token")
    };
    let same = |text: &str| text.to_owned();
    let other = |key: &'static str| {
        move |text: &str| {
            let mut request: serde_json::Value = serde_json::from_str(text).expect("JSON");
            request["auth"]["identity"]["application_credential"][key] = "wrong".into();
            request.to_string()
        }
    };
    let error = failure(&other("secret"), None).await;
    says(
        &error,
        &[
            "(401)",
            "the credential's secret is wrong, or it has expired",
        ],
    );
    let error = failure(&other("id"), None).await;
    says(&error, &["(404)", "each site has its own"]);
    let error = failure(&same, Some("http://127.0.0.1:1/v3")).await;
    says(&error, &["is the site up?"]);
}
