//! What is kept: documents hang on a machine, and a machine on its lease. Whatever a site says of these, they are taken away only by
//! what was looked at, and never without a word where documents may be lost. Plans from data alone.

use std::net::Ipv4Addr;

use deployer::cloud::chameleon::catalog::{Catalog, Offer};
use deployer::cloud::chameleon::marks::Purpose;
use deployer::cloud::chameleon::observed::{Address, Lease, Observed, Reservation, Server, Size};
use deployer::cloud::chameleon::operation::Operation;
use deployer::cloud::chameleon::plan::plan;
use deployer::cloud::chameleon::prolong;
use deployer::cloud::chameleon::view::View;
use deployer::cloud::{CloudPlan, CloudStep, Extension};
use deployer::topology::CloudName;
use jiff::Timestamp;

use super::bench::{Deployment, words};
use super::openstack::settings;
use super::plan::{now, ours};

/// All that Blazar says of a lease (its `status.py`), and a word that it may learn one day.
const LEASES: [&str; 10] = [
    "PENDING",
    "ACTIVE",
    "TERMINATED",
    "ERROR",
    "CREATING",
    "STARTING",
    "UPDATING",
    "TERMINATING",
    "DELETING",
    "FROZEN",
];

/// All that Nova says of a server (its guide `server_concepts`), and a word that it may learn one day.
pub(crate) const SERVERS: [&str; 22] = [
    "ACTIVE",
    "BUILD",
    "DELETED",
    "ERROR",
    "HARD_REBOOT",
    "MIGRATING",
    "PASSWORD",
    "PAUSED",
    "REBOOT",
    "REBUILD",
    "RESCUE",
    "RESIZE",
    "REVERT_RESIZE",
    "SHELVED",
    "SHELVED_OFFLOADED",
    "SHUTOFF",
    "SOFT_DELETED",
    "SUSPENDED",
    "UNKNOWN",
    "VERIFY_RESIZE",
    "frozen",
    "",
];

fn end() -> Timestamp {
    "2026-11-28T10:00:00Z".parse().expect("time")
}

fn lease(id: &str, purpose: Purpose, status: &str) -> Lease {
    Lease {
        id: id.into(),
        name: String::new(),
        marks: ours(None),
        purpose,
        status: status.into(),
        end: end(),
        reservations: vec![Reservation {
            id: format!("reservation-of-{id}"),
            amount: 1,
            size: Size::default(),
        }],
    }
}

fn server(status: &str) -> Server {
    Server {
        id: "server".into(),
        marks: ours(Some("vm1")),
        status: status.into(),
        fault: None,
        fixed: [("sharednet1".to_owned(), Ipv4Addr::new(10, 77, 0, 1))].into(),
        flavor: "reservation:reservation-of-machines".into(),
        created: Some(now()),
        ran: true,
    }
}

fn address() -> Address {
    Address {
        id: "address".into(),
        address: Ipv4Addr::new(198, 51, 100, 1),
        marks: ours(None),
        lease: Some("address".into()),
        to: Some(Ipv4Addr::new(10, 77, 0, 1)),
    }
}

/// The whole of a deployment with one machine, its leases in this status.
fn observed(status: &str) -> Observed {
    Observed {
        leases: vec![
            lease("machines", Purpose::Machines, status),
            lease("address", Purpose::Address, status),
        ],
        servers: vec![server("ACTIVE")],
        addresses: vec![address()],
        ..Observed::default()
    }
}

/// The plan for one machine, of which the receipt knows or not.
fn planned(observed: &Observed, made: bool) -> CloudPlan {
    let mut demo = Deployment::new("0123456789ab", &["vm1"]);
    if made {
        demo.wanted.made.insert("vm1".into());
    }
    let offer = Offer {
        id: "3".into(),
        name: "m1.medium".into(),
        size: Size::default(),
    };
    let catalog = Catalog {
        network: Some("network".into()),
        flavors: [("vm1".to_owned(), offer)].into(),
        ..Catalog::default()
    };
    plan(&View {
        wanted: &demo.wanted,
        settings: &settings(),
        observed,
        catalog: Some(&catalog),
        now: now(),
    })
    .expect("a plan")
}

/// What a step takes away.
fn taken(step: &CloudStep) -> Vec<String> {
    match step.operation.read(CloudName::CHAMELEON) {
        Ok(Operation::Terminate { servers }) => servers.into_iter().collect(),
        Ok(Operation::Delete { id, .. }) => vec![id],
        _ => Vec::new(),
    }
}

fn all_taken(plan: &CloudPlan) -> Vec<String> {
    plan.steps.iter().flat_map(taken).collect()
}

#[test]
fn no_lease_is_deleted_while_anything_hangs_on_it() {
    for status in LEASES {
        let plan = planned(&observed(status), true);
        assert!(all_taken(&plan).is_empty(), "{status}: {}", words(&plan));
        let over = ["TERMINATED", "TERMINATING", "DELETING"].contains(&status);
        assert_eq!(plan.expires.is_none(), over, "{status}: {}", words(&plan));
    }
    // Its machines run on: that is said, and how to save the documents.
    let plan = planned(&observed("ERROR"), true);
    let said = plan.remarks.join("\n");
    for part in [
        "the lease machines is ERROR",
        "vm1 run on until it ends at 2026-11-28T10:00:00Z",
        "`deployer export FILE`",
        "the lease address is ERROR at the site; its floating IP stays",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(planned(&observed("ACTIVE"), true).remarks.is_empty());

    // A site that calls the flavor otherwise: nothing shows that the machine does not hang on it.
    let mut other = observed("ERROR");
    other.servers[0].flavor = "m1.medium".into();
    let plan = planned(&other, true);
    assert!(all_taken(&plan).is_empty(), "{}", words(&plan));

    // One that the site failed to end says nothing of when what is new ends.
    let mut late = observed("ERROR");
    late.leases[0].end = now() - jiff::SignedDuration::from_hours(1);
    let plan = planned(&late, true);
    let said = plan.remarks.join("\n");
    assert!(said.contains("vm1 still run: `deployer export"), "{said}");
    assert!(all_taken(&plan).is_empty() && plan.expires.is_none());
}

#[test]
fn only_a_lease_that_failed_and_gave_nothing_is_deleted() {
    for status in LEASES {
        let observed = Observed {
            servers: Vec::new(),
            addresses: Vec::new(),
            ..observed(status)
        };
        let plan = planned(&observed, false);
        let expected: &[&str] = match status {
            "ERROR" => &["machines", "address"],
            _ => &[],
        };
        assert_eq!(all_taken(&plan), *expected, "{status}: {}", words(&plan));
        assert!(plan.steps.iter().all(|step| step.loses.is_none()));
        // What is not known here is left alone, and said.
        let said = plan.remarks.join("\n");
        // What is asked for anew has its cost.
        let leases = words(&plan).contains("lease 1 m1.medium until");
        assert_eq!(said.contains("the lease costs"), leases, "{said}");
        assert_eq!(said.contains("left alone"), status == "FROZEN", "{said}");
    }
}

#[test]
fn a_server_is_deleted_only_where_it_failed_and_with_a_word_where_it_ever_ran() {
    for status in SERVERS {
        for (ran, made) in [(true, true), (true, false), (false, true), (false, false)] {
            let observed = Observed {
                servers: vec![Server {
                    ran,
                    ..server(status)
                }],
                ..observed("ACTIVE")
            };
            let plan = planned(&observed, made);
            let said = format!("{status:?}, ran {ran}, made {made}: {}", words(&plan));
            let expected: &[&str] = match status {
                "ERROR" => &["server"],
                _ => &[],
            };
            assert_eq!(all_taken(&plan), *expected, "{said}");
            let mut taking = plan.steps.iter().filter(|step| !taken(step).is_empty());
            let holds = ran || made;
            assert!(taking.all(|step| step.loses.is_some() == holds), "{said}");
            // The receipt's data is asked for by name (`--destroy-data`).
            let gone = ["DELETED", "SOFT_DELETED"].contains(&status) && made;
            let lost = gone || status == "ERROR" && holds;
            assert_eq!(plan.lost.contains("vm1"), lost, "{said}");
        }
    }
    let failed = Server {
        fault: Some("the host is down".into()),
        ..server("ERROR")
    };
    let observed = Observed {
        servers: vec![failed],
        ..observed("ACTIVE")
    };
    let said = words(&planned(&observed, true));
    assert!(said.contains("in ERROR (the host is down)"), "{said}");
    assert!(said.contains("a hard reboot"), "{said}");
}

/// Documents hang on machines: their leases come first, whatever the ids, and whatever the site says of them.
#[test]
fn leases_of_machines_are_prolonged_first() {
    for status in ["ACTIVE", "UPDATING", "ERROR", "FROZEN"] {
        for (machines, address) in [("a", "b"), ("b", "a")] {
            let mut observed = observed(status);
            observed.leases[0].id = machines.into();
            observed.leases[1].id = address.into();
            observed.addresses[0].lease = Some(address.into());
            let steps = prolong::plan(&observed, end()).expect("steps");
            let order: Vec<(Purpose, bool, Vec<String>)> = steps
                .iter()
                .filter_map(|Extension { step, vital }| {
                    match step.operation.read(CloudName::CHAMELEON) {
                        Ok(Operation::Extend {
                            purpose, leases, ..
                        }) => Some((purpose, *vital, leases.into_iter().collect())),
                        _ => None,
                    }
                })
                .collect();
            let expected = [
                (Purpose::Machines, true, vec![machines.to_owned()]),
                (Purpose::Address, false, vec![address.to_owned()]),
            ];
            assert_eq!(order, expected, "{status}");
        }
    }
}

/// What is said of a lease that cannot be prolonged is what is so.
#[test]
fn that_it_has_ended_is_said_only_where_it_has() {
    let nothing = Observed::default();
    let ended = Observed {
        servers: Vec::new(),
        ..observed("TERMINATED")
    };
    let without = Observed {
        leases: Vec::new(),
        ..observed("ACTIVE")
    };
    for (observed, says) in [
        (&ended, "it has ended, and its machines went with it"),
        (&observed("TERMINATING"), "it is ending"),
        (&without, "they run until somebody deletes them"),
        (&nothing, "neither a lease nor a machine"),
    ] {
        let said = prolong::plan(observed, end()).expect_err(says).to_string();
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn a_teardown_takes_all_whatever_is_said_of_it() {
    for status in LEASES {
        let steps = deployer::cloud::chameleon::teardown::plan(&observed(status)).steps;
        let taken: Vec<String> = steps.iter().flat_map(taken).collect();
        assert_eq!(taken, ["server", "machines", "address"], "{status}");
        assert!(steps[0].loses.is_some());
    }
}
