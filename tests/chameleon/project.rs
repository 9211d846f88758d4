//! A project from nothing to machines and back, in all the ways that need no machine to boot.

use std::collections::BTreeMap;

use deployer::cloud::Cloud as _;
use deployer::cloud::chameleon::{Chameleon, Settings};
use deployer::machine::{Access, Machine, SshAccess};

use super::bench::{Deployment, words};
use super::openstack::{OpenStack, pace, settings};
use super::proxy::Proxy;

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

#[tokio::test]
async fn two_people_may_use_the_same_name() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let hers = Deployment::new("a00000000003", &["vm1"]);
    let his = Deployment::new("a00000000004", &["vm1"]);
    let (one, two) = (openstack.cloud("alice"), openstack.cloud("bob"));
    let (one, two) = tokio::join!(hers.up(&one), his.up(&two));
    let (one, two) = (one.expect("hers"), two.expect("his"));
    assert_ne!(one["vm1"].id, two["vm1"].id);
    assert_ne!(one["vm1"].public, two["vm1"].public);
    let left = hers.teardown(&openstack.cloud("alice")).await;
    assert_eq!(left.expect("teardown"), Vec::<String>::new());
    let plan = his.plan(&openstack.cloud("bob")).await.expect("plan");
    assert!(plan.steps.is_empty(), "{}", words(&plan));
    let left = his.teardown(&openstack.cloud("bob")).await;
    assert_eq!(left.expect("teardown"), Vec::<String>::new());
}

#[tokio::test]
async fn the_end_of_a_lease_loses_the_machines() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let settings = Settings {
        lease: "2m".to_owned().try_into().expect("a duration"),
        ..settings()
    };
    let cloud = || openstack.cloud_with("alice", settings.clone());
    let demo = Deployment::new("a00000000005", &["vm1"]);
    demo.up(&cloud()).await.expect("up");
    let plan = demo.plan(&cloud()).await.expect("plan");
    let end = plan.expires.expect("an end");
    // This box may be busy.
    let deadline = end + jiff::SignedDuration::from_mins(3);
    let plan = loop {
        let plan = demo.plan(&cloud()).await.expect("plan");
        if plan.lost.contains("vm1") {
            break plan;
        }
        assert!(jiff::Timestamp::now() < deadline, "{}", words(&plan));
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    };
    assert!(jiff::Timestamp::now() >= end);
    let said = words(&plan);
    assert!(
        said.contains("LOSES vm1: its machine is gone, and all data it had"),
        "{said}"
    );
    let ended = cloud();
    let later = end + jiff::SignedDuration::from_hours(1);
    let error = ended.extend("a00000000005", Some(later)).await;
    let error = error.expect_err("it has ended").to_string();
    assert!(error.contains("it has ended"), "{error}");
    let left = demo.teardown(&cloud()).await.expect("teardown");
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn a_network_of_its_own_and_brokers_that_are_reached_from_outside() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let settings = Settings {
        network: "own".into(),
        cidr: "10.78.64.0/24".into(),
        ..settings()
    };
    let proxy = Proxy::start().await;
    let cloud = || {
        let mut login = openstack.login("alice");
        login.auth_url = proxy.before(&login.auth_url);
        Chameleon::new(login, settings.clone(), pace()).expect("a client")
    };
    let mut demo = Deployment::new("a00000000006", &NODES);
    for node in ["vm2", "vm3"] {
        demo.wanted.machines.get_mut(node).expect("a node").open = true;
    }
    demo.wanted.outside_ports.insert(9092);
    let laptop = "192.0.2.9".parse().expect("an address");
    demo.wanted.outside.insert("laptop".into(), laptop);
    let plan = demo.plan(&cloud()).await.expect("plan");
    let said = words(&plan);
    for line in [
        "[lease] make the network 10.78.64.0/24",
        "[lease] get 3 floating IPs for vm1, vm2, vm3",
        "[access] make a router from it to the outside",
        "tcp 9092 from 192.0.2.9/32",
    ] {
        assert!(said.contains(line), "{said}");
    }
    let machines = demo.up(&cloud()).await.expect("up");
    for machine in machines.values() {
        let access = ssh(machine);
        assert!(access.address.starts_with("10.99.0."), "{access:?}");
        assert_eq!(
            machine.public.map(|one| one.to_string()),
            Some(access.address.clone())
        );
        let private: Vec<String> = machine.networks.values().map(ToString::to_string).collect();
        assert!(private[0].starts_with("10.78.64."), "{private:?}");
    }
    // What runs and can be reached proves that its network is there: nobody is asked for it.
    proxy.take_calls();
    let plan = demo.plan(&cloud()).await.expect("plan");
    assert_eq!(
        (plan.steps.len(), plan.machines.len()),
        (0, 3),
        "{}",
        words(&plan)
    );
    let calls = proxy.take_calls();
    assert_eq!(calls.len(), 5, "{calls:?}");

    // Nobody is outside any more: the addresses stay, the way in does not.
    demo.wanted.outside.clear();
    let said = words(&demo.plan(&cloud()).await.expect("plan"));
    assert!(said.contains("let in no more tcp 9092"), "{said}");
    assert!(!said.contains("floating"), "{said}");

    let found = openstack.cloud("bob").deployments().await.expect("list");
    let ours = found.iter().find(|found| found.id == "a00000000006");
    let things = ours.expect("it is listed").things.join(", ");
    assert!(
        things.contains("network ") && things.contains("router "),
        "{things}"
    );
    // Without receipt or inventory: by the id alone.
    let nobody = Deployment::new("a00000000006", &[]);
    let left = nobody.teardown(&openstack.cloud("bob")).await;
    assert_eq!(left.expect("teardown"), Vec::<String>::new());
}
