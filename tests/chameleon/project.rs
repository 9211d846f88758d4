//! A project from nothing to machines and back, in all the ways that need no machine to boot.

use std::collections::BTreeMap;

use deployer::cloud::Cloud as _;
use deployer::cloud::chameleon::Settings;
use deployer::machine::{Access, Machine, SshAccess};

use super::bench::{Deployment, words};
use super::openstack::{OpenStack, settings};

const NODES: [&str; 3] = ["vm1", "vm2", "vm3"];

fn ssh(machine: &Machine) -> &SshAccess {
    match &machine.access {
        Access::Ssh(access) => access,
        Access::Here => panic!("{machine:?}"),
    }
}

#[tokio::test]
async fn up_again_and_down() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let demo = Deployment::new("a00000000001", &NODES);
    let plan = demo.plan(&openstack.cloud("alice")).await.expect("plan");
    eprintln!("{}", words(&plan));
    let machines = demo.up(&openstack.cloud("alice")).await.expect("up");
    assert_eq!(machines.keys().collect::<Vec<_>>(), NODES);
    let (bastion, other) = (ssh(&machines["vm1"]), ssh(&machines["vm2"]));
    assert!(bastion.address.starts_with("10.99.0.") && bastion.jump.is_none());
    assert!(other.address.starts_with("10.78.") && other.jump.as_deref() == Some("vm1"));
    assert!(
        machines["vm2"]
            .address_seen_from(&machines["vm3"])
            .is_some()
    );

    // Unchanged: nothing to do, and the end is known.
    let plan = demo.plan(&openstack.cloud("alice")).await.expect("plan");
    assert_eq!(
        (plan.steps.len(), plan.machines.len()),
        (0, 3),
        "{}",
        words(&plan)
    );
    assert!(plan.expires.is_some());
    let again: BTreeMap<String, Machine> = plan
        .machines
        .into_iter()
        .map(|machine| (machine.node.clone(), machine))
        .collect();
    assert_eq!(again, machines);

    // One more node: its own lease, which ends with the first.
    let mut more = Deployment::new("a00000000001", &["vm1", "vm2", "vm3", "vm4"]);
    std::mem::swap(&mut more.notes, &mut { demo }.notes);
    let plan = more.plan(&openstack.cloud("alice")).await.expect("plan");
    assert_eq!(plan.steps.len(), 2, "{}", words(&plan));
    let machines = more.up(&openstack.cloud("alice")).await.expect("up");
    assert_eq!(machines.len(), 4);

    // It may be taken away by anybody of the project, who finds it without a receipt.
    let found = openstack.cloud("bob").deployments().await.expect("list");
    let ours = found.iter().find(|found| found.id == "a00000000001");
    let ours = ours.expect("it is listed");
    assert_eq!(
        (
            ours.deployment.as_str(),
            ours.owner.as_deref(),
            ours.nodes.len()
        ),
        ("demo", Some("me@box"), 4)
    );
    let nobody = Deployment::new("a00000000001", &[]);
    let left = nobody.teardown(&openstack.cloud("bob")).await;
    assert_eq!(left.expect("teardown"), Vec::<String>::new());
    let found = openstack.cloud("alice").deployments().await.expect("list");
    assert!(found.iter().all(|found| found.id != "a00000000001"));
}

#[tokio::test]
async fn a_site_without_leases() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let settings: Settings = Settings {
        lease: "none".to_owned().try_into().expect("none"),
        ..settings()
    };
    let demo = Deployment::new("a00000000002", &["vm1"]);
    let cloud = || openstack.cloud_with("alice", settings.clone());
    let plan = demo.plan(&cloud()).await.expect("plan");
    assert!(
        plan.expires.is_none() && !words(&plan).contains("lease "),
        "{}",
        words(&plan)
    );
    // All hosts of the test's site are for leases: it says what a site says that wants one.
    let error = demo.up(&cloud()).await.expect_err("no room");
    assert!(error.to_string().contains("No valid host"), "{error}");
    assert!(error.to_string().contains("want a lease"), "{error}");
    let left = demo.teardown(&cloud()).await.expect("teardown");
    assert_eq!(left, Vec::<String>::new());
}
