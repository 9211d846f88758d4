//! Plans from data alone: a network of our own, and who gets which floating IP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use deployer::cloud::CloudPlan;
use deployer::cloud::chameleon::Settings;
use deployer::cloud::chameleon::catalog::{Catalog, Offer};
use deployer::cloud::chameleon::images::Image;
use deployer::cloud::chameleon::marks::{self, Marks, Purpose};
use deployer::cloud::chameleon::observed::{
    Address, Group, Lease, Network, Observed, Reservation, Router, Server, Size,
};
use deployer::cloud::chameleon::operation::{Floating, Operation};
use deployer::cloud::chameleon::plan::plan;
use deployer::cloud::chameleon::view::View;
use deployer::cloud::rules::Rule;
use deployer::topology::CloudName;
use jiff::Timestamp;

use super::bench::{Deployment, words};
use super::openstack::settings;

const NODES: [&str; 3] = ["vm1", "vm2", "vm3"];

pub(crate) fn now() -> Timestamp {
    "2026-11-21T10:00:30Z".parse().expect("time")
}

pub(crate) fn ours(node: Option<&str>) -> Marks {
    let mut marks = Marks::from([(marks::ID.to_owned(), "0123456789ab".to_owned())]);
    marks.extend(node.map(|node| (marks::NODE.to_owned(), node.to_owned())));
    marks
}

/// All three need a floating IP: the first is the bastion, the others are brokers that a laptop must reach.
fn planned(observed: &Observed) -> CloudPlan {
    let mut demo = Deployment::new("0123456789ab", &NODES);
    for node in ["vm2", "vm3"] {
        demo.wanted.machines.get_mut(node).expect("a node").open = true;
    }
    let laptop = Ipv4Addr::new(192, 0, 2, 9);
    demo.wanted.outside.insert("laptop".into(), laptop);
    let settings = Settings {
        network: "own".into(),
        ..settings()
    };
    let offer = Offer {
        id: "2".into(),
        name: "m1.small".into(),
        size: Size::default(),
    };
    let catalog = Catalog {
        image: Image {
            id: "image".into(),
            ..Image::default()
        },
        external: "public".into(),
        flavors: NODES.map(|node| (node.to_owned(), offer.clone())).into(),
        ..Catalog::default()
    };
    let view = View {
        wanted: &demo.wanted,
        settings: &settings,
        observed,
        catalog: Some(&catalog),
        now: now(),
    };
    plan(&view).expect("a plan")
}

/// Node → network and floating IP that it is launched with.
fn launches(plan: &CloudPlan) -> BTreeMap<String, (Option<String>, Option<Floating>)> {
    let operations = plan.steps.iter().map(|step| &step.operation);
    let launches = operations.filter_map(|operation| match operation.read(CloudName::CHAMELEON) {
        Ok(Operation::Launch(launch)) => Some(launch),
        _ => None,
    });
    launches
        .map(|one| (one.node, (one.network, one.address)))
        .collect()
}

#[test]
fn a_network_is_made_as_far_as_it_is_missing() {
    let subnets = BTreeSet::from(["subnet".to_owned()]);
    let network = |subnets: &BTreeSet<String>| Network {
        id: "network".into(),
        marks: ours(None),
        subnets: subnets.clone(),
    };
    let router = |subnets: &BTreeSet<String>| Router {
        id: "router".into(),
        marks: ours(None),
        subnets: subnets.clone(),
    };
    let none = BTreeSet::new();
    for (networks, routers, makes, routes) in [
        (vec![], vec![], true, true),
        (vec![network(&none)], vec![], true, true),
        (vec![network(&subnets)], vec![], false, true),
        (vec![network(&subnets)], vec![router(&none)], false, true),
        (
            vec![network(&subnets)],
            vec![router(&subnets)],
            false,
            false,
        ),
    ] {
        let plan = planned(&Observed {
            networks,
            routers,
            ..Observed::default()
        });
        let said = words(&plan);
        let network = "[lease] make the network 10.77.0.0/24";
        let router = "[access] make a router from it to the outside";
        assert_eq!(said.contains(network), makes, "{said}");
        assert_eq!(said.contains(router), routes, "{said}");
        let there = (!makes).then_some("network");
        let launched = launches(&plan);
        let there = |one: &Option<String>| one.as_deref() == there;
        assert!(launched.values().all(|one| there(&one.0)), "{said}");
    }
}

#[test]
fn floating_ips_that_are_there_or_on_their_way_are_used_first() {
    let address = |id: &str, node| Address {
        id: id.into(),
        address: Ipv4Addr::new(198, 51, 100, 1),
        marks: ours(node),
        lease: None,
        to: None,
    };
    let lease = Lease {
        id: "lease".into(),
        name: String::new(),
        marks: ours(None),
        purpose: Purpose::Address,
        status: "PENDING".into(),
        end: now(),
        reservations: vec![Reservation {
            id: "reservation".into(),
            amount: 1,
            size: Size::default(),
        }],
    };
    let given = |addresses: Vec<Address>, leases: Vec<Lease>| {
        planned(&Observed {
            addresses,
            leases,
            ..Observed::default()
        })
    };
    let there = |id: &str| Floating::There(id.into());

    // Each node its own, whatever the order.
    let plan = given(vec![address("a", Some("vm3")), address("b", None)], vec![]);
    let launched = launches(&plan);
    assert_eq!(launched["vm1"].1, Some(there("b")));
    assert_eq!(launched["vm2"].1, Some(Floating::New));
    assert_eq!(launched["vm3"].1, Some(there("a")));
    let said = words(&plan);
    assert!(said.contains("get a floating IP for vm2"), "{said}");

    // What a lease will give is waited for, and only the rest is asked for.
    let plan = given(vec![address("a", None)], vec![lease]);
    let said = words(&plan);
    assert!(
        said.contains("wait for the lease lease, which is PENDING"),
        "{said}"
    );
    assert!(said.contains("get a floating IP for vm3"), "{said}");
    assert_eq!(launches(&plan)["vm1"].1, Some(there("a")));
}

/// Those keys of `clouds.chameleon` that may change while machines are there; the table of all keys is in `deployer::keys`.
#[test]
fn settings_that_change_are_planned() {
    let nodes = ["vm1", "vm2"];
    let own = |number| Ipv4Addr::new(10, 77, 0, number);
    let servers: Vec<Server> = (1..)
        .zip(nodes)
        .map(|(number, node)| Server {
            id: format!("server-{node}"),
            marks: ours(Some(node)),
            status: "ACTIVE".into(),
            fault: None,
            fixed: [("sharednet1".to_owned(), own(number))].into(),
            flavor: "reservation:reservation".into(),
            created: Some(now()),
            ran: true,
        })
        .collect();
    let observed = |from: &str, leads_to: u8| Observed {
        leases: vec![Lease {
            id: "lease".into(),
            name: String::new(),
            marks: ours(None),
            purpose: Purpose::Machines,
            status: "ACTIVE".into(),
            end: "2026-11-28T10:00:00Z".parse().expect("time"),
            reservations: vec![Reservation {
                id: "reservation".into(),
                amount: 2,
                size: Size::default(),
            }],
        }],
        servers: servers.clone(),
        groups: vec![Group {
            id: "group".into(),
            marks: ours(None),
            rules: [
                (Rule::members(), "rule-1".to_owned()),
                (
                    Rule::tcp(22, from.parse().expect("range")),
                    "rule-2".to_owned(),
                ),
            ]
            .into(),
        }],
        addresses: vec![Address {
            id: "address".into(),
            address: Ipv4Addr::new(198, 51, 100, 1),
            marks: ours(None),
            lease: None,
            to: Some(own(leads_to)),
        }],
        ..Observed::default()
    };
    let plan_with = |settings: &Settings, observed: &Observed| {
        let demo = Deployment::new("0123456789ab", &nodes);
        let view = View {
            wanted: &demo.wanted,
            settings,
            observed,
            catalog: None,
            now: now(),
        };
        let plan = plan(&view).expect("a plan");
        (plan.steps.len(), words(&plan))
    };
    let (steps, said) = plan_with(&settings(), &observed("192.0.2.1/32", 1));
    assert_eq!(steps, 0, "{said}");

    let from = Settings {
        ssh_from: vec!["198.51.100.0/24".into()],
        ..settings()
    };
    let (steps, said) = plan_with(&from, &observed("192.0.2.1/32", 1));
    assert!(steps > 0 && said.contains("198.51.100.0/24"), "{said}");
    assert_eq!(plan_with(&from, &observed("198.51.100.0/24", 1)).0, 0);

    let bastion = Settings {
        bastion: Some("vm2".into()),
        ..settings()
    };
    let (steps, said) = plan_with(&bastion, &observed("192.0.2.1/32", 1));
    assert!(
        steps > 0 && said.contains("lead the floating IP to server-vm2"),
        "{said}"
    );
    assert_eq!(plan_with(&bastion, &observed("192.0.2.1/32", 2)).0, 0);
}

#[test]
fn a_range_that_cannot_be_ours_is_refused_before_a_call() {
    for (cidr, good) in [
        ("10.77.0.0/24", true),
        ("192.168.0.0/16", true),
        ("10.0.0.0/8", false),
        ("10.77.0.1/24", false),
        ("10.77.0.0/30", false),
        ("198.51.100.0/24", false),
        ("ten", false),
    ] {
        let settings = Settings {
            cidr: cidr.into(),
            ..settings()
        };
        let problems = settings.problems(&BTreeSet::from(["vm1".to_owned()]));
        let said = problems.join("; ");
        assert_eq!(said.is_empty(), good, "{cidr}: {said}");
        assert!(
            good || said.contains(&format!("`cidr`: `{cidr}`")),
            "{said}"
        );
    }
}
