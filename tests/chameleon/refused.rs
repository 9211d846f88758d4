//! What a site refuses to prolong, or to make: it is said what is so now, nothing is lost by it, and the next `up` goes on from there.

use deployer::cloud::chameleon::marks::Purpose;
use deployer::cloud::chameleon::notes::note;
use deployer::cloud::chameleon::operation::{Kind, Operation};
use deployer::cloud::{Cloud as _, CloudError, CloudStep, Extension};
use deployer::topology::CloudName;
use jiff::{SignedDuration, Timestamp};

use super::bench::{Deployment, words};
use super::faults::{nothing_is_left, says};
use super::habits;
use super::kills::behind;
use super::openstack::{OpenStack, turn};
use super::proxy::Proxy;
use super::skip::skip;

/// In whole minutes, as leases end.
fn hours_from_now(hours: i64) -> Timestamp {
    let then = Timestamp::now() + SignedDuration::from_hours(hours);
    let second = then.as_second();
    Timestamp::from_second(second - second % 60).expect("a time")
}

/// The leases of a purpose that a step prolongs.
fn leases(steps: &[Extension], wanted: Purpose) -> Vec<String> {
    let mut all = Vec::new();
    for Extension { step, .. } in steps {
        if let Ok(Operation::Extend {
            purpose, leases, ..
        }) = step.operation.read(CloudName::CHAMELEON)
            && purpose == wanted
        {
            all.extend(leases);
        }
    }
    all
}

/// Prolongs as the command does: each step for itself.
async fn extend(
    demo: &Deployment,
    openstack: &OpenStack,
    proxy: &Proxy,
    end: Timestamp,
) -> Vec<Result<(), CloudError>> {
    let cloud = behind(openstack, proxy);
    let steps = cloud.extend(&demo.wanted.id, Some(end)).await;
    let mut results = Vec::new();
    for Extension { step, .. } in steps.expect("steps") {
        let one = demo.run(&cloud, &[step], true).await;
        results.push(one.map(|_| ()));
    }
    results
}

fn noted(demo: &Deployment) -> Option<Timestamp> {
    let notes = demo.notes.0.lock().expect("notes");
    notes.get(note::END).and_then(|end| end.parse().ok())
}

#[tokio::test]
async fn a_lease_that_cannot_be_prolonged_keeps_its_machines() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let demo = Deployment::new("d00000000001", &["vm1"]);
    let proxy = Proxy::start().await;
    let cloud = || behind(openstack, &proxy);
    let machines = demo.up(&cloud()).await.expect("up");
    let old = noted(&demo).expect("an end");
    let end = hours_from_now(24 * 9);
    let steps = cloud()
        .extend("d00000000001", Some(end))
        .await
        .expect("steps");
    for lease in leases(&steps, Purpose::Machines) {
        habits::prolongs_no_machines(&proxy, &lease);
    }
    let results = extend(&demo, openstack, &proxy, end).await;
    let error = results[0].as_ref().expect_err("refused");
    let still = format!("It still ends at {old}");
    says(
        error,
        &[
            "is not yet supported",
            "long enough from the start",
            &still,
            "`deployer export FILE`",
            "the site says ERROR",
        ],
    );
    assert_eq!(noted(&demo), Some(old));

    // The next `up` takes nothing away, and says how it stands.
    let plan = demo.plan(&cloud()).await.expect("plan");
    assert!(plan.steps.is_empty(), "{}", words(&plan));
    assert_eq!((plan.machines.len(), plan.expires), (1, Some(old)));
    let said = plan.remarks.join("\n");
    assert!(said.contains("vm1 run on until it ends at"), "{said}");
    let again = demo.up(&cloud()).await.expect("up");
    assert_eq!(again["vm1"].id, machines["vm1"].id);

    // A site that can takes its word back.
    proxy.heal();
    let results = extend(&demo, openstack, &proxy, end).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(noted(&demo), Some(end));
    // Somebody whose receipt is older asks for less: it ends no earlier.
    let results = extend(&demo, openstack, &proxy, hours_from_now(24 * 8)).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let plan = demo.plan(&cloud()).await.expect("plan");
    assert_eq!((noted(&demo), plan.expires), (Some(end), Some(end)));
    nothing_is_left(&demo, &openstack.cloud("alice")).await;
}

#[tokio::test]
async fn a_floating_ip_that_is_promised_to_somebody_holds_up_no_machine() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let demo = Deployment::new("d00000000002", &["vm1"]);
    let proxy = Proxy::start().await;
    let cloud = || behind(openstack, &proxy);
    let machines = demo.up(&cloud()).await.expect("up");
    let end = hours_from_now(24 * 9);
    let steps = cloud()
        .extend("d00000000002", Some(end))
        .await
        .expect("steps");
    let address = leases(&steps, Purpose::Address);
    assert_eq!(address.len(), 1, "{steps:?}");
    habits::address_is_promised(&proxy, &address[0]);
    let results = extend(&demo, openstack, &proxy, end).await;
    assert!(results[0].is_ok(), "{results:?}");
    let error = results[1].as_ref().expect_err("refused");
    says(
        error,
        &[
            "Not enough floating IPs",
            "until then its floating IP stays",
        ],
    );
    // What is noted is when the machines end.
    assert_eq!(noted(&demo), Some(end));
    let plan = demo.plan(&cloud()).await.expect("plan");
    assert!(plan.steps.is_empty(), "{}", words(&plan));
    assert_eq!(plan.expires, Some(end));
    assert_eq!(plan.machines[0].public, machines["vm1"].public);
    nothing_is_left(&demo, &openstack.cloud("alice")).await;
}

#[tokio::test]
async fn a_policy_that_refuses_leaves_all_as_it_is() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let demo = Deployment::new("d00000000003", &["vm1"]);
    let proxy = Proxy::start().await;
    for status in [400, 403] {
        habits::has_no_sus_left(&proxy, status);
        let error = demo.up(&behind(openstack, &proxy)).await;
        let error = error.expect_err("no SUs");
        says(
            &error,
            &["would spend 56.00 SUs", "chameleoncloud.org under Projects"],
        );
        proxy.heal();
    }
    demo.up(&behind(openstack, &proxy)).await.expect("up");
    let old = noted(&demo).expect("an end");
    habits::prolongs_only_near_the_end(&proxy);
    let results = extend(&demo, openstack, &proxy, hours_from_now(24 * 9)).await;
    let error = results[0].as_ref().expect_err("too early");
    let still = format!("It still ends at {old}");
    says(
        error,
        &["only be extended within", "shortly before its end", &still],
    );
    assert!(!error.to_string().contains("the site says"), "{error}");
    assert_eq!(noted(&demo), Some(old));
    nothing_is_left(&demo, &openstack.cloud("alice")).await;
}

#[tokio::test]
async fn what_is_not_clear_or_not_there_is_said_before_it_costs() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let demo = Deployment::new("d00000000004", &["vm1"]);
    let proxy = Proxy::start().await;
    habits::has_a_namesake_of_the_image(&proxy);
    let error = demo.up(&behind(openstack, &proxy)).await;
    let error = error.expect_err("two images");
    says(&error, &["several projects", "not-ours", "by its id"]);
    let left = behind(openstack, &proxy).leftovers("d00000000004").await;
    assert_eq!(left.expect("leftovers"), Vec::<String>::new());
    proxy.heal();

    habits::has_no_addresses_left(&proxy);
    let error = demo.up(&behind(openstack, &proxy)).await;
    let error = error.expect_err("no address");
    says(
        &error,
        &["No fixed IP addresses available", "`network: own`"],
    );
    proxy.heal();
    nothing_is_left(&demo, &openstack.cloud("alice")).await;
}

#[tokio::test]
async fn an_address_is_taken_without_a_lease_where_none_is_given() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    for (id, status) in [("d00000000006", 403), ("d00000000007", 409)] {
        let demo = Deployment::new(id, &["vm1"]);
        let proxy = Proxy::start().await;
        habits::leases_no_addresses(&proxy, status);
        let machines = demo.up(&behind(openstack, &proxy)).await.expect("up");
        assert!(machines["vm1"].public.is_some(), "{machines:?}");
        let said = demo.lines.0.lock().expect("lines").join("\n");
        assert!(said.contains("so one without: "), "{said}");
        nothing_is_left(&demo, &openstack.cloud("alice")).await;
    }
}

/// A deployment's id, a habit of its site, what is said then.
type Habit = (&'static str, fn(&Proxy), &'static str);

#[tokio::test]
async fn what_a_lease_did_not_give_is_made_up_for() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let habits: [Habit; 3] = [
        (
            "d0000000000d",
            |proxy| habits::promises_machines_in_vain(proxy, 2),
            "failed at the site, so another one",
        ),
        (
            "d0000000000b",
            habits::promises_an_address_twice,
            "so one without: ",
        ),
        (
            "d0000000000c",
            habits::takes_an_address_back,
            "is gone, so another one: ",
        ),
    ];
    for (id, habit, words) in habits {
        let demo = Deployment::new(id, &["vm1"]);
        let proxy = Proxy::start().await;
        habit(&proxy);
        let machines = demo.up(&behind(openstack, &proxy)).await.expect("up");
        assert!(machines["vm1"].public.is_some(), "{machines:?}");
        let said = demo.lines.0.lock().expect("lines").join("\n");
        assert!(said.contains(words), "{said}");
        nothing_is_left(&demo, &openstack.cloud("alice")).await;
    }
}

#[tokio::test]
async fn a_site_that_never_gives_machines_is_not_asked_for_ever() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let demo = Deployment::new("d0000000000e", &["vm1"]);
    let proxy = Proxy::start().await;
    habits::promises_machines_in_vain(&proxy, u32::MAX);
    let refused = demo.up(&behind(openstack, &proxy)).await;
    let error = refused.expect_err("no machines");
    says(&error, &["is ERROR", "could not give what it promised"]);
    let calls = proxy.take_calls();
    let asked = calls
        .iter()
        .filter(|call| call.starts_with("POST") && call.ends_with("/leases"));
    assert_eq!(
        asked.count(),
        4,
        "three for machines, one for an address: {calls:?}"
    );
    // Each that failed was given back.
    let found = openstack.cloud("bob").deployments().await.expect("list");
    let ours = found.iter().find(|found| found.id == "d0000000000e");
    let things = ours.map_or_else(String::new, |found| found.things.join(", "));
    assert!(!things.contains("(machines)"), "{things}");
    nothing_is_left(&demo, &openstack.cloud("alice")).await;
}

/// What the habit imitates, from the very version that has it: most sites are behind the newest.
#[tokio::test]
async fn an_older_blazar_does_as_its_habit_says() {
    if !std::env::vars().any(|(key, _)| key == "DEPLOYER_TEST_FULL") {
        eprintln!("Blazar 17 is for DEPLOYER_TEST_FULL=1");
        return;
    }
    let _turn = turn().await;
    let older = OpenStack::with_blazar("17.0.0");
    let openstack = match &older {
        Ok(openstack) => openstack,
        Err(why) => return skip(&format!("needs OpenStack with Blazar 17, and {why}")),
    };
    let demo = Deployment::new("d00000000008", &["vm1"]);
    let proxy = Proxy::start().await;
    let machines = demo.up(&behind(openstack, &proxy)).await.expect("up");
    let old = noted(&demo).expect("an end");
    let results = extend(&demo, openstack, &proxy, hours_from_now(24 * 9)).await;
    let error = results[0].as_ref().expect_err("refused");
    let still = format!("It still ends at {old}");
    let words = [
        "(409)",
        "is not yet supported",
        &still,
        "the site says ERROR",
    ];
    says(error, &words);
    let plan = demo.plan(&openstack.cloud("alice")).await.expect("plan");
    assert!(plan.steps.is_empty(), "{}", super::bench::words(&plan));
    assert_eq!((plan.machines.len(), plan.expires), (1, Some(old)));
    assert_eq!(plan.machines[0].id, machines["vm1"].id);
    nothing_is_left(&demo, &openstack.cloud("alice")).await;
}

/// A machine of somebody else's under our lease would go with it.
#[tokio::test]
async fn a_lease_is_not_deleted_under_a_machine_that_is_not_ours() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let demo = Deployment::new("d00000000005", &["vm1"]);
    let cloud = || openstack.cloud("alice");
    demo.up(&cloud()).await.expect("up");
    // It lost its marks: nobody knows whose it is.
    let proxy = Proxy::start().await;
    let marks = super::proxy::Fault::Replace(&["deployer:id"], "somebody:id");
    proxy.fault("GET", "/servers/detail", u32::MAX, marks);
    let blind = behind(openstack, &proxy);
    let plan = blind.plan(&demo.want(true)).await.expect("plan");
    let of_leases = |step: &&CloudStep| {
        let operation = step.operation.read(CloudName::CHAMELEON);
        matches!(
            operation,
            Ok(Operation::Delete {
                kind: Kind::Lease,
                ..
            })
        )
    };
    let steps: Vec<CloudStep> = plan.steps.iter().filter(of_leases).cloned().collect();
    assert_eq!(steps.len(), 2, "{}", words(&plan));
    let error = demo.run(&blind, &steps, true).await.expect_err("a machine");
    says(&error, &["is not deleted", "run under it"]);
    let left = cloud().leftovers("d00000000005").await.expect("leftovers");
    let machines = left.iter().filter(|one| one.starts_with("machine"));
    assert_eq!(machines.count(), 1, "{left:?}");
    nothing_is_left(&demo, &cloud()).await;
}
